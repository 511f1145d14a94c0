"""How a cluster is made and its server launched: `initdb` and `pg_ctl`, run as the server's user."""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.files import Cluster
from erm_alembic.postgres.embedded.private_place import private_folder
from erm_alembic.postgres.embedded.process_user import run_as

__all__ = ["NOTHING", "initialise", "launch"]

START_SECONDS = 60
LARGEST_LOG = 16 * 1024 * 1024
# A schema of thousands of tables is created or dropped in one transaction: each table and index is a lock.
# Commits stay synchronous: without that, a kill -9 of everything loses what the ledger has just recorded.
SETTINGS = {
    "max_locks_per_transaction": "1024",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "wal_level": "replica",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "unix_socket_permissions": "0700",
    "listen_addresses": "",
    "logging_collector": "off",
}
LOG_PREFIX = r"^[-0-9]+ [:.0-9]+ \w+ \[\d+\] "
THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off"}
NOTHING: Mapping[str, str] = MappingProxyType({})


def initialise(cluster: Cluster, binaries: PostgresBinaries, *, superuser: str, durable: bool, lock: int) -> None:
    """Make the data directory: UTF-8, the superuser trusted on the private socket, the network rejected.

    Args:
        cluster: where to make it.
        binaries: whose `initdb` to run.
        superuser: name of the database superuser.
        durable: whether to wait until all of it is on disk.
        lock: file descriptor of the held lock; `initdb` keeps it, so that a killed erm does not let a second
            one in.

    Raises:
        ServerError: `initdb` failed; its own words are in the message.
    """
    with tempfile.TemporaryFile() as output:
        for locale in _locales(binaries.major):
            shutil.rmtree(cluster.unfinished, ignore_errors=True)
            output.seek(0)
            output.truncate()
            argv: list[str | Path] = [binaries.program("initdb"), "-D", cluster.unfinished, "-U", superuser]
            argv += ["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", *locale]
            argv += [] if durable else ["--no-sync"]
            if run_as(cluster.user, argv, stdout=output, pass_fds=(lock,)) == 0:
                cluster.unfinished.rename(cluster.data_dir)
                return
            words = _text_of(output)
            if "invalid locale" not in words:
                break
    shutil.rmtree(cluster.unfinished, ignore_errors=True)
    raise _failed("initdb could not make the data directory", words, cluster)


def launch(
    cluster: Cluster,
    binaries: PostgresBinaries,
    *,
    socket_dir: Path,
    port: int,
    durable: bool,
    further: Mapping[str, str] = NOTHING,
) -> None:
    """Start the server and wait until it accepts connections.

    Args:
        cluster: its files; nothing else uses them.
        binaries: the PostgreSQL of the data directory's major.
        socket_dir: folder for the unix socket; made here, private to the server's user.
        port: the number in the socket's name.
        durable: False switches `fsync` off.
        further: settings of this server alone.

    Raises:
        ServerError: it does not start; the last lines of its log are in the message.
    """
    private_folder(socket_dir, uid=cluster.user.uid, gid=cluster.user.gid)
    settings = SETTINGS | {"unix_socket_directories": str(socket_dir), "port": str(port)}
    settings |= ({} if durable else THROWAWAY_SETTINGS) | dict(further)
    # pg_ctl hands this line to a shell.
    options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
    _rotate(cluster.log_path)
    before = cluster.log_path.stat().st_size if cluster.log_path.exists() else 0
    # It hands its paths to that shell too, where a dollar sign in a folder's name would have a meaning: it is told
    # names that count from the folder that it is started in.
    argv: list[str | Path] = [binaries.program("pg_ctl"), "start", "-D", cluster.data_dir.name, "-w"]
    argv += ["-t", str(START_SECONDS), "-l", cluster.log_path.name, "-o", options]
    with tempfile.TemporaryFile() as output:
        if run_as(cluster.user, argv, stdout=output, timeout=START_SECONDS + 30, cwd=cluster.store) == 0:
            return
        words = _log_since(cluster.log_path, before) or _text_of(output)
    raise _failed("PostgreSQL did not start", words, cluster)


def _locales(major: int) -> list[list[str]]:
    """The locales to try, the best one first: letters of all scripts known, sorted by code point."""
    if major >= 17:
        return [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
    return [["--locale=C.UTF-8", "--lc-messages=C"], ["--locale=C"]]


def _rotate(log_path: Path) -> None:
    """Keep one older log, so that a server of many months does not fill the disk."""
    if log_path.exists() and log_path.stat().st_size > LARGEST_LOG:
        log_path.replace(log_path.with_name(f"{log_path.name}.1"))


def _text_of(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode("utf-8", "replace")


def _log_since(path: Path, offset: int) -> str:
    try:
        with path.open("rb") as log:
            log.seek(offset)
            return log.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _failed(what: str, words: str, cluster: Cluster) -> ServerError:
    """PostgreSQL's own reason, in one line, with the cure for the reasons that are known."""
    marks = ("FATAL", "PANIC", "ERROR", "error:", "HINT", "No space left", "unrecognized", "invalid")
    lines = (re.sub(LOG_PREFIX, "", line.strip()) for line in words.splitlines())
    telling = [line for line in lines if any(mark in line for mark in marks)]
    reason = " ".join(telling[:4]) or " ".join(words.split()[-40:]) or "it gave no reason"
    cure = "Try again; if it stays so, start afresh with: erm dev reset   (the databases in it are lost)"
    if "No space left" in words or "Disk quota exceeded" in words:
        cure = f"Free space on the disk of {cluster.store}, then try again."
    elif "Permission denied" in words:
        cure = f"Let user {cluster.user.name} write to {cluster.store}, then try again."
    return ServerError(f"{what}: {reason}", effect=f"The embedded server of {cluster.store} is down.", cure=cure)
