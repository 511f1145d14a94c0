"""A Patroni cluster of three on loopback, whose leader is switched over, or killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.private_place import reachable_binaries
from erm_alembic.postgres.embedded.process_user import ServerUser, choose_user
from tests.patroni.program import Program
from tests.support.processes import children, lives, stand_still
from tests.support.waiting import until

SUPERUSER = "postgres"
PASSWORD = "on loopback, for minutes"
NAMES = ("pg1", "pg2", "pg3")
# In seconds; the first is the least that Patroni takes, and decides how long a failover takes at least.
TTL, LOOP_WAIT, RETRY_TIMEOUT = 20, 1, 3
PATIENCE = 120.0


@dataclass
class Member:
    """One member: a Patroni, and the PostgreSQL that it runs.

    Args:
        name: its name.
        folder: what it keeps.
        port: of its PostgreSQL.
        rest_port: of its REST API.
        raft_port: of its part of the store.
    """

    name: str
    folder: Path
    port: int
    rest_port: int
    raft_port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def rest(self) -> str:
        """The address of its REST API."""
        return f"127.0.0.1:{self.rest_port}"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def postmaster(self) -> int:
        """The process id of its PostgreSQL; 0 where none runs."""
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, 0)
        except (OSError, ValueError, IndexError):
            return 0
        return pid

    def connect(self) -> psycopg2.extensions.connection:
        """A connection to its PostgreSQL, which the caller closes."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=SUPERUSER, password=PASSWORD, dbname="postgres", connect_timeout=2
        )
        connection.autocommit = True
        return connection

    def in_recovery(self, connection: psycopg2.extensions.connection) -> bool:
        """Whether it is a standby."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            return bool(cursor.fetchall()[0][0])

    def kill(self) -> None:
        """End its Patroni and its PostgreSQL as a power cut would."""
        assert self.process is not None
        pid = self.postmaster()
        victims = [pid, *children(pid)] if pid else []
        self.process.kill()
        self.process.wait()
        for victim in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        until(lambda: not any(lives(victim) for victim in victims), lambda: "what was killed lives", PATIENCE)

    def freeze(self) -> None:
        """Stop its Patroni and its PostgreSQL where they are: connections stay open, and nothing answers."""

        def stopped() -> bool:
            self._signal(signal.SIGSTOP)  # again, for what was begun meanwhile
            return self.stands_still()

        until(stopped, lambda: "what was to stand still runs", PATIENCE)

    def thaw(self) -> None:
        """Let both go on, as if nothing had happened meanwhile."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        pid = self.postmaster()
        # First those that make others.
        for each in (self.process.pid, pid, *children(pid)):
            if each:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, number)

    def stands_still(self) -> bool:
        """Whether none of the processes of both runs."""
        return self.process is not None and stand_still(self.process.pid) and stand_still(self.postmaster())

    def log(self) -> str:
        """The end of what it has logged."""
        with contextlib.suppress(OSError):
            return (self.folder / "patroni.log").read_text("utf-8", "replace")[-3000:]
        return ""


