"""Run it, and print the counts of each round; exit 1 where a read was wrong, a write lost or a session broken.

python -m tests.patroni [--rounds N]
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from erm_alembic.routing import Cluster, PatroniReplicas, connect_cluster
from tests.patroni.cluster import (
    LOOP_WAIT,
    PASSWORD,
    SUPERUSER,
    TTL,
    PatroniCluster,
    patroni_cluster,
    promotion,
    until,
)
from tests.patroni.load import WRITERS, Base, Counter, Entry, load
from tests.patroni.program import REQUIREMENT, installed_patroni
from tests.patroni.truth import Truth, longest_gap
from tests.support.databases import one_per_major

# Before the first event, and after each, in seconds.
STEADY = 5.0
KINDS = ("any lag", "by token", "bounded")
HEADS = " | ".join(f"no reads {kind} for" if kind == "by token" else f"no reads, {kind}, for" for kind in KINDS)


@dataclass(frozen=True)
class Event:
    """Something that was done to the cluster.

    Args:
        name: what.
        began: when, by `time.monotonic()`.
        promoted: when another server said first that it is a primary.
        ended: when all was well again for a while.
    """

    name: str
    began: float
    promoted: float
    ended: float


def main() -> int:
    """Run the rounds."""
    parser = argparse.ArgumentParser(prog="python -m tests.patroni")
    parser.add_argument("--rounds", type=int, default=1, help="each has a switchover and a failover (1)")
    parser.add_argument("--postgresql", type=int, help="the major to take (the newest one here)")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what the routing logs")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.ERROR, format="%(relativeCreated)7d %(message)s"
    )
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    binaries = [each for each in one_per_major() if arguments.postgresql in (None, each.major)][-1]
    with installed_patroni() as program, patroni_cluster(program, binaries) as servers:
        print(f"{REQUIREMENT} on PostgreSQL {binaries.major}; ttl {TTL} s, loop_wait {LOOP_WAIT} s, synchronous_mode\n")
        print("| round | event | no writes for | of which after the promotion | " + HEADS + " |")
        print("| --- | --- | --- | --- |" + " --- |" * len(KINDS))
        faults = [_round(number, servers) for number in range(1, arguments.rounds + 1)]
    return 1 if any(faults) else 0


def _round(number: int, servers: PatroniCluster) -> int:
    truth = Truth(range(WRITERS))
    with _cluster(servers) as cluster:
        _prepare(cluster)
        with load(cluster, truth):
            time.sleep(STEADY)
            events = [
                _event("switchover", servers, servers.switch_over),
                _event("failover", servers, lambda: _fail_over(servers)),
                _event("frozen leader", servers, lambda: _freeze(servers)),
            ]
        lost = truth.acknowledged() - _rows(cluster)
    for event in events:
        again = next((moment for moment in sorted(truth.written_at) if moment > event.promoted), event.ended)
        gaps = [longest_gap(truth.written_at, event.began, event.ended), again - event.promoted]
        gaps += [longest_gap(truth.read_at.get(kind, []), event.began, event.ended) for kind in KINDS]
        print(f"| {number} | {event.name} | " + " | ".join(f"{gap:.1f} s" for gap in gaps) + " |")
    share = truth.routes["replica"] / max(1, truth.routes.total())
    print(f"\nround {number}: {len(truth.written_at)} writes acknowledged, {truth.routes.total()} reads, "
          f"{share:.0%} of them by replicas; {len(truth.wrong)} wrong reads, {len(lost)} lost writes, "
          f"{len(truth.broken)} sessions broken")  # fmt: skip
    print("  " + "; ".join(f"{what}: {count}" for what, count in sorted(truth.counts.items())) + "\n", flush=True)
    for fault in (*truth.wrong[:10], *truth.broken[:10], *sorted(lost)[:10]):
        print(f"  {fault}")
    return len(truth.wrong) + len(lost) + len(truth.broken)


def _event(name: str, servers: PatroniCluster, act: Callable[[], None]) -> Event:
    began = time.monotonic()
    with promotion(servers) as promoted:
        act()
    servers.wait_until_whole()
    time.sleep(STEADY)
    return Event(name, began, promoted.at, time.monotonic())


def _fail_over(servers: PatroniCluster) -> None:
    leader = servers.leader()
    servers.members[leader].kill()
    until(lambda: servers.leader() not in ("", leader), servers.state)
    servers.start(leader)


def _freeze(servers: PatroniCluster) -> None:
    """The leader stands still, and goes on when there is another: for a moment both take writes."""
    leader = servers.leader()
    servers.members[leader].freeze()
    until(lambda: servers.leader() not in ("", leader), servers.state)
    time.sleep(STEADY)
    servers.members[leader].thaw()


def _cluster(servers: PatroniCluster) -> Cluster:
    first = next(iter(servers.members.values()))
    return connect_cluster(
        f"postgresql://{SUPERUSER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{first.port}/postgres?connect_timeout=3",
        discovery=PatroniReplicas([member.rest for member in servers.members.values()], interval="2s"),
        monitor_interval=0.5,
        max_conns=20,
    )


def _prepare(cluster: Cluster) -> None:
    with cluster.writer().begin() as connection:
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
        connection.execute(sa.insert(Counter), [{"writer": writer, "value": 0} for writer in range(WRITERS)])


def _rows(cluster: Cluster) -> set[tuple[int, int]]:
    with cluster.writer().connect() as connection:
        return {(row.writer, row.value) for row in connection.execute(sa.select(Entry.writer, Entry.value))}


if __name__ == "__main__":
    sys.exit(main())
