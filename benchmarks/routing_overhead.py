"""What a routed execution costs beside the same on a plain Session that is bound to the same engine."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from erm_alembic.routing import Cluster, RoutingSession, replica_read
from erm_alembic.routing.sessions.transaction import RoutedTransaction
from tests.routing.applications import User

__all__ = ["Overhead", "measure_get_bind", "measure_overhead"]

READ = sa.select(User).where(User.id == 1)
_WARMING = 30
_ROUNDS = 40
_CALLS = 2_000


@dataclass(frozen=True)
class Overhead:
    """One comparison, in microseconds.

    Args:
        what: what was done.
        routed: the median with a `RoutingSession`.
        plain: the median with a `Session`.
        more: the median of the differences of pairs.
    """

    what: str
    routed: float
    plain: float
    more: float

    @property
    def ratio(self) -> float:
        """The routed one as a multiple of the plain one."""
        return (self.plain + self.more) / self.plain


def measure_overhead(cluster: Cluster, pairs: int) -> list[Overhead]:
    """Execute the same read in turn with both kinds of session.

    Args:
        cluster: one of which the first replica is fresh, on servers that nobody else loads.
        pairs: how many pairs of executions are timed; the order within them alternates.
    """
    replica, primary = cluster.replicas[0].engine(), cluster.primary.engine()
    reading, writing = cluster.sessionmaker(read=True), cluster.sessionmaker()
    found = [
        _in_turn("a read on a replica, in one transaction", reading, replica, _execution, pairs),
        _in_turn("a read on the primary, in one transaction", writing, primary, _execution, pairs),
    ]
    with replica_read(max_lag=60):
        what = "a read on a replica with a limit, and the end of its transaction"
        return [*found, _in_turn(what, writing, replica, _transaction, pairs)]


def measure_get_bind(cluster: Cluster) -> list[tuple[str, float]]:
    """What `get_bind` itself takes, by the way it decides, in microseconds: the median of rounds.

    Args:
        cluster: one whose replicas are fresh.
    """
    mapper = sa.inspect(User)
    with cluster.sessionmaker(read=True)() as session, replica_read(max_lag=60):
        session.execute(READ).all()
        kept = _rounds(lambda: session.get_bind(mapper, clause=READ))

        def begin_anew() -> None:
            session._routed = RoutedTransaction(session._routed)

        begin = _rounds(begin_anew)

        def anew() -> None:
            begin_anew()
            session.get_bind(mapper, clause=READ)

        first = _rounds(anew) - begin
    with cluster.sessionmaker()() as session:
        session.execute(READ).all()
        on_primary = _rounds(lambda: session.get_bind(mapper, clause=READ))
    with Session(cluster.primary.engine()) as plain:
        beside = _rounds(lambda: plain.get_bind(mapper, clause=READ))
    return [
        ("a further read of a transaction on a replica, with a limit", kept),
        ("a further statement of a transaction on the primary", on_primary),
        ("the first read of a transaction, which chooses the replica", first),
        ("a plain Session", beside),
    ]


def _execution(session: Session | RoutingSession) -> Callable[[], None]:
    def execute() -> None:
        session.execute(READ).all()

    return execute


def _transaction(session: Session | RoutingSession) -> Callable[[], None]:
    def transact() -> None:
        session.execute(READ).all()
        session.rollback()

    return transact


def _in_turn(
    what: str,
    make: Callable[[], RoutingSession],
    engine: sa.Engine,
    task: Callable[[Session], Callable[[], None]],
    pairs: int,
) -> Overhead:
    """Two sessions at once, each on a connection, which they exchange after each round: connections differ by more."""
    rounds: list[Overhead] = []
    for _ in range(_ROUNDS):
        # The pool gives the last returned first: the routed session has the plain one's connection in the next round.
        routed = make()
        _warm(task(routed))
        plain = Session(engine)
        _warm(task(plain))
        rounds.append(_paired(what, task(routed), task(plain), pairs // _ROUNDS))
        routed.close()
        plain.close()
    middle = {name: statistics.median(getattr(each, name) for each in rounds) for name in ("routed", "plain", "more")}
    return Overhead(what, **middle)


def _warm(run: Callable[[], None]) -> None:
    for _ in range(_WARMING):
        run()


def _paired(what: str, routed: Callable[[], None], plain: Callable[[], None], pairs: int) -> Overhead:
    gc.collect()
    gc.disable()
    times: dict[Callable[[], None], list[int]] = {routed: [], plain: []}
    try:
        for number in range(pairs):
            for run in (routed, plain) if number % 2 else (plain, routed):
                began = time.perf_counter_ns()
                run()
                times[run].append(time.perf_counter_ns() - began)
    finally:
        gc.enable()
    more = statistics.median(one - other for one, other in zip(times[routed], times[plain], strict=True))
    return Overhead(what, statistics.median(times[routed]) / 1e3, statistics.median(times[plain]) / 1e3, more / 1e3)


def _rounds(call: Callable[[], object]) -> float:
    def once() -> float:
        began = time.perf_counter_ns()
        for _ in range(_CALLS):
            call()
        return (time.perf_counter_ns() - began) / _CALLS / 1e3

    return statistics.median(once() for _ in range(25))
