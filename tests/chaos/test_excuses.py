"""What a worker meets is excused by what happened to the servers just then, and by nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from sqlalchemy.exc import InterfaceError, OperationalError

from erm_alembic.errors import NoReplicaAvailable, StaleReplicaWrite, WritePrevented
from erm_alembic.routing import Cluster
from tests.chaos.plans import KEYS_EACH, Plan, Repertoire, SharedFacts
from tests.chaos.workers import Worker, do
from tests.support.load.crew import Crew
from tests.support.load.truth import Truth
from tests.support.load.windows import PRIMARY, Windows

LOST = OperationalError("SELECT 1", None, ConnectionResetError("gone"), connection_invalidated=True)
WRONG = InterfaceError("SELECT 1", None, type("ProgrammingFault", (Exception,), {"sqlstate": "42P01"})("no such table"))
NO_REPLICA, STALE, PREVENTED = (kind("x") for kind in (NoReplicaAvailable, StaleReplicaWrite, WritePrevented))


@pytest.fixture
def facts() -> SharedFacts:
    """Of two workers, to whom nothing has happened yet."""
    return SharedFacts(Truth(heard_within=2.8), Windows(aftermath=0.0), 2 * KEYS_EACH)


@pytest.fixture
def worker(facts: SharedFacts) -> Worker:
    """One that needs no cluster."""
    return Worker("somebody", 0, 1, cast("Cluster", None), facts)


@pytest.mark.parametrize(
    ("plan", "error", "during", "is_excused"),
    [
        (Repertoire.write, LOST, (PRIMARY,), True),
        (Repertoire.write, LOST, ("east",), False),
        (Repertoire.write, LOST, (), False),
        (Repertoire.write, WRONG, (PRIMARY, "east"), False),
        (Repertoire.write, ValueError("x"), (PRIMARY, "east"), False),
        (Repertoire.write, STALE, (PRIMARY, "east"), False),
        (Repertoire.read_own, LOST, ("east",), False),
        (Repertoire.read_own, NO_REPLICA, ("east",), False),
        (Repertoire.read_own, PREVENTED, ("east",), False),
        (Repertoire.strict, NO_REPLICA, ("east",), True),
        (Repertoire.strict, NO_REPLICA, (), False),
        (Repertoire.strict, LOST, ("east",), False),
        (Repertoire.snapshot, LOST, ("east",), True),
        (Repertoire.snapshot, LOST, ("west",), False),
        (Repertoire.snapshot, LOST, (), False),
        (Repertoire.count_up, STALE, (), True),
        (Repertoire.count_up, PREVENTED, (), False),
        (Repertoire.prevented, PREVENTED, (), True),
        (Repertoire.prevented, STALE, (), False),
    ],
)
def test_an_error_needs_the_event_that_explains_it(
    plan: Callable[[Repertoire], Plan],
    error: Exception,
    during: tuple[str, ...],
    is_excused: bool,
    worker: Worker,
) -> None:
    """Read from east: by what was asked, and by what happened to whom meanwhile."""
    began_at = time.monotonic()
    if during:
        with worker.facts.windows.lasting("something", *during):
            pass
    worker.failed(plan(worker.can), error, began_at, "east")
    assert bool(worker.truth.violations) != is_excused


def test_an_event_excuses_nothing_before_it_and_nothing_after_its_aftermath(worker: Worker) -> None:
    """By this process's own clock."""
    windows = worker.facts.windows
    with windows.lasting("something", PRIMARY):
        assert windows.explain(time.monotonic(), time.monotonic(), PRIMARY) == "something"
        assert not windows.explain(time.monotonic() - 2, time.monotonic() - 1, PRIMARY)
    assert windows.are_over_at() <= time.monotonic()
    assert not windows.explain(windows.are_over_at() + 0.001, windows.are_over_at() + 1, PRIMARY)
    later = Windows(aftermath=5.0)
    with later.lasting("something", "east"):
        pass
    assert later.explain(time.monotonic() + 4, time.monotonic() + 4, "east")
    assert not later.explain(time.monotonic() + 6, time.monotonic() + 7)


def test_a_rollback_that_fails_is_excused_by_the_primary_alone(worker: Worker) -> None:
    """Which is where a session's own connection may be lost."""
    began_at = time.monotonic()
    worker.not_rolled_back(LOST, began_at)
    assert len(worker.truth.violations) == 1
    with worker.facts.windows.lasting("something", PRIMARY):
        worker.not_rolled_back(LOST, began_at)
        worker.not_rolled_back(WRONG, began_at)
    assert len(worker.truth.violations) == 2


class _Broken:
    """A session of which nothing works."""

    last_route = None

    def rollback(self) -> None:
        raise ValueError("not even that")


def test_a_session_that_cannot_be_rolled_back_twice_ends_its_worker_and_is_reported(worker: Worker) -> None:
    """The second failure leaves the thread, and the crew says so."""
    crew = Crew(worker.truth.accuse)
    has_died = threading.Event()

    def work() -> None:
        try:
            do(worker, cast("Any", _Broken()), worker.can.read_own())
        finally:
            has_died.set()

    crew.thread("somebody", work, lambda: worker.doing)
    with crew:
        has_died.wait(10.0)
    assert worker.truth.violations[-1].startswith("somebody has died while it did own writes")


# The crew.


def _raise() -> None:
    raise RuntimeError("a fault of the load's own")


async def _nothing() -> None:
    pass


def _as_tasks(crew: Crew, work: Callable[[], object]) -> None:
    async def task() -> None:
        work()

    async def waiting() -> None:
        while not crew.stopping.is_set():
            await _nothing()

    works: dict[str, Callable[[], Awaitable[object]]] = {"one": task, "other": waiting}
    crew.tasks(works, _nothing)


def _as_thread(crew: Crew, work: Callable[[], object]) -> None:
    crew.thread("one", work)


@pytest.mark.parametrize("begin", [_as_thread, _as_tasks])
@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (_raise, "one has died while it did its work: RuntimeError: a fault of the load's own"),
        (lambda: None, "one has ended before the load did"),
    ],
)
def test_a_worker_that_is_gone_is_no_worker_that_has_ended(
    begin: Callable[[Crew, Callable[[], object]], None], work: Callable[[], object], expected: str
) -> None:
    """Neither one that raises nor one that returns early."""
    told: list[str] = []
    is_told = threading.Event()
    crew = Crew(lambda words: (told.append(words), is_told.set()))
    begin(crew, work)
    with crew:
        is_told.wait(10.0)
    assert told == [expected]


def test_a_worker_that_does_not_end_is_reported() -> None:
    """With what it does, and where it stands."""
    told: list[str] = []
    let_go = threading.Event()
    crew = Crew(told.append, ends_within=0.05)
    crew.thread("one", let_go.wait, lambda: "a read")
    crew.thread("other", crew.stopping.wait)
    with crew:
        pass
    let_go.set()
    assert len(told) == 1
    assert told[0].startswith("one does not end: a read; ")
    assert "wait < " in told[0]
