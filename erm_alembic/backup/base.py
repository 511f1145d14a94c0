"""The method `pg_basebackup`: a copy of the whole cluster, which starts as it is.

Its own manifest has a checksum of each of its files. pg_verifybackup holds them against it, and looks for the log that
it needs to become consistent.
"""

from __future__ import annotations

from pathlib import Path

from erm_alembic.backup.connection import address_of
from erm_alembic.backup.process import Orders, run_program
from erm_alembic.backup.programs import find_program
from erm_alembic.backup.progress import BackupProgress
from erm_alembic.config.settings import BackupSettings
from erm_alembic.errors import BackupError
from erm_alembic.postgres.backup_facts import has_tablespaces
from erm_alembic.target import Target

__all__ = ["CLUSTER", "copy_cluster", "verify_cluster"]

CLUSTER = "cluster"
PERCENT = "%"


def copy_cluster(
    target: Target, folder: Path, settings: BackupSettings, orders: Orders, progress: BackupProgress
) -> int:
    """Copy the cluster of a database.

    Args:
        target: the database.
        folder: where the copy goes.
        settings: how.
        orders: how the program is run; its environment is this one's own.
        progress: told how far it is.

    Returns:
        The major version of the program.

    Raises:
        BackupError: there is no pg_basebackup of that version, the role may not, or the cluster has tablespaces.
    """
    if settings.compress not in (None, "none", "0"):
        raise BackupError(
            "backup.compress is for pg_dump: a copy of a cluster stays as it is, so that it can be started.",
            effect="No backup was taken.",
            cure="Take `backup.compress` away, or set it to none.",
        )
    _refuse_tablespaces(target)
    program, address = find_program("pg_basebackup", target.major), address_of(target)

    def told(line: str) -> None:
        done, found, _ = line.partition("kB (")
        if found:
            progress.at("the cluster", *_kilobytes(done))

    argv: list[str | bytes | Path] = [program.path, b"--pgdata=" + bytes(folder / CLUSTER), "--format=plain"]
    argv += ["--checkpoint=fast", "--wal-method=stream", "--manifest-checksums=SHA256", "--progress", "--no-password"]
    argv += [f"--label=erm {target.settings.environment}", f"--dbname={address.dsn}"]
    run_program(argv, Orders(address.environ, told, orders.stopped, orders.timeout, orders.held, orders.what))
    return program.major


def verify_cluster(folder: Path, major: int, environ: dict[str, str], orders: Orders) -> None:
    """Hold a copy of a cluster against its own manifest, and its log against what it needs of it.

    Args:
        folder: the backup's folder.
        major: its major version, whose pg_verifybackup alone reads its log.
        environ: the environment of that program.
        orders: tells whether it is to be ended.

    Raises:
        BackupError: it is damaged, or there is no such program.
    """
    program = find_program("pg_verifybackup", major)
    if program.major != major:
        raise BackupError(
            f"The backup is a cluster of PostgreSQL {major}, and pg_verifybackup is of PostgreSQL {program.major}.",
            cure=f"Install PostgreSQL {major}: the log of a cluster is read by its own version alone.",
        )
    argv: list[str | bytes | Path] = [program.path, "--exit-on-error", folder / CLUSTER]
    run_program(argv, Orders(environ, orders.told, orders.stopped, orders.timeout, (), "verifying the cluster"))


def _kilobytes(text: str) -> tuple[int, int]:
    done, _, total = text.strip().rpartition(" ")[2].partition("/")
    return (int(done), int(total)) if done.isdigit() and total.isdigit() else (0, 0)


def _refuse_tablespaces(target: Target) -> None:
    with target.reading("erm backup") as cursor:
        elsewhere = has_tablespaces(cursor)
    if elsewhere:
        raise BackupError(
            "The cluster has tablespaces, and a plain copy of it would point to those of the original.",
            effect="No backup was taken.",
            cure="Use `method: pg_dump`, or a tool that knows tablespaces with `method: command`.",
        )
