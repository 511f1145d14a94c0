"""The figures of routed reads: what routing costs, what replicas add, how soon a loss is over; as tables."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from benchmarks.routing_overhead import Overhead, measure_get_bind, measure_overhead
from benchmarks.routing_recovery import Outage, measure_recovery
from benchmarks.routing_throughput import Share, Throughput, measure_profile, measure_throughput
from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.routing import ReplicaConfig, connect_cluster
from tests.routing.applications import application
from tests.routing.servers import three_servers
from tests.support.databases import one_per_major
from tests.support.load.topology import topology
from tests.support.standbys import has_basebackup

__all__ = ["newest_able", "routing_tables"]

PAIRS = 10_000
_MORE, _RATIO, _GET_BIND = 3.0, 1.03, 2.0
_STANDBYS = 3


def routing_tables(pairs: int = PAIRS, rounds: int = 9) -> Iterator[str]:
    """Take all figures; one table after the other.

    Args:
        pairs: of executions, for what routing costs.
        rounds: of losses; of throughput a third of that.
    """
    binaries = newest_able()
    logging.getLogger("erm_alembic.routing").setLevel(logging.CRITICAL)  # what is done to the servers is meant
    yield from _costs(binaries, pairs)
    with topology(binaries, _STANDBYS, synchronous=False) as servers:
        yield _throughput(measure_throughput(servers, 4.0, max(1, rounds // 3)), measure_profile(servers, 3_000))
    with topology(binaries, _STANDBYS) as servers:
        yield _recovery(measure_recovery(servers, rounds))


def newest_able() -> PostgresBinaries:
    """The newest PostgreSQL here that can make standbys."""
    return [binaries for binaries in one_per_major() if has_basebackup(binaries)][-1]


def _costs(binaries: PostgresBinaries, pairs: int) -> Iterator[str]:
    with three_servers(binaries) as servers, application(servers, "psycopg2") as app:
        servers.catch_up()
        with connect_cluster(app.url(servers.primary), [ReplicaConfig("east", app.url(servers.east))]) as cluster:
            app.settle(cluster)
            overheads, decisions = measure_overhead(cluster, pairs), measure_get_bind(cluster)
    yield _overheads(overheads, pairs)
    yield _decisions(decisions)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _overheads(found: Sequence[Overhead], pairs: int) -> str:
    said = (
        "One routed `session.execute(...).all()` beside the same on a plain `Session` bound to the same engine, on "
        f"unix sockets; {pairs:,} pairs in turn in 40 rounds, medians, and of the differences the median:\n\n"
    )
    heads = ("what", "plain", "routed", f"more (≤ {_MORE:g} us)", f"ratio (≤ {_RATIO:g})")
    return said + _table(
        heads,
        [
            (
                each.what,
                f"{each.plain:.0f} us",
                f"{each.routed:.0f} us",
                f"**{each.more:.1f} us**",
                f"**{each.ratio:.3f}**",
            )
            for each in found
        ],
    )


def _decisions(found: Sequence[tuple[str, float]]) -> str:
    said = f"\n`get_bind` alone, medians of rounds of 2,000 calls (a decision that is kept: ≤ {_GET_BIND:g} us):\n\n"
    return said + _table(("what", "us"), [(what, f"{us:.2f}") for what, us in found])


def _throughput(found: Sequence[Throughput], share: Share) -> str:
    said = (
        "\nEight threads that read, each time with a session, what takes a processor some 20 ms; all servers and the "
        "readers share this machine. Reads a second, all at once, and one at a time for each server, as if each had a "
        "processor of its own:\n\n"
    )
    heads = ("standbys", "at once", "ratio", "processors", "the readers", "one at a time", "ratio", "processors")
    by = {(each.at_once, each.standbys): each for each in found}
    rows = []
    for standbys in sorted({each.standbys for each in found}):
        free, single = by[None, standbys], by[1, standbys]
        rows.append(
            (
                str(standbys or "none: the primary"),
                f"{free.per_second:.1f}",
                f"**{free.per_second / by[None, 0].per_second:.2f}**",
                f"{free.busy:.0%} busy",
                f"{free.process:.1%} of one",
                f"{single.per_second:.1f}",
                f"**{single.per_second / by[1, 0].per_second:.2f}**",
                f"{single.busy:.0%} busy",
            )
        )
    work = share.total - share.waiting
    profile = (
        f"\nA profile of {share.reads:,} reads of one row, each with a session of its own: {share.total:.2f} s, of "
        f"which {share.waiting:.2f} s in the driver and the server; of the other {work:.2f} s the routing has "
        f"{share.routing:.2f} s ({share.routing / work:.0%}), {share.routing / share.reads * 1e6:.0f} us a read, the "
        "profiler's own cost included.\n"
    )
    return said + _table(heads, rows) + profile


def _recovery(found: Sequence[Outage]) -> str:
    said = "\nWithout what is lost, with the monitor's interval of one second:\n\n"
    rows = [
        (each.what, f"{each.median:.3f} s", f"{each.worst:.3f} s", str(len(each.seconds)), str(each.errors))
        for each in found
    ]
    return said + _table(("what", "median", "worst", "rounds", "errors seen"), rows)
