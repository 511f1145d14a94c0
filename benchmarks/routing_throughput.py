"""How many reads a second several servers answer together, beside the primary alone."""

from __future__ import annotations

import cProfile
import os
import pstats
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from erm_alembic.routing import Cluster, ReplicaConfig, connect_cluster
from tests.routing.applications import Base, User
from tests.support.load.crew import Crew
from tests.support.load.topology import Topology

__all__ = ["Share", "Throughput", "measure_profile", "measure_throughput"]

_READERS = 8
# A query that only reckons: some 40 ms of one processor.
_BOUND = 200_000


@dataclass(frozen=True)
class Throughput:
    """What was read with so many standbys.

    Args:
        standbys: how many; none means the primary alone.
        at_once: how many reads each server was given at once; None sets no bound.
        per_second: reads a second.
        process: the share of one processor that the reading process took, threads and all.
        busy: how busy all processors were, from 0 to 1.
    """

    standbys: int
    at_once: int | None
    per_second: float
    process: float
    busy: float


@dataclass(frozen=True)
class Share:
    """What a profile of one reading thread shows, in seconds.

    Args:
        total: the thread's whole time.
        waiting: of that, waiting for servers.
        routing: of that, within the routing's own modules.
        reads: how many reads there were.
    """

    total: float
    waiting: float
    routing: float
    reads: int


def measure_throughput(servers: Topology, seconds: float, rounds: int) -> list[Throughput]:
    """Read with several threads, with none, one, two, three standbys in turn; the best round of each counts.

    Once with as many reads at once as there are readers, and once with one at a time for each server, as if each had a
    single processor of its own.

    Args:
        servers: a primary and three standbys.
        seconds: how long each round lasts.
        rounds: how many.
    """
    prepare(servers)
    best: dict[tuple[int | None, int], Throughput] = {}
    for _ in range(rounds):
        for at_once in (None, 1):
            for standbys in range(len(servers.standbys) + 1):
                with _cluster(servers, standbys, at_once or _READERS) as cluster:
                    found = _read(cluster, standbys, at_once, seconds)
                former = best.setdefault((at_once, standbys), found)
                if found.per_second > former.per_second:
                    best[at_once, standbys] = found
    return list(best.values())


def measure_profile(servers: Topology, reads: int) -> Share:
    """Profile one thread that reads from two standbys what they answer at once: all that is left is the client's work.

    Args:
        servers: a primary and standbys.
        reads: how many.
    """
    prepare(servers)
    statement = sa.select(User).where(User.id == 1)
    with _cluster(servers, 2, _READERS) as cluster:
        make = cluster.sessionmaker(read=True)
        for _ in range(50):
            with make() as session:
                session.execute(statement).all()
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(reads):
            with make() as session:
                session.execute(statement).all()
        profile.disable()
    return _share(pstats.Stats(profile), reads)


def prepare(servers: Topology) -> None:
    """Make the tables of the load."""
    engine = sa.create_engine(servers.address([servers.virtual], "psycopg2"))
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO users VALUES (1, 'Ada', 1) ON CONFLICT DO NOTHING"))
    engine.dispose()
    servers.settle()


def _cluster(servers: Topology, standbys: int, at_once: int) -> Cluster:
    replicas = [ReplicaConfig(each.name, each.server.url("chaos")) for each in servers.standbys[:standbys]]
    cluster = connect_cluster(servers.primary.server.url("chaos"), replicas, max_conns=at_once)
    if replicas:
        cluster.status()
        assert cluster.monitor.wait_for(lambda: cluster.monitor.volatility, 30.0)
        for each in replicas:
            assert cluster.monitor.wait_for(
                lambda name=each.name: cluster.monitor.state.replicas[name].fresh_as_of is not None, 30.0
            )
    return cluster


def _read(cluster: Cluster, standbys: int, at_once: int | None, seconds: float) -> Throughput:
    series = sa.func.generate_series(1, _BOUND).alias("n")
    statement = sa.select(sa.func.count()).select_from(series)
    make = cluster.sessionmaker(read=standbys > 0)
    counts = [0] * _READERS
    failed: list[str] = []
    crew = Crew(failed.append)

    def read(which: int) -> None:
        while not crew.stopping.is_set():
            with make() as session:
                session.execute(statement).all()
                assert session.last_route is not None and session.last_route.is_replica == (standbys > 0)
            counts[which] += 1

    for which in range(_READERS):
        crew.thread(f"reader {which}", partial(read, which))
    before, used, idle = time.monotonic(), time.process_time(), _idle()
    with crew:
        time.sleep(seconds)
        done, took = sum(counts), time.monotonic() - before
        process, busy = (time.process_time() - used) / took, 1 - (_idle() - idle) / took / (os.cpu_count() or 1)
    assert not failed, failed
    return Throughput(standbys, at_once, done / took, process, busy)


def _idle() -> float:
    """For how long processors had nothing to do since the machine was started, in seconds of one processor."""
    with open("/proc/uptime") as uptime:  # noqa: PTH123 - no file
        return float(uptime.read().split()[1])


def _share(stats: pstats.Stats, reads: int) -> Share:
    entries: Sequence[tuple[tuple[str, int, str], float]] = [
        (where, numbers[2])
        for where, numbers in stats.stats.items()  # type: ignore[attr-defined] # not in the stubs
    ]
    return Share(
        total=sum(own for _, own in entries),
        waiting=sum(own for (file, _, name), own in entries if file == "~" and "psycopg2" in name),
        routing=sum(own for (file, _, _), own in entries if "erm_alembic/routing" in file),
        reads=reads,
    )
