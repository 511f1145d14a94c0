"""The checks of a run can fail: each is shown what it must not let pass."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from erm_alembic.routing.deciding.selection import Verdict
from erm_alembic.routing.positions import Position
from tests.chaos.faults import AFTERMATH
from tests.chaos.plans import KEYS_EACH, SharedFacts
from tests.chaos.run import clusters, logged, no_standby_was_written_to, no_write_is_lost, nothing_is_in_use, prepare
from tests.chaos.workers import Worker, do
from tests.support.load.topology import DBNAME, Topology
from tests.support.load.truth import Answer, Truth
from tests.support.load.windows import Windows
from tests.support.waiting import until


@pytest.fixture
def truth() -> Truth:
    """One key with three commits, the second of them two seconds ago, the third just now."""
    truth = Truth(heard_within=1.0)
    for _ in range(3):
        truth.committed(7, truth.begin_write(7))
    now = time.monotonic()
    truth._keys[7].moments[:] = [now - 9, now - 2, now - 0.01]
    return truth


@pytest.mark.parametrize(
    ("value", "promised", "expected"),
    [
        (2, {"max_age": 1.0}, ""),
        (1, {"max_age": 1.0}, "and 2 was committed"),
        (1, {"max_age": 3.0}, ""),
        (0, {"max_age": 3.0}, "and 1 was committed"),
        (2, {"floor": 3}, "and 3 was promised"),
        (3, {"floor": 3}, ""),
        (0, {}, ""),
        (4, {}, "and nobody has written more than 3"),
    ],
)
def test_an_answer_is_held_against_what_was_promised(
    value: int, promised: dict[str, float], expected: str, truth: Truth
) -> None:
    """By age and by what a token or a commit of one's own stands for."""
    answer = Answer(7, value, time.monotonic(), "east", "asked", **promised)  # type: ignore[arg-type]
    assert truth.objection(answer).startswith(expected) == bool(expected) or not expected
    assert bool(truth.objection(answer)) == bool(expected)


def test_an_answer_of_the_primary_is_never_old(truth: Truth) -> None:
    """Whatever was asked."""
    truth.judge(Answer(7, 2, time.monotonic(), "primary", "asked", max_age=60.0))
    assert len(truth.violations) == 1


def test_an_answer_is_held_against_a_limit_in_bytes(truth: Truth) -> None:
    """From what the primary was known to have written, unless another one has come."""
    now = time.monotonic()
    truth._keys[7].positions += [(Position(1, 1, 1000), 1), (Position(1, 1, 2000), 2)]
    truth._positions += [(now - 2, Position(1, 1, 3000)), (now, Position(1, 1, 9000))]
    for value, limit, is_wrong in ((1, 1000, True), (2, 1000, False), (1, 1001, False), (0, 1001, True)):
        answer = Answer(7, value, now, "east", "asked", max_bytes=limit)
        assert bool(truth.objection(answer)) == is_wrong, (value, limit)
    truth.note_failover()
    assert not truth.objection(Answer(7, 0, now, "east", "asked", max_bytes=1000))


@pytest.fixture
def facts(servers: Topology) -> SharedFacts:
    """What two workers share, on tables that were just made."""
    prepare(servers, 2 * KEYS_EACH)
    return SharedFacts(Truth(heard_within=2.8), Windows(AFTERMATH), 2 * KEYS_EACH)


@pytest.fixture
def held(servers: Topology) -> Iterator[Topology]:
    """The servers, with the replay of all standbys held."""
    yield servers
    servers.settle()


def test_a_routing_that_asks_nobody_how_fresh_he_is_is_found_out(
    held: Topology, facts: SharedFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deliberate defect: every replica is called fit. Old answers are noticed whatever was promised: an age, a token,
    one's own writes; and without the defect none is."""
    names = ("max_lag 0.5", "own writes", "after a token,")
    with clusters(held, "psycopg2") as (cluster, _), cluster.sessionmaker()() as session:
        worker = Worker("somebody", 0, 1, cluster, facts)
        can = worker.can
        for standby in held.standbys:
            held.pause(standby)

        def load() -> Counter[str]:
            for plan in (can.write(), can.read_by_age(), can.read_own(), can.read_after_token()):
                do(worker, session, plan)
            return Counter(name for each in facts.truth.violations for name in names if each.startswith(name))

        until(lambda: not load() and facts.truth.counts["writes acknowledged"] > 20 and facts.tokens)
        monkeypatch.setattr(cluster.router, "_judge", lambda *_: Verdict("", float("inf")))
        until(lambda: set(load()) == set(names), lambda: facts.truth.violations)
        assert all("answered by primary" not in each for each in facts.truth.violations)


def test_a_lost_write_is_found_out(servers: Topology, facts: SharedFacts) -> None:
    """An entry that somebody removes, and a counter that somebody sets back."""
    with clusters(servers, "psycopg2") as (cluster, _), cluster.sessionmaker()() as session:
        worker = Worker("somebody", 0, 1, cluster, facts)
        assert all(do(worker, session, worker.can.write()) for _ in range(3))
        no_write_is_lost(servers, facts)
        assert not facts.truth.violations
        servers.primary.server.execute("DELETE FROM entries", dbname=DBNAME)
        servers.primary.server.execute("UPDATE counters SET value = 0", dbname=DBNAME)
        no_write_is_lost(servers, facts)
        assert any("are lost" in each for each in facts.truth.violations)
        assert any("was acknowledged" in each for each in facts.truth.violations)
        session.connection()
        nothing_is_in_use(facts.truth, cluster)
        assert "still in use" in facts.truth.violations[-1]


def test_a_write_to_a_standby_is_found_out(servers: Topology, facts: SharedFacts) -> None:
    """The standby itself tells, in its log."""
    before = logged(servers)
    no_standby_was_written_to(servers, facts.truth, before)
    assert not facts.truth.violations
    with pytest.raises(Exception, match="read-only"):
        servers.standbys[0].server.execute("CREATE TABLE here ()")
    no_standby_was_written_to(servers, facts.truth, before)
    assert len(facts.truth.violations) == 1
