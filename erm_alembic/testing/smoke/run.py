"""A run of smoke tests from its request to its report: start the tests, hear them, and look afterwards what is left."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.durations import format_duration, in_milliseconds
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ProjectError, TargetError, UsageError
from erm_alembic.shadow.child.clean_environment import NOWHERE, clean_environment
from erm_alembic.spelling import nearest
from erm_alembic.target import Target, open_target
from erm_alembic.testing.smoke.afterwards import check_junit, control_session, end_session, keep_junit, not_rolled_back
from erm_alembic.testing.smoke.job import FILES_CLOSED, HERE, SmokeJob
from erm_alembic.testing.smoke.noting import note_in_ledger
from erm_alembic.testing.smoke.process import SmokeProcess
from erm_alembic.testing.smoke.report import FAILED, RAN, SmokeReport, SmokeTest
from erm_alembic.testing.smoke.undeployed import nothing_deployed

__all__ = ["SmokeRequest", "run_smoke_tests"]

NOTHING_RUN = "No test was run."
USAGE_ERROR = 4
# How a line begins in which pytest says so.
OBJECTION = "ERROR: "
ENDED = "The process of the tests ended with code {} before it was done{}."
CLOSED = "A test has closed files that were not its own, as os.closerange() does, so that the run ended{}."
# However short the time for a statement is: Python may be busy for a while between two of them.
LEAST_IDLE = timedelta(seconds=15)
MOST_FOR_A_LOCK = timedelta(seconds=3)


@dataclass(frozen=True)
class SmokeRequest:
    """What a run is asked for.

    Args:
        paths: files, folders or ids of tests, relative to the working directory; none: those of erm.yaml.
        keyword: an expression as `pytest -k` takes it.
        timeout: how long each statement may run; None: as erm.yaml says.
        run_timeout: how long all of it may take; None: as erm.yaml says.
        replica: the name of a replica to run on; None for the primary.
        junit: a file for pytest's JUnit XML.
        verbose: whether pytest tells each test.
        colour: whether pytest may write colour.
        width: of the terminal, in characters.
    """

    paths: tuple[str, ...] = ()
    keyword: str | None = None
    timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    replica: str | None = None
    junit: Path | None = None
    verbose: bool = False
    colour: bool = False
    width: int = 80


@dataclass
class _Heard:
    """What the process of the tests has told until now."""

    pid: int | None = None
    code: int | None = None
    started: str | None = None
    fatal: str | None = None
    # The transactions of tests of which nothing was heard since.
    begun: dict[str, str | None] = field(default_factory=dict)
    tests: list[SmokeTest] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    escapes: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    objections: list[str] = field(default_factory=list)
    in_time: bool = True

    @property
    def transactions(self) -> dict[str, str]:
        """The ids of the transactions that wrote, by test."""
        all_ids = self.begun | {test.id: test.transaction_id for test in self.tests}
        return {test: number for test, number in all_ids.items() if number is not None}

    def hear(self, event: dict[str, Any]) -> None:
        kind = event.pop("event")
        if kind == "connected":
            self.pid = event["pid"]
        elif kind == "start":
            self.started = event["id"]
        elif kind == "begun":
            self.begun[event["id"]] = event["transaction_id"]
        elif kind == "test":
            self.begun.pop(event["id"], None)
            self.started = None
            # A plugin may have run one again: what counts is how it ended.
            self.tests = [test for test in self.tests if test.id != event["id"]]
            self.tests.append(SmokeTest(**{**event, "sequences": tuple(event["sequences"])}))
        elif kind == "end":
            self.code = event["code"]
        elif kind == "fatal":
            self.fatal = event["what"]
        elif kind == "note":
            self.notes[event["what"]] = None
        else:
            {"problem": self.problems, "escape": self.escapes, "kept": self.kept}[kind].append(event["what"])


def run_smoke_tests(settings: Settings, request: SmokeRequest, show: Callable[[str], None]) -> SmokeReport:
    """Run the smoke tests of a project on its database; nothing that they do stays.

    Args:
        settings: what is in force.
        request: what is asked for.
        show: given each line that pytest writes, without secrets.

    Raises:
        UsageError: a path, a replica or a mark is wrong.
        ProjectError: pytest is not installed.
        TargetError: the database cannot be reached.
    """
    begun = time.monotonic()
    if importlib.util.find_spec("pytest") is None:
        raise ProjectError("pytest is not installed.", effect=NOTHING_RUN, cure="Type: pip install pytest")
    paths = _paths(settings, request)
    if request.junit is not None:
        check_junit(request.junit)
    target = open_target(_server(settings, request.replica))
    heard = _Heard()

    def told(outcome: str) -> SmokeReport:
        """The run in the ledger, and what it came to."""
        report = _report(settings, request, target, heard, outcome)
        report = replace(report, seconds=round(time.monotonic() - begun, 3))
        untold = note_in_ledger(settings, target, report)
        return report if untold is None else replace(report, notes=(*report.notes, untold))

    def hear_line(line: str) -> None:
        if line.startswith(OBJECTION):
            heard.objections.append(line.removeprefix(OBJECTION).strip())
        show(line)

    try:
        _run(settings, request, target, paths, heard, hear_line)
    except KeyboardInterrupt:
        told("interrupted")
        raise
    _refuse_what_did_not_begin(target, heard)
    if any(test.outcome in FAILED for test in heard.tests) and (why := nothing_deployed(settings, target)) is not None:
        heard.notes[why] = None
    return told(_outcome(heard))


def _run(
    settings: Settings,
    request: SmokeRequest,
    target: Target,
    paths: tuple[str, ...],
    heard: _Heard,
    show: Callable[[str], None],
) -> None:
    """Start the tests, hear them to their end, and ask the server what is left of them."""
    limit = request.run_timeout or settings.smoke.run_timeout
    with ExitStack() as closing:
        control = closing.enter_context(control_session(target))
        written: Path | None = None
        if request.junit is not None:
            folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="erm-smoke-"))
            written = Path(folder) / "junit.xml"
        # The process of the tests logs in once it has imported what they need.
        target.freshen_login()
        job = _job(settings, request, target, paths, written)
        try:
            with SmokeProcess(settings.project_dir, show, heard.hear) as process:
                heard.in_time = process.run(job, limit.total_seconds())
                code, unheard = process.end(), process.is_unheard
        finally:
            heard.kept += end_session(control, heard.pid)
        heard.kept += not_rolled_back(control, heard.transactions)
        if request.junit is not None and written is not None:
            unkept = keep_junit(written, request.junit)
            heard.problems += [] if unkept is None else [unkept]
    if heard.problems and (unseen := sorted(set(os.environ) - set(job.environ))):
        heard.notes[f"Variables that tests do not see: {', '.join(unseen)}"] = None
    within = f" while {heard.started} ran" if heard.started else ""
    if not heard.in_time:
        heard.problems.append(f"The run was ended after {format_duration(limit)}{within}.")
    elif heard.code is None:
        heard.problems.append(CLOSED.format(within) if unheard or code == FILES_CLOSED else ENDED.format(code, within))


def _refuse_what_did_not_begin(target: Target, heard: _Heard) -> None:
    if heard.fatal is not None:
        raise TargetError(f"{target.redacted}: {heard.fatal}", effect=NOTHING_RUN, cure="Try again.")
    if heard.code == USAGE_ERROR:
        raise UsageError(
            f"pytest does not take what it was given: {'; '.join(heard.objections) or 'it does not say why'}",
            effect=NOTHING_RUN,
            cure="Correct that option, path or mark; `addopts` in pytest's configuration and PYTEST_ADDOPTS count too.",
        )


def _outcome(heard: _Heard) -> str:
    if not heard.in_time:
        return "timed-out"
    if heard.problems or heard.escapes or heard.kept or any(test.outcome in FAILED for test in heard.tests):
        return "failed"
    if not any(test.outcome in RAN for test in heard.tests):
        return "nothing-ran"
    return "passed" if heard.code == 0 else "failed"


def _report(settings: Settings, request: SmokeRequest, target: Target, heard: _Heard, outcome: str) -> SmokeReport:
    return SmokeReport(
        environment=settings.environment,
        database_url=target.redacted,
        server_version=target.server_version,
        replica=request.replica,
        outcome=outcome,
        tests=tuple(heard.tests),
        problems=tuple(heard.problems),
        escapes=tuple(dict.fromkeys(heard.escapes)),
        kept=tuple(heard.kept),
        notes=tuple(heard.notes),
    )


def _server(settings: Settings, replica: str | None) -> Settings:
    """The settings with the address of the server that the tests run on."""
    if replica is None:
        return settings
    names = [each.name for each in settings.replicas]
    for each in settings.replicas:
        if each.name == replica:
            return replace(settings, url=each.url, notes=())
    near = nearest(replica, names)
    known = f"Did you mean --on {near}?" if near else f"Declared: {', '.join(names) or 'none'}."
    raise UsageError(f"There is no replica {replica!r} in {settings.environment}.", effect=NOTHING_RUN, cure=known)


def _paths(settings: Settings, request: SmokeRequest) -> tuple[str, ...]:
    """The tests that are asked for, as absolute paths."""
    root = Path.cwd() if request.paths else settings.project_dir
    found = []
    for text in request.paths or settings.smoke.paths:
        file, mark, rest = text.partition("::")
        path = root / Path(file).expanduser()
        if not path.exists():
            where = "typed" if request.paths else "smoke.paths of erm.yaml"
            raise UsageError(
                f"There is no file or folder {path} ({where}).",
                effect=NOTHING_RUN,
                cure="Name files or folders of tests, or none to have pytest look by itself.",
            )
        found.append(f"{path}{mark}{rest}")
    return tuple(found)


def _job(
    settings: Settings, request: SmokeRequest, target: Target, paths: tuple[str, ...], junit: Path | None
) -> SmokeJob:
    timeout = request.timeout or settings.smoke.timeout
    lock = min(timeout, settings.execution.lock_timeout or MOST_FOR_A_LOCK, MOST_FOR_A_LOCK)
    limits = {
        "statement_timeout": in_milliseconds(timeout),
        "lock_timeout": in_milliseconds(lock),
        "idle_in_transaction_session_timeout": in_milliseconds(max(timeout, LEAST_IDLE)),
    }
    arguments = [f"--color={'yes' if request.colour else 'no'}"]
    arguments += ["-v"] if request.verbose else ["--tb=short"]
    arguments += ["-k", request.keyword] if request.keyword is not None else []
    arguments += [f"--junitxml={junit}"] if junit is not None else []
    here = DatabaseUrl(parameters={"host": HERE, "dbname": target.database})
    cleaned = clean_environment(os.environ, target.url, here)
    environ = {name: value.replace(NOWHERE, HERE) for name, value in cleaned.items()}
    environ.setdefault("DATABASE_URL", here.dsn())
    environ |= {"COLUMNS": str(request.width), "ERM_ENV": settings.environment, "ERM_SMOKE": "1"}
    return SmokeJob(
        dsn=target.url.dsn(),
        database=target.database,
        major=target.major,
        is_standby=target.is_standby,
        environment=settings.environment,
        limits=limits,
        role=settings.smoke.role,
        hosts=settings.smoke.hosts,
        arguments=(*arguments, *paths),
        environ=environ,
        events=-1,
    )
