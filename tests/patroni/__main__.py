"""Run it, and print the counts of each round; exit 1 where a read was wrong, a write lost or a session broken, and
where a round had too little of anything to show that.

python -m tests.patroni [--rounds N] [--postgresql MAJOR] [--write] [-v]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

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
)
from tests.patroni.load import READERS, TASKS, WRITERS, Base, Counter, Entry, load
from tests.patroni.program import installed_patroni
from tests.patroni.verdict import AFTERMATH, EVENTS, INTERVAL, KINDS, Event, Round, longest_gap, shortfalls
from tests.support.databases import one_per_major
from tests.support.load.truth import Truth

DOCS = Path(__file__).resolve().parents[2] / "docs/routing.md"
BEGIN, END = "<!-- patroni:begin -->", "<!-- patroni:end -->"
# Before the first event, and after each, in seconds: longer than what is felt of an event, so that nothing excuses what
# fails in the end of it.
STEADY = AFTERMATH + 2.0
HEADS = " | ".join(f"no reads {kind} for" if kind == "by token" else f"no reads, {kind}, for" for kind in KINDS)


@dataclass(frozen=True)
class Result:
    """What a round showed.

    Args:
        rows: of the table of its events.
        sums: its row of the table of counts.
        told: what was counted, and the first faults.
        faults: what was wrong, and what there was too little of.
    """

    rows: Sequence[str]
    sums: str
    told: str
    faults: Sequence[str]


def main() -> int:
    """Run the rounds."""
    parser = argparse.ArgumentParser(prog="python -m tests.patroni")
    parser.add_argument(
        "--rounds", type=int, choices=range(1, 100), metavar="N", default=1, help="each has one event of every kind (1)"
    )
    parser.add_argument("--postgresql", type=int, help="the major to take (the newest one here)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/routing.md")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what the routing logs")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.ERROR, format="%(relativeCreated)7d %(message)s"
    )
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    binaries = [each for each in one_per_major() if arguments.postgresql in (None, each.major)][-1]
    load_before = os.getloadavg()[0]
    results = []
    with installed_patroni() as program, patroni_cluster(program, binaries) as servers:
        for number in range(1, arguments.rounds + 1):
            results.append(_round(number, servers))
            print(results[-1].told, flush=True)
    text = _table(results, binaries.major, load_before)
    print(text)
    faults = [fault for result in results for fault in result.faults]
    if arguments.write and not faults:
        before, _, rest = DOCS.read_text().partition(BEGIN)
        DOCS.write_text(f"{before}{BEGIN}\n{text}{END}{rest.partition(END)[2]}")
    return 1 if faults else 0


def _table(results: Sequence[Result], major: int, load_before: float) -> str:
    """What the rounds showed, for people."""
    workers = f"{WRITERS} writing and {3 * READERS} reading threads and {TASKS} tasks of asyncio"
    taken = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, other load when it began: {load_before:.1f}"
    lines = [
        f"`make patroni ARGS='--rounds {len(results)}'`: a Patroni cluster of three on loopback, PostgreSQL {major}, "
        f"`synchronous_mode`, ttl {TTL} s, loop_wait {LOOP_WAIT} s; {workers}, each with one session all the time. "
        f"{taken}.\n\n",
        "| round | event | no writes for | of which after the promotion | " + HEADS + " |\n",
        "| --- | --- | --- | --- |" + " --- |" * len(KINDS) + "\n",
        *(row for result in results for row in result.rows),
        "\n| round | writes acknowledged | lost | reads | by replicas | wrong | sessions left broken |\n",
        "| --- | --- | --- | --- | --- | --- | --- |\n",
        *(result.sums for result in results),
    ]
    return "".join(lines)


def _round(number: int, servers: PatroniCluster) -> Result:
    acts = (servers.switch_over, lambda: _fail_over(servers), lambda: _freeze(servers))
    with _cluster(servers) as cluster:
        round = Round(Truth(AFTERMATH))
        _prepare(cluster)
        with load(cluster, round):
            time.sleep(STEADY)
            events = [_event(name, servers, round, act) for name, act in zip(EVENTS, acts, strict=True)]
        stored = _rows(cluster)
    return concluded(number, round, events, stored)


def concluded(number: int, round: Round, events: Sequence[Event], stored: set[tuple[int, int]]) -> Result:
    """What a round showed.

    Args:
        number: which round it was.
        round: what was read and written.
        events: what was done.
        stored: what is there in the end: writers and their numbers.
    """
    truth = round.truth
    acknowledged = {(writer, value) for writer, values in truth.acknowledged().items() for value in values}
    lost = sorted(acknowledged - stored)
    rows = []
    for event in events:
        promoted = event.promoted if event.promoted is not None else event.began
        again = next((moment for moment in sorted(round.written_at) if moment > promoted), event.ended)
        gaps = [longest_gap(round.written_at, event.began, event.ended), again - promoted]
        gaps += [longest_gap(round.read_at.get(kind, []), event.began, event.ended) for kind in KINDS]
        rows.append(f"| {number} | {event.name} | " + " | ".join(f"{gap:.1f} s" for gap in gaps) + " |\n")
    by_replicas, by_primary = truth.counts["answers of replicas"], truth.counts["answers of the primary"]
    reads, share = by_replicas + by_primary, by_replicas / max(1, by_replicas + by_primary)
    wrong = truth.counts["wrong answers"]
    sums = (
        f"| {number} | {len(round.written_at)} | {len(lost)} | {reads} | {share:.0%} | {wrong} | "
        f"{len(truth.violations) - wrong} |\n"
    )
    faults = [
        *truth.violations,
        *(f"the acknowledged write {each} is lost" for each in lost),
        *shortfalls(round, events),
    ]
    told = [f"round {number}: " + "; ".join(f"{what}: {count}" for what, count in sorted(truth.counts.items()))]
    return Result(rows, sums, "\n  ".join([*told, *faults[:30]]), faults)


def _event(name: str, servers: PatroniCluster, round: Round, act: Callable[[], None]) -> Event:
    began = time.monotonic()
    with round.windows.lasting(name):
        with promotion(servers) as promoted:
            act()
        servers.wait_until_whole()
    whole = time.monotonic()
    time.sleep(STEADY)
    return Event(name, began, promoted.at, whole, time.monotonic())


def _fail_over(servers: PatroniCluster) -> None:
    leader = servers.leader()
    servers.members[leader].kill()
    servers.wait_for(lambda: servers.leader() not in ("", leader))
    servers.start(leader)


def _freeze(servers: PatroniCluster) -> None:
    """The leader stands still, and goes on when there is another: for a moment both take writes."""
    leader = servers.leader()
    servers.members[leader].freeze()
    servers.wait_for(lambda: servers.leader() not in ("", leader))
    time.sleep(STEADY)
    servers.members[leader].thaw()


def _cluster(servers: PatroniCluster) -> Cluster:
    first = next(iter(servers.members.values()))
    return connect_cluster(
        f"postgresql://{SUPERUSER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{first.port}/postgres?connect_timeout=3",
        discovery=PatroniReplicas([member.rest for member in servers.members.values()], interval="2s"),
        monitor_interval=INTERVAL,
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
