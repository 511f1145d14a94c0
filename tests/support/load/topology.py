"""A primary and its standbys behind proxies, whose roles change: whoever was primary comes back as a standby."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.support.load.network import Network, Proxy, network
from tests.support.processes import children, freeze, lives, postmaster, stands_still, thaw
from tests.support.servers import SUPERUSER, PrivateServer, private_server
from tests.support.standbys import PRIMARY_SETTINGS, catch_up, standby_of
from tests.support.waiting import until

__all__ = ["DBNAME", "Member", "Topology", "topology"]

DBNAME = "chaos"
_NAMES = ("north", "east", "south", "west")
_SETTINGS = {
    "wal_retrieve_retry_interval": "100ms",
    "max_connections": "80",
    # pg_rewind wants both.
    "wal_log_hints": "on",
    "full_page_writes": "on",
    # What was acknowledged is on a second server: the one that is promoted has it, or loses nothing that was promised.
    "synchronous_standby_names": "ANY 1 (*)",
    "max_wal_senders": "10",
    "autovacuum": "off",
}
# As psycopg2 and asyncpg find a server in a folder.
_SOCKET = ".s.PGSQL.5432"


@dataclass
class Member:
    """One server with the two ways that lead to it.

    Args:
        name: its name, whatever its role.
        server: the server.
        reads: the way of those that read from it as a replica; always there unless it is disturbed.
        writes: the way of those that take it for the primary; open only while it is.
    """

    name: str
    server: PrivateServer
    reads: Proxy
    writes: Proxy

    @property
    def socket(self) -> Path:
        """Its unix socket."""
        return self.server.socket_dir / _SOCKET


class Topology:
    """Servers of which one is the primary.

    Args:
        members: all of them by name.
        primary: the name of the one that is the primary.
        virtual: one address that leads to whoever is the primary.
    """

    def __init__(self, members: dict[str, Member], primary: str, virtual: Proxy) -> None:
        self.members, self._primary, self.virtual = members, primary, virtual

    @property
    def primary(self) -> Member:
        """The primary."""
        return self.members[self._primary]

    @property
    def standbys(self) -> list[Member]:
        """All others."""
        return [member for name, member in self.members.items() if name != self._primary]

    def address(self, proxies: Sequence[Proxy], driver: str, **parameters: str) -> str:
        """The address of the database behind some proxies.

        Args:
            proxies: one, or several for an address of several hosts.
            driver: the driver that it names.
            parameters: of libpq.
        """
        hosts = ",".join("127.0.0.1" for _ in proxies)
        query = {"host": hosts, "port": ",".join(str(proxy.port) for proxy in proxies), **parameters}
        shown = "&".join(f"{key}={value}" for key, value in query.items())
        return f"postgresql+{driver}://{SUPERUSER}@/{DBNAME}?{shown}"

    def pause(self, member: Member) -> None:
        """Hold a standby's replay as soon as it can be held."""
        member.server.execute("SELECT pg_wal_replay_pause()")

    def resume(self, member: Member) -> None:
        """Let a standby replay again."""
        member.server.execute("SELECT pg_wal_replay_resume()")

    def kill(self, member: Member) -> None:
        """Kill a server's postmaster as the kernel would, and wait until all of its processes are gone."""
        first = postmaster(member.server)
        processes = [first, *children(first)] if first else []
        for pid, number in ((first, signal.SIGKILL), *((pid, signal.SIGCONT) for pid in processes[1:])):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        until(lambda: not any(lives(pid) for pid in processes), member.server.log)
        # Where nobody buries the dead, its number would still count as that of a running server.
        (member.server.data_dir / "postmaster.pid").unlink(missing_ok=True)

    def start(self, member: Member) -> None:
        """Start a server that was killed, as soon as what is left of it lets go of its memory."""

        def starts() -> bool:
            if member.server.runs():
                return True
            with contextlib.suppress(AssertionError):
                member.server.start()
                return True
            return False

        until(starts, member.server.log)

    def freeze(self, member: Member) -> None:
        """Stop all processes of a server where they are."""
        freeze(member.server)

    def thaw(self, member: Member) -> None:
        """Let them go on."""
        thaw(member.server)

    # What can be seen of what was done.

    def is_down(self, member: Member) -> bool:
        """Whether nothing of a server runs."""
        return not postmaster(member.server)

    def stands_still(self, member: Member) -> bool:
        """Whether a server has processes, none of which runs."""
        return stands_still(member.server)

    def is_held(self, member: Member) -> bool:
        """Whether a standby's replay is held, or is as soon as there is something to replay."""
        return bool(member.server.execute("SELECT pg_is_wal_replay_paused()")[0][0])

    def is_standby(self, member: Member) -> bool:
        """Whether a server that runs is in recovery."""
        return bool(member.server.execute("SELECT pg_is_in_recovery()")[0][0])

    # What makes it well again.

    def follow(self, member: Member) -> None:
        """Let a standby follow the primary."""
        source = self._source(member)
        member.server.execute(f"ALTER SYSTEM SET primary_conninfo = '{source}'")
        member.server.execute("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Make the standby that has received most the primary, and let the others follow it.

        All standbys have to run, and the primary must not write any more. Who was connected to it by the one address
        stays so; the old primary's own way is left to the caller.
        """
        others = self.standbys
        best = max(others, key=_received)
        best.server.promote()
        self._primary = best.name
        for member in others:
            if member is not best:
                self.follow(member)
        best.writes.flow()
        self.virtual.flow(best.socket)

    def rejoin(self, member: Member, *, rewind: bool) -> None:
        """Make a server that has stopped a standby of the primary, whatever it has written meanwhile.

        Args:
            member: the server.
            rewind: by pg_rewind; by a new base backup where not, or where that cannot.
        """
        source = (
            f"host={self.primary.server.socket_dir} user={SUPERUSER} dbname=postgres application_name={member.name}"
        )
        data_dir = member.server.data_dir
        if rewind:
            try:
                member.server.run(
                    "pg_rewind", "-D", data_dir, f"--source-server={source}", "--write-recovery-conf", "--no-sync"
                )
            except AssertionError:
                rewind = False
        if not rewind:
            shutil.rmtree(data_dir)
            member.server.run(
                "pg_basebackup", "-D", data_dir, "-d", source, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"
            )
        self.start(member)

    def streams(self, member: Member) -> bool:
        """Whether a standby receives what the primary writes."""
        with contextlib.suppress(psycopg2.Error):
            return bool(
                self.primary.server.execute(
                    "SELECT 1 FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming'", member.name
                )
            )
        return False

    def settle(self) -> None:
        """Bring every server back, and wait until all standbys have what the primary has written."""
        for member in self.members.values():
            self.thaw(member)
            member.reads.flow()
            if not member.server.runs():
                self.start(member)
        for member in self.standbys:
            self.resume(member)
            until(lambda member=member: self.streams(member), member.server.log)
        catch_up(self.primary.server, [member.server for member in self.standbys])

    def _source(self, member: Member) -> str:
        return f"host={self.primary.server.socket_dir} user={SUPERUSER} application_name={member.name}"


def _received(member: Member) -> int:
    [(received,)] = member.server.execute(
        "SELECT coalesce(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0') - '0/0'::pg_lsn"
    )
    return int(received)


@contextmanager
def topology(binaries: PostgresBinaries, standbys: int, *, synchronous: bool = True) -> Iterator[Topology]:
    """A running primary with its standbys, caught up, and a database `chaos`.

    Args:
        binaries: the programs of their major.
        standbys: how many, at most three.
        synchronous: whether a commit waits for one of them.
    """
    settings = _SETTINGS if synchronous else {**_SETTINGS, "synchronous_standby_names": ""}
    with ExitStack() as stack:
        net: Network = stack.enter_context(network())
        primary = stack.enter_context(private_server(binaries, "--wal-segsize=1", **{**PRIMARY_SETTINGS, **settings}))
        servers = [primary, *(stack.enter_context(standby_of(primary, **settings)) for _ in range(standbys))]
        members = {}
        for name, server in zip(_NAMES, servers, strict=False):
            socket = server.socket_dir / _SOCKET
            members[name] = Member(name, server, net.proxy(socket), net.proxy(socket))
        made = Topology(members, _NAMES[0], net.proxy(members[_NAMES[0]].socket))
        try:
            for member in made.standbys:
                member.writes.cut()
                made.follow(member)
            made.settle()
            primary.execute(f"CREATE DATABASE {DBNAME}")
            yield made
        finally:
            for member in members.values():
                thaw(member.server)
