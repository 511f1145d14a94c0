"""A primary with two standbys, whose replay, processes and roles a test holds in its hands."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.support.servers import SUPERUSER, PrivateServer, private_server
from tests.support.standbys import PRIMARY_SETTINGS, standby_of

EAST, WEST = "east", "west"
PATIENCE = 30.0


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
        self.write()
        (written,) = self.primary.execute("SELECT pg_current_wal_flush_lsn()")[0]
        for name in names or self.standbys:
            self._until(
                name, lambda standby: standby.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", written)[0][0]
            )

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


def until(condition: Callable[[], object], told: Callable[[], object] = lambda: "it did not come true") -> None:
    """Wait for a condition; fail, with what is told then, when it does not come true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.005)


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


@contextmanager
def frozen(server: PrivateServer) -> Iterator[None]:
    """A server none of whose processes runs: its sockets are open, and nothing answers."""
    try:
        freeze(server)
        yield
    finally:
        thaw(server)


def freeze(server: PrivateServer) -> None:
    """Stop all processes of a server where they are, and wait until they stand."""
    first = postmaster(server)
    # First the one that makes others.
    _stand_still(first)
    for pid in children(first):
        _stand_still(pid)


def thaw(server: PrivateServer) -> None:
    """Let the processes of a frozen server go on."""
    first = postmaster(server)
    if first:
        for pid in (*children(first), first):
            _signalled(pid, signal.SIGCONT)


def postmaster(server: PrivateServer) -> int:
    """The number of a server's first process; 0 where it has none."""
    try:
        return int((server.data_dir / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return 0


def children(parent: int) -> list[int]:
    """The processes that a process has started, and that live."""
    try:
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []


def _stand_still(pid: int) -> None:
    if _signalled(pid, signal.SIGSTOP):
        until(lambda: _state(pid) in "TZ")


def _signalled(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "Z"