@dataclass
class PatroniCluster:
    """Three members.

    Args:
        folder: what they keep.
        program: Patroni.
        binaries: PostgreSQL's programs.
        user: whom all of it runs as.
    """

    folder: Path
    program: Program
    binaries: PostgresBinaries
    user: ServerUser
    members: dict[str, Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ports = iter(_free_ports(9))
        for name in NAMES:
            folder = self.folder / name
            self.members[name] = Member(name, folder, next(ports), next(ports), next(ports))
        for member in self.members.values():
            member.folder.mkdir(mode=0o700)
            (member.folder / "raft").mkdir(mode=0o700)
            (member.folder / "patroni.yml").write_text(json.dumps(self._settings(member)))
            for path in (member.folder, *member.folder.iterdir()):
                if self.user.dropped:
                    os.chown(path, self.user.uid, self.user.gid)

    def start(self, name: str) -> None:
        """Start a member."""
        member = self.members[name]
        drop: dict[str, Any] = {}
        if self.user.dropped:
            drop = {"user": self.user.uid, "group": self.user.gid, "extra_groups": []}
        with (member.folder / "patroni.log").open("ab") as log:
            member.process = subprocess.Popen(
                [self.program.python, "-m", "patroni", member.folder / "patroni.yml"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "LC_ALL": "C",
                    "HOME": str(member.folder),
                    "PYTHONPATH": str(self.program.folder),
                },
                umask=0o077,
                start_new_session=True,
                **drop,
            )

    def stop(self) -> None:
        """End everything."""
        for member in self.members.values():
            if member.process is not None and member.process.poll() is None:
                member.thaw()
                member.process.terminate()
        for member in self.members.values():
            if member.process is not None:
                try:
                    member.process.wait(20)
                except subprocess.TimeoutExpired:
                    member.process.kill()
            if pid := member.postmaster():
                os.kill(pid, signal.SIGQUIT)
                until(lambda member=member: not member.postmaster(), lambda: "a PostgreSQL does not end", PATIENCE)

    def state(self) -> list[dict[str, Any]]:
        """What the first member that answers says of all of them; nothing where none does."""
        for member in self.members.values():
            with contextlib.suppress(OSError, ValueError), _opened(f"http://{member.rest}/cluster") as answer:
                return list(json.load(answer)["members"])
        return []

    def leader(self) -> str:
        """The name of the member that leads and runs; empty where there is none."""
        return next(
            (each["name"] for each in self.state() if (each["role"], each["state"]) == ("leader", "running")), ""
        )

    def synchronous(self) -> str:
        """The name of the synchronous standby; empty where there is none."""
        return next((each["name"] for each in self.state() if each["role"] == "sync_standby"), "")

    def is_whole(self) -> bool:
        """Whether one leads, two stream, and one of these is synchronous."""
        state = self.state()
        streaming = [each for each in state if each["state"] == "streaming"]
        timelines = {each.get("timeline") for each in state}
        return bool(self.leader() and self.synchronous() and len(streaming) == 2 and len(timelines) == 1)

    def wait_until_whole(self) -> None:
        """Wait until the cluster is as it should be."""
        self.wait_for(self.is_whole)

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait for what a failover brings about; the members are asked ten times a second."""

        def told() -> str:
            return json.dumps(self.state()) + "".join(each.log() for each in self.members.values())

        until(condition, told, PATIENCE, step=0.1)

    def switch_over(self) -> None:
        """Exchange the leader and its synchronous standby, as planned maintenance does."""
        leader, candidate = self.leader(), self.synchronous()
        body = json.dumps({"leader": leader, "candidate": candidate}).encode()
        request = urllib.request.Request(f"http://{self.members[leader].rest}/switchover", data=body, method="POST")
        request.add_header("Content-Type", "application/json")
        try:
            _opened(request, timeout=60.0).close()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"Patroni refuses to switch over: {error.read()[:500]!r}") from None
        assert self.leader() == candidate

    def _settings(self, member: Member) -> dict[str, Any]:
        others = [each for each in self.members.values() if each is not member]
        return {
            "scope": "erm",
            "name": member.name,
            "restapi": {"listen": member.rest, "connect_address": member.rest},
            "raft": {
                "data_dir": str(member.folder / "raft"),
                "self_addr": f"127.0.0.1:{member.raft_port}",
                "partner_addrs": [f"127.0.0.1:{each.raft_port}" for each in others],
            },
            "bootstrap": {
                "dcs": {
                    "ttl": TTL,
                    "loop_wait": LOOP_WAIT,
                    "retry_timeout": RETRY_TIMEOUT,
                    "synchronous_mode": True,
                    "postgresql": {"use_pg_rewind": True, "parameters": {"wal_log_hints": "on"}},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{member.port}",
                "connect_address": f"127.0.0.1:{member.port}",
                "data_dir": str(member.data_dir),
                "bin_dir": str(self.binaries.program("postgres").parent),
                "pgpass": str(member.folder / "pgpass"),
                "authentication": {
                    role: {"username": SUPERUSER, "password": PASSWORD}
                    for role in ("superuser", "replication", "rewind")
                },
                "parameters": {
                    "unix_socket_directories": str(member.folder),
                    "shared_buffers": "32MB",
                    "max_connections": 60,
                    # A process that is killed loses nothing of what the kernel has.
                    "fsync": "off",
                },
                "pg_hba": [
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
            },
            "watchdog": {"mode": "off"},
        }


@contextmanager
def patroni_cluster(program: Program, binaries: PostgresBinaries) -> Iterator[PatroniCluster]:
    """A running cluster of three, which is ended and removed in the end.

    Args:
        program: Patroni.
        binaries: PostgreSQL's programs.
    """
    user = choose_user()
    with tempfile.TemporaryDirectory(prefix="erm-patroni-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        cluster = PatroniCluster(folder, program, reachable_binaries(binaries, user), user)
        try:
            for member in cluster.members:
                cluster.start(member)
            cluster.wait_until_whole()
            yield cluster
        finally:
            cluster.stop()


@dataclass
class Promotion:
    """When a standby said first that it is none any more, by `time.monotonic()`; None while none has."""

    at: float | None = None


@contextmanager
def promotion(servers: PatroniCluster) -> Iterator[Promotion]:
    """Watch the standbys of this moment until the block is over; one of them is promoted within."""
    seen, over = Promotion(), threading.Event()
    leader = servers.leader()

    def watch(member: Member) -> None:
        while not over.wait(0.01):
            with contextlib.suppress(psycopg2.Error), contextlib.closing(member.connect()) as connection:
                while not over.wait(0.01) and member.in_recovery(connection):
                    pass
                if not over.is_set():
                    seen.at = time.monotonic() if seen.at is None else seen.at
                    over.set()

    threads = [threading.Thread(target=watch, args=(each,)) for name, each in servers.members.items() if name != leader]
    for thread in threads:
        thread.start()
    try:
        yield seen
        assert over.wait(PATIENCE), "nobody was seen to be promoted"
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _opened(request: str | urllib.request.Request, timeout: float = 2.0) -> Any:
    # Whatever proxy the environment names, it is not for loopback.
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout)


def _free_ports(number: int) -> Sequence[int]:
    sockets = []
    try:
        for _ in range(number):
            each = socket.socket()
            each.bind(("127.0.0.1", 0))
            sockets.append(each)
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
