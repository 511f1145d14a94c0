"""One run: servers, clusters, workers, faults; then what must hold in the end."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.routing import Cluster, ReplicaConfig, ReplicaReadOptions, connect_cluster
from tests.chaos.faults import AFTERMATH, KINDS, OF_PRIMARY, OF_STANDBYS, PATIENCE, Faults
from tests.chaos.plans import KEYS_EACH, SharedFacts
from tests.chaos.tables import SHARED, Base
from tests.chaos.workers import Worker, work_in_task, work_in_thread
from tests.support.load.crew import Crew
from tests.support.load.topology import DBNAME, Topology
from tests.support.load.truth import Truth
from tests.support.load.windows import Windows
from tests.support.waiting import until

__all__ = [
    "clusters",
    "enough_has_happened",
    "logged",
    "no_standby_was_written_to",
    "no_write_is_lost",
    "nothing_is_in_use",
    "prepare",
    "run",
]

INTERVAL = 0.2
# So old may the news of a server be, in seconds.
HEARD_WITHIN = 4 * INTERVAL + 2.0
THREADS = TASKS = 8
_ENDS_WITHIN = 30.0
# From so many seconds on every kind of fault is to happen.
_THOROUGH = 60.0
# A second: the least that a slow machine does while its servers are away much of the time; and each worker's share.
_RATES = {
    "answers of replicas": 10.0,
    "answers of the primary": 5.0,
    "writes acknowledged": 5.0,
    "tokens passed on": 1.0,
}
_EACH = 1.0
_OURS = "application_name LIKE 'chaos%%' OR application_name = 'erm routing'"


def run(servers: Topology, seed: int, seconds: float) -> Truth:
    """Load the servers while they are disturbed; what was counted, and what must not have been.

    Args:
        servers: the servers, undisturbed.
        seed: decides what happens; when it happens the machine decides.
        seconds: for how long servers are disturbed; from 60 on every kind of fault happens, however long that takes.
    """
    prepare(servers, (THREADS + TASKS) * KEYS_EACH)
    threads_before, logged_before = set(threading.enumerate()), logged(servers)
    with clusters(servers, "psycopg2" if seed % 2 else "psycopg") as (for_threads, for_tasks):
        truth = Truth(HEARD_WITHIN)
        facts = SharedFacts(truth, Windows(AFTERMATH), (THREADS + TASKS) * KEYS_EACH)
        in_threads = [Worker(f"thread {n}", n, seed, for_threads, facts) for n in range(THREADS)]
        in_tasks = {f"task {n}": Worker(f"task {n}", THREADS + n, seed, for_tasks, facts) for n in range(TASKS)}
        workers = [*in_threads, *in_tasks.values()]
        faults = Faults(
            servers, truth, facts.windows, random.Random(seed), lambda: [(each.name, each.begun) for each in workers]
        )
        crew = Crew(truth.accuse, _ENDS_WITHIN)
        for each in in_threads:
            crew.thread(each.name, partial(work_in_thread, each, crew), lambda each=each: each.doing)
        crew.tasks(
            {name: partial(work_in_task, each, crew) for name, each in in_tasks.items()},
            for_tasks.aclose,
            lambda name: in_tasks[name].doing,
        )
        with crew:
            faults.run(seconds, len(faults.deck()) if seconds >= _THOROUGH else 2)
        no_write_is_lost(servers, facts)
        nothing_is_in_use(truth, for_threads, for_tasks)
    _nothing_is_left(servers, truth, threads_before)
    no_standby_was_written_to(servers, truth, logged_before)
    enough_has_happened(truth, faults.drawn, {each.name: each.done_under_load for each in workers}, seconds)
    return truth


def prepare(servers: Topology, keys: int) -> None:
    """Make the tables, and a row of each key.

    Args:
        servers: the servers.
        keys: how many keys there are.
    """
    url = DatabaseUrl.parse(servers.primary.server.url(DBNAME))
    engine = sa.create_engine(url.sqlalchemy_url("postgresql+psycopg2"))
    with engine.begin() as connection:
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
        for table, column, number in (("counters", "key", keys), ("shared", "id", SHARED)):
            values = f"SELECT n, 0 FROM generate_series(0, {number - 1}) n"
            connection.execute(sa.text(f"INSERT INTO {table} ({column}, value) {values}"))
    engine.dispose()
    servers.settle()


@contextmanager
def clusters(servers: Topology, driver: str) -> Iterator[tuple[Cluster, Cluster]]:
    """Two clusters that know that all servers are fresh: one whose primary is behind one address, for threads, and
    one whose primary is one of several hosts, for tasks.

    Args:
        servers: the servers.
        driver: the driver of the first.
    """
    members = list(servers.members.values())
    hosts = [member.writes for member in members]
    with ExitStack() as stack:
        made = []
        for name, ways, drives, further in (
            ("threads", [servers.virtual], driver, {}),
            ("tasks", hosts, "asyncpg", {"target_session_attrs": "read-write"}),
        ):
            shown = {"application_name": f"chaos-{name}"}
            # Whoever is the primary is no replica; the monitor finds out.
            replicas = [
                ReplicaConfig(each.name, servers.address([each.reads], drives, **shown), max_follower_lag="30s")
                for each in members
            ]
            cluster = connect_cluster(
                servers.address(ways, drives, **shown, **further), replicas, monitor_interval=INTERVAL
            )
            cluster.use_replica_policies(None, {"recent": ReplicaReadOptions(max_lag=3.0)})
            stack.enter_context(cluster)
            made.append(cluster)
        standbys = {member.name for member in servers.standbys}
        for cluster in made:
            cluster.status()
            assert cluster.monitor.wait_for(lambda cluster=cluster: cluster.monitor.volatility, PATIENCE)
            assert cluster.monitor.wait_for(lambda cluster=cluster: _fresh(cluster) == standbys, PATIENCE), (
                cluster.status()
            )
        yield made[0], made[1]


def _fresh(cluster: Cluster) -> set[str]:
    return {name for name, replica in cluster.status().replicas.items() if replica.fresh_as_of is not None}


# What must hold in the end.


def enough_has_happened(truth: Truth, drawn: Counter[str], done: Mapping[str, int], seconds: float) -> None:
    """A run that did little, or to which little happened, has shown nothing.

    Args:
        truth: what was counted; is told what was too little.
        drawn: by kind how many faults were to happen.
        done: by worker how much was done meanwhile.
        seconds: how long servers were to be disturbed.
    """
    least = {kind: drawn[kind] for kind in drawn}
    if seconds >= _THOROUGH:
        least |= {kind: max(1, drawn[kind]) for kind in KINDS}
    least |= {what: max(1, int(rate * seconds)) for what, rate in _RATES.items()}
    least |= {what.replace("tried", "done"): 1 for what in truth.counts if what.startswith("tried")}
    for what, count in least.items():
        if truth.counts[what] < count:
            truth.accuse(f"only {truth.counts[what]} {what}, and {count} was the least")
    for kinds in (OF_PRIMARY, OF_STANDBYS):
        if not any(truth.counts[kind] for kind in kinds):
            truth.accuse(f"none of these faults has happened: {', '.join(kinds)}")
    for name, count in done.items():
        truth.counts["done under load by the one who did least"] = min(done.values())
        if count < seconds * _EACH:
            truth.accuse(f"{name} has done only {count} things in {seconds:g} s")


def no_write_is_lost(servers: Topology, facts: SharedFacts) -> None:
    """What was acknowledged is there, once; and nothing is there that nobody tried to write.

    Args:
        servers: the servers, which are all well.
        facts: what was written.
    """
    truth, primary = facts.truth, servers.primary.server
    stored: dict[int, set[int]] = {key: set() for key in range(facts.keys)}
    for key, number in primary.execute("SELECT key, number FROM entries", dbname=DBNAME):
        stored[key].add(number)
    values = dict(primary.execute("SELECT key, value FROM counters", dbname=DBNAME))
    attempted = truth.attempted()
    for key, numbers in truth.acknowledged().items():
        truth.count("entries found again", len(stored[key] & set(numbers)))
        if lost := set(numbers) - stored[key]:
            truth.accuse(f"{len(lost)} acknowledged writes of key {key} are lost, the first is {min(lost)}")
        if values[key] < max(numbers, default=0):
            truth.accuse(f"key {key} is {values[key]}, and {max(numbers)} was acknowledged")
    for key, numbers in stored.items():
        if numbers and max(numbers) > attempted.get(key, 0):
            truth.accuse(f"key {key} has {max(numbers)}, which nobody wrote")
    for which, value in primary.execute("SELECT id, value FROM shared", dbname=DBNAME):
        if value < facts.added.count(which):
            truth.accuse(f"the shared counter {which} is {value} after {facts.added.count(which)} times one more")


def nothing_is_in_use(truth: Truth, *of: Cluster) -> None:
    """All connections are back in their pools.

    Args:
        truth: is told where not.
        of: the clusters.
    """
    for cluster in of:
        for node in (cluster.primary, *cluster.replicas):
            in_use = node.in_use(False) + node.in_use(True)
            if in_use:
                truth.accuse(f"{in_use} connections to {node.name} are still in use")


def _nothing_is_left(servers: Topology, truth: Truth, threads_before: set[threading.Thread]) -> None:
    """Neither threads, nor connections through the network, nor sessions on the servers."""

    def sessions() -> list[tuple[Any, ...]]:
        query = f"SELECT application_name, state, query FROM pg_stat_activity WHERE {_OURS}"
        return [row for member in servers.members.values() for row in member.server.execute(query.replace("%%", "%"))]

    def open_ways() -> int:
        ways = [way for member in servers.members.values() for way in (member.reads, member.writes)]
        return sum(way.connections for way in (*ways, servers.virtual))

    def threads() -> list[str]:
        left = [thread.name for thread in set(threading.enumerate()) - threads_before if thread.is_alive()]
        # The process keeps a few that ask for tokens in the name of tasks, whatever the cluster.
        return [name for name in left if not name.startswith("erm-routing position")]

    try:
        until(lambda: not sessions() and not open_ways() and not threads())
    except AssertionError:
        truth.accuse(f"left over: {sessions()}, {open_ways()} connections, threads {threads()}")


def logged(servers: Topology) -> dict[str, int]:
    """How much each server has logged so far."""
    return {name: len(member.server.log()) for name, member in servers.members.items()}


def no_standby_was_written_to(servers: Topology, truth: Truth, before: dict[str, int]) -> None:
    """No server has refused a write as a standby does.

    Args:
        servers: the servers.
        truth: is told where one has.
        before: how much each had logged before.
    """
    for name, member in servers.members.items():
        refused = [line for line in member.server.log()[before[name] :].splitlines() if "cannot execute" in line]
        if refused:
            truth.accuse(f"{name} refused {len(refused)} writes: {refused[0]}")
