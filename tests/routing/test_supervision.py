"""No single fault is the end of the monitor: its threads go on, or begin anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.routing.discovery import Found
from erm_alembic.routing.discovery.search import Search
from erm_alembic.routing.watching.link_pool import LinkPool
from erm_alembic.routing.watching.monitor import Monitor
from erm_alembic.routing.watching.picture import Picture
from erm_alembic.routing.watching.polling import Polling
from erm_alembic.routing.watching.probe import PollControl, Probe
from tests.routing.servers import EAST, PATIENCE, until


def nowhere() -> str:
    """The address of nobody."""
    raise OSError("no address")


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    """One of servers that nobody can reach, which is stopped at the end of the test."""
    made = Monitor(nowhere, {EAST: nowhere}, interval=0.02, catalogs=False)
    yield made
    made.stop()


class _Answered:
    """What waits for an answer, which comes when somebody has looked."""

    def __init__(self) -> None:
        self._ends_at: float | None = 1.0
        self.cuts = 0

    @property
    def ends_at(self) -> float | None:
        ends_at, self._ends_at = self._ends_at, None
        return ends_at

    def cut(self) -> None:
        self.cuts += 1


def threads(name: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == name]


def test_an_answer_may_come_while_somebody_looks_whether_it_is_late() -> None:
    """Whoever waits writes that down without a lock: it is looked at once."""
    late: Any = _Answered()
    links = LinkPool(nowhere, 2.0)
    links._lent = {late}
    assert links.overdue(0.5) == []
    late = _Answered()
    links._lent = {late}
    assert links.overdue(2.0) == [late]
    polling = Polling(
        nowhere,
        {},
        PollControl(1.0, 2.0),
        LinkPool(nowhere, 2.0),
        publish=lambda _: lambda: None,
        learn=None,
        heartbeat=None,
    )
    polling._primary = late = _Answered()
    polling._cut_overdue(2.0)
    assert late.cuts == 1


def test_a_round_that_fails_is_not_the_last_one(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log says so, and the next one comes."""
    asked: list[float] = []
    ask = Probe.ask

    def fails_at_first(probe: Probe[Any], now: float) -> None:
        asked.append(now)
        if len(asked) == 1:
            raise TypeError("a fault")
        ask(probe, now)

    monkeypatch.setattr(Probe, "ask", fails_at_first)
    monitor.start()
    assert monitor.wait_for(lambda: monitor.state.primary.problem == "no address", PATIENCE)
    assert monitor.running


def test_news_that_cannot_be_taken_over_is_not_the_last(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread of the server goes on asking, and the log names it."""
    failed = Picture.primary_failed
    heard: list[str] = []

    def fails_at_first(picture: Picture, problem: str) -> None:
        heard.append(problem)
        if len(heard) == 1:
            raise TypeError("a fault")
        failed(picture, problem)

    monkeypatch.setattr(Picture, "primary_failed", fails_at_first)
    assert monitor.wait_for(lambda: monitor.state.primary.problem == "no address", PATIENCE)
    assert "the news of erm-routing primary cannot be taken over" in caplog.text


def test_a_search_that_fails_is_not_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a discovery cannot say how often it wants to be asked."""
    monkeypatch.setattr("erm_alembic.routing.discovery.search._EAGER", 0.0)
    monkeypatch.setattr("erm_alembic.routing.discovery.search._AFTER_A_FAULT", 0.0)
    found = threading.Event()

    class Forgetful:
        finds_primary, kept_for, asked = False, 60.0, 0

        @property
        def search_interval(self) -> float:
            self.asked += 1
            if self.asked == 1:
                raise LookupError("no interval")
            return 60.0

        def find(self, primary: DatabaseUrl) -> Found:
            return Found()

    search = Search(Forgetful(), DatabaseUrl.parse("postgresql://db/shop"), lambda _: found.set())
    search.start()
    try:
        assert found.wait(PATIENCE)
    finally:
        search.end()
        search.join(PATIENCE)


def test_a_monitor_that_cannot_start_all_its_threads_starts_none(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller hears of it, and the next call tries again."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "erm-routing":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        monitor.start()
    assert not monitor.running
    monkeypatch.undo()
    until(lambda: not threads("erm-routing primary"))
    monitor.start()
    assert monitor.running
    assert monitor.wait_for(lambda: monitor.state.primary.problem == "no address", PATIENCE)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_monitor_whose_pacing_has_ended_begins_anew(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not count as running, whoever reads next starts it, and of the former threads none is left."""

    def end(*_: object) -> float:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Polling, "_begin_what_is_due", end)
        monitor.start()
        until(lambda: not monitor.running)
    moment = time.monotonic()
    monitor.start()
    assert monitor.wait_for(lambda: (monitor.state.taken_at or 0.0) > moment, PATIENCE)
    assert monitor.running
    until(lambda: [len(threads(name)) for name in ("erm-routing", "erm-routing primary")] == [1, 1])
