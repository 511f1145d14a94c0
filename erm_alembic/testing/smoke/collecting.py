"""Within pytest: which tests are smoke tests, what each may do, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import fields
from typing import Any

import pytest

from erm_alembic.config.redaction import first_line, redact
from erm_alembic.spelling import nearest
from erm_alembic.testing.smoke.engines import JoinedEngines
from erm_alembic.testing.smoke.escapes import Escape, shorten
from erm_alembic.testing.smoke.fixtures import SmokeFixtures
from erm_alembic.testing.smoke.marks import MARKER, RUNNING
from erm_alembic.testing.smoke.terms import Terms, Traces
from erm_alembic.testing.smoke.transaction import SmokeTransaction

__all__ = ["SmokePlugin", "terms_of"]

Emit = Callable[[dict[str, Any]], None]
LOST = (
    "the connection was lost, or the transaction of a test; the server ends a session that is idle in its transaction"
    " for too long"
)
NOT_RUN = "{} of the {} tests that were collected {} not run to the end"
_traces = pytest.StashKey[Traces]()


def terms_of(item: pytest.Item) -> Terms:
    """What a test may do, as its nearest mark says.

    Args:
        item: a test that is marked.

    Raises:
        pytest.UsageError: the mark has what nobody knows.
    """
    mark = item.get_closest_marker(MARKER)
    assert mark is not None
    known = [each.name for each in fields(Terms)]
    for name, value in mark.kwargs.items():
        if name not in known:
            near = nearest(name, known)
            hint = f"; did you mean {near}?" if near else f"; it knows {', '.join(known)}"
            raise pytest.UsageError(f"{item.nodeid}: {MARKER} has no {name}{hint}")
        if not isinstance(value, bool):
            raise pytest.UsageError(f"{item.nodeid}: {MARKER}({name}=...) is True or False")
    if mark.args:
        raise pytest.UsageError(f"{item.nodeid}: {MARKER} takes names, as in {MARKER}(writes=True)")
    return Terms(**mark.kwargs)


class SmokePlugin:
    """What pytest is told of a run.

    Args:
        transaction: what holds the connection.
        engines: those of the process.
        is_standby: whether nothing can be written.
        emit: told each event.
        header: what stands above the tests.
    """

    def __init__(
        self, transaction: SmokeTransaction, engines: JoinedEngines, *, is_standby: bool, emit: Emit, header: str
    ) -> None:
        self._transaction, self._engines, self._is_standby = transaction, engines, is_standby
        self._emit, self._header = emit, header
        self._reports: dict[str, list[pytest.TestReport]] = {}
        self._told: set[str] = set()
        self._ended_by = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, Any, Any]:
        """One process, one connection: tests are not handed to others, whatever the project's options say."""
        for name, value in (("numprocesses", None), ("dist", "no"), ("tx", []), ("looponfail", False)):
            if hasattr(config.option, name):
                setattr(config.option, name, value)
        return (yield)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Have the fixtures win over those of the same name for other runs."""
        config.pluginmanager.register(SmokeFixtures(self._engines), RUNNING)

    def pytest_report_header(self) -> str:
        """Say where the tests run."""
        return self._header

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the smoke tests."""
        kept = [item for item in items if item.get_closest_marker(MARKER) is not None]
        others = [item for item in items if item.get_closest_marker(MARKER) is None]
        for item in kept:
            terms_of(item)
        if others:
            config.hook.pytest_deselected(items=others)
        items[:] = kept

    def pytest_exception_interact(self, call: pytest.CallInfo[Any], report: object) -> None:
        """Tell what could not be collected."""
        if isinstance(report, pytest.CollectReport) and call.excinfo is not None:
            self._emit({"event": "problem", "what": f"{report.nodeid or 'collecting'}: {_why(call.excinfo.value)}"})

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Keep the words with which a test or a plugin has ended the session."""
        self._ended_by = first_line(redact(str(excinfo.value)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A session that `pytest.exit()` has ended may say that all is well: what did not run has not passed."""
        collected = {item.nodeid for item in session.items}
        missing = len(collected - self._told)
        if missing and session.shouldfail != LOST and not session.config.option.collectonly:
            words = NOT_RUN.format(missing, len(collected), "was" if missing == 1 else "were")
            self._emit({"event": "problem", "what": f"{words}: {self._ended_by or 'the session was ended early'}"})

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin the test's transaction before its first fixture."""
        terms = terms_of(item)
        self._emit({"event": "start", "id": item.nodeid})
        self._transaction.escapes.take()
        if terms.writes and self._is_standby:
            pytest.skip("it writes, and this server is a standby")
        self._transaction.begin(terms)
        self._emit({"event": "begun", "id": item.nodeid, "transaction_id": self._transaction.traces.transaction_id})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """A test that goes on after something was refused has not passed."""
        try:
            yield
        except BaseException:
            self._transaction.escapes.take()
            raise
        if refused := self._transaction.escapes.take():
            raise refused[0]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """Roll back after its last fixture."""
        try:
            yield
        finally:
            if self._transaction.terms is not None:
                try:
                    self._transaction.end()
                finally:
                    item.stash[_traces] = self._transaction.traces
                    self._engines.forget()
                    if self._transaction.doubt is not None:
                        self._emit({"event": "kept", "what": f"{item.nodeid}: {self._transaction.doubt}."})
                    if self._transaction.is_lost:
                        item.session.shouldfail = LOST
                        self._emit({"event": "problem", "what": f"No test was run after {item.nodeid}: {LOST}."})
        refused = self._transaction.escapes.take()
        if refused and not any(report.failed for report in self._reports.get(item.nodeid, ())):
            raise refused[0]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell what became of a test once all of it is over."""
        if call.excinfo is not None:
            shorten(call.excinfo.value)
        report = yield
        reports = self._reports.setdefault(item.nodeid, [])
        reports.append(report)
        if report.when == "teardown":
            del self._reports[item.nodeid]
            self._told.add(item.nodeid)
            outcome, reason = _ending(reports)
            traces = item.stash.get(_traces, Traces())
            self._emit(
                {
                    "event": "test",
                    "id": item.nodeid,
                    "outcome": outcome,
                    "seconds": round(sum(each.duration for each in reports), 3),
                    "reason": reason,
                    "writes": terms_of(item).writes,
                    "sequences": traces.sequences,
                    "transaction_id": traces.transaction_id,
                }
            )
        return report


def _ending(reports: list[pytest.TestReport]) -> tuple[str, str | None]:
    """The outcome of a test's phases together."""
    for report in reports:
        if report.failed and report.when != "call":
            return "error", _reason(report)
    for report in reports:
        is_expected = hasattr(report, "wasxfail")
        if report.skipped:
            return ("xfailed" if is_expected else "skipped"), _reason(report)
        if report.failed:
            return "failed", _reason(report)
        if is_expected:
            return "xpassed", _reason(report)
    return "passed", None


def _reason(report: pytest.TestReport) -> str:
    """Why, on one line."""
    told: Any = report.longrepr
    if isinstance(told, tuple):  # of a test that was skipped: file, line, reason
        text = str(told[2])
    else:
        crash = getattr(told, "reprcrash", None)
        text = str(getattr(crash, "message", None) or getattr(report, "wasxfail", "") or told or "")
    line = next((line for line in redact(text).splitlines() if line.strip()), "")
    return line.removeprefix(f"{Escape.__module__}.{Escape.__name__}: ")


def _why(error: BaseException) -> str:
    """Why a module could not be collected, on one line."""
    if isinstance(error, pytest.Collector.CollectError):  # of an import: a text, with the traceback
        lines = [line for line in redact(str(error)).splitlines() if line.strip()]
        return lines[-1].removeprefix("E").strip() if lines else "it cannot be imported"
    return f"{type(error).__name__}: {first_line(error)}"
