"""A primary and its streaming standby, for tests of replicas, lag and switchovers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.support.servers import SUPERUSER, PrivateServer, private_server, running, server_folder
from tests.support.waiting import PATIENCE, until

# The primary waits for nobody and keeps enough for a standby that is slow to connect.
PRIMARY_SETTINGS = {"wal_level": "replica", "max_wal_senders": "8", "wal_keep_size": "64MB", "hot_standby": "on"}


@dataclass(frozen=True)
class Replicated:
    """A primary with a standby that follows it; after `switch_over()` the roles are exchanged.

    Args:
        primary: the server that was started as primary.
        standby: its streaming standby.
    """

    primary: PrivateServer
    standby: PrivateServer

    def url(self, dbname: str = "postgres", attributes: str = "read-write", **parameters: str) -> str:
        """An address of both servers; libpq takes the one that has the `target_session_attrs`."""
        hosts = quote(f"{self.primary.socket_dir},{self.standby.socket_dir}", safe="")
        shown = "".join(f"&{name}={quote(value, safe='')}" for name, value in parameters.items())
        return (
            f"postgresql://{SUPERUSER}@/{quote(dbname, safe='')}?host={hosts}&target_session_attrs={attributes}{shown}"
        )

    def catch_up(self, seconds: float = PATIENCE) -> None:
        """Wait until the standby has replayed all that the primary has written."""
        catch_up(self.primary, [self.standby], seconds)

    def switch_over(self, *, crash: bool = True) -> None:
        """End the primary and promote the standby.

        Args:
            crash: True ends the primary as a crash would (what the standby has not received is lost); False shuts it
                down in order.
        """
        self.primary.stop("immediate" if crash else "fast")
        self.standby.promote()


@contextmanager
def standby_of(primary: PrivateServer, **settings: str) -> Iterator[PrivateServer]:
    """A streaming standby of a running server, which is stopped and removed at the end.

    Args:
        primary: the server to follow; it needs `wal_level` replica and a free wal sender.
        settings: what the standby's configuration sets, such as `recovery_min_apply_delay="10s"`.
    """
    with server_folder() as (folder, user):
        standby = PrivateServer(folder, primary.binaries, user, {**PRIMARY_SETTINGS, **settings})
        source = f"host={primary.socket_dir} user={SUPERUSER} application_name={folder.name}"
        standby.run(
            "pg_basebackup",
            "-D",
            standby.data_dir,
            "-d",
            source,
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        )
        with running(standby):
            yield standby


@contextmanager
def replicated(binaries: PostgresBinaries, **settings: str) -> Iterator[Replicated]:
    """A running primary and its standby.

    Args:
        binaries: the programs of their major; `has_basebackup` says whether they suffice.
        settings: what the configuration of both sets.

    Example:
        with replicated(pg_bin) as pair:
            pair.primary.execute("CREATE TABLE t (id int)")
            pair.catch_up()
    """
    with (
        private_server(binaries, **{**PRIMARY_SETTINGS, **settings}) as primary,
        standby_of(primary, **settings) as standby,
    ):
        yield Replicated(primary, standby)


def catch_up(primary: PrivateServer, standbys: Iterable[PrivateServer], seconds: float = PATIENCE) -> None:
    """Wait until standbys have replayed all that their primary has written.

    Args:
        primary: the primary.
        standbys: those to wait for.
        seconds: how long each may take.
    """
    # A commit that waits brings along those that did not.
    primary.execute("SELECT pg_logical_emit_message(true, 'catch up', '')")
    (written,) = primary.execute("SELECT pg_current_wal_flush_lsn()")[0]
    for standby in standbys:
        until(
            lambda standby=standby: standby.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written)[0][0],
            lambda standby=standby: standby.log()[-2000:],
            seconds,
        )


def has_basebackup(binaries: PostgresBinaries) -> bool:
    """Whether an installation can make standbys."""
    return binaries.program("pg_basebackup").exists()
