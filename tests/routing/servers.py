"""A primary with two standbys, whose replay, processes and roles a test holds in its hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.support.processes import frozen, thaw
from tests.support.servers import SUPERUSER, PrivateServer, private_server
from tests.support.standbys import PRIMARY_SETTINGS, catch_up, standby_of
from tests.support.waiting import PATIENCE, until

__all__ = ["EAST", "PATIENCE", "WEST", "Servers", "frozen", "three_servers", "until"]

EAST, WEST = "east", "west"


@dataclass(frozen=True)
class Servers:
    """A primary and its two streaming standbys, `east` and `west`.

    Args:
        primary: the server that was started as primary.
        standbys: its standbys by name.
    """

    primary: PrivateServer
    standbys: Mapping[str, PrivateServer]

    @property
    def east(self) -> PrivateServer:
        return self.standbys[EAST]

    @property
    def west(self) -> PrivateServer:
        return self.standbys[WEST]

    def write(self, dbname: str = "postgres") -> None:
        """Commit something on the primary."""
        self.primary.execute("SELECT pg_logical_emit_message(true, 'test', 'x')", dbname=dbname)

    def catch_up(self, *names: str) -> None:
        """Wait until standbys have replayed all that is committed on the primary; no name stands for all of them."""
        catch_up(self.primary, [self.standbys[name] for name in names or self.standbys])

    def pause(self, name: str) -> None:
        """Hold a standby's replay where it is: nothing that is committed from now on is seen there."""
        standby = self.standbys[name]
        standby.execute("SELECT pg_wal_replay_pause()")

        def paused(_: PrivateServer) -> bool:
            # A standby that has replayed all there is pauses before the next record.
            self.write()
            return bool(standby.execute("SELECT pg_get_wal_replay_pause_state() = 'paused'")[0][0])

        self._until(name, paused)

    def resume(self, name: str) -> None:
        """Let a standby replay again, and wait until it does."""
        self.standbys[name].execute("SELECT pg_wal_replay_resume()")
        self._until(name, lambda standby: not standby.execute("SELECT pg_is_wal_replay_paused()")[0][0])

    def disconnect(self, name: str) -> None:
        """Take a standby's WAL receiver away from it, for good."""
        standby = self.standbys[name]
        standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
        standby.execute("SELECT pg_reload_conf()")
        self._until(name, lambda standby: not standby.execute("SELECT 1 FROM pg_stat_wal_receiver"))

    def follow(self, name: str, primary: PrivateServer) -> None:
        """Let a standby follow a server; whether it can is another question."""
        standby = self.standbys[name]
        source = f"host={primary.socket_dir} user={SUPERUSER} application_name={name}"
        standby.execute(f"ALTER SYSTEM SET primary_conninfo = '{source}'")
        standby.execute("SELECT pg_reload_conf()")

    def mend(self) -> None:
        """Bring everything back to where it was: running, replaying, following the primary, caught up."""
        for server in (self.primary, *self.standbys.values()):
            thaw(server)
            if not server.runs():
                server.start()
        for name, standby in self.standbys.items():
            following = "EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"
            if not standby.execute(f"SELECT {following}, pg_wal_replay_resume()")[0][0]:
                standby.execute("ALTER SYSTEM RESET primary_conninfo")
                self.follow(name, self.primary)
        self.catch_up()

    def _until(self, name: str, condition: Callable[[PrivateServer], object]) -> None:
        standby = self.standbys[name]
        until(lambda: condition(standby), lambda: standby.log()[-2000:])


@contextmanager
def three_servers(binaries: PostgresBinaries, **settings: str) -> Iterator[Servers]:
    """A running primary with two standbys.

    Args:
        binaries: the programs of their major, pg_basebackup among them.
        settings: what the configuration of all sets.
    """
    # A standby that has lost its primary tries again soon.
    settings = {"wal_retrieve_retry_interval": "100ms", **settings}
    wanted = {**PRIMARY_SETTINGS, **settings}
    with (
        # Small segments are quick to copy and to switch.
        private_server(binaries, "--wal-segsize=1", **wanted) as primary,
        standby_of(primary, **settings) as east,
        standby_of(primary, **settings) as west,
    ):
        yield Servers(primary, {EAST: east, WEST: west})
