"""What is written when a release fails: when what happened, what was sent, who was in the way, what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from erm_alembic.errors import ErmError
from erm_alembic.ledger.model import RunRecord
from erm_alembic.ledger.releases import ReleaseRecord
from erm_alembic.ledger.store import open_ledger
from erm_alembic.observing import before
from erm_alembic.planning.model import Plan, Step
from erm_alembic.postgres.text.passwords import without_passwords
from erm_alembic.release.course import Course
from erm_alembic.release.files import write_paper
from erm_alembic.render.paper.model import Paper, Section, Table
from erm_alembic.render.releases import next_steps, release_paper, took
from erm_alembic.render.runs import moment
from erm_alembic.render.words import duration

__all__ = ["write_post_mortem"]

MOST_STATEMENTS = 200
MOST_TOLD = 60


def write_post_mortem(course: Course) -> tuple[tuple[str, ...], ErmError | None]:
    """Write the page of a release that failed; that it cannot be written changes nothing of how the release ended.

    Args:
        course: the release.

    Returns:
        The files, and the error of one that could not be written.
    """
    record = course.record
    assert record is not None
    state = record.outcome or "stopped"
    try:
        return tuple(write_paper(course, record, _paper(course, record, state), state, "-post-mortem")), None
    except ErmError as error:
        return (), error


def _paper(course: Course, record: ReleaseRecord, state: str) -> Paper:
    summary = release_paper(record, course.opened.target.redacted, state, course.request.typed)
    runs = _runs(course, record)
    failed = {each.revision for run in runs for each in run.revisions if each.outcome == "failed"}
    steps = [] if course.plan is None else _worth_telling(course.plan, failed)
    last = next((each for each in reversed(record.stages) if each.outcome == "failed"), None)
    commands = next_steps(record, state, course.request.typed)
    return Paper(
        f"Post-mortem of release {record.id} to {record.environment}",
        summary.verdict,
        "bad",
        summary.facts,
        (
            Section("What failed", code=() if last is None else tuple(last.reason.splitlines())),
            Section(
                "Next steps",
                prose=() if last is None else tuple(line for line in last.cure.splitlines() if line.strip()),
                code=tuple(commands),
                language="sh",
            ),
            Section("Timeline", table=_timeline(record, runs)),
            Section("Errors", code=tuple(_errors(runs))),
            Section("Blocked sessions", items=tuple(_blocked(course))),
            Section("What was told last", table=_told(course)),
            Section("Statements", code=tuple(_statements(steps)), language="sql"),
            Section("Locks, as they were seen in the rehearsal", table=_locks(steps)),
        ),
        summary.more,
    )


def _runs(course: Course, record: ReleaseRecord) -> list[RunRecord]:
    """The runs of the release in the ledger, oldest first."""
    wanted: set[int] = set()
    for stage in record.stages:
        wanted |= {*stage.details.get("runs", ()), *([stage.details["run"]] if stage.details.get("run") else [])}
    if not wanted:
        return []
    try:
        with course.opened.target.reported(), open_ledger(course.opened.target) as ledger:
            return [run for run in reversed(ledger.runs()) if run.id in wanted]
    except ErmError:  # the database may be what failed
        return []


def _timeline(record: ReleaseRecord, runs: Iterable[RunRecord]) -> Table:
    """Everything that has a time, in the order in which it began: what it was, how long it took, what came of it."""
    told: list[tuple[datetime, str, str, str]] = []
    for stage in record.stages:
        ended = stage.outcome or "did not end"
        told.append((stage.started_at, took(stage), f"stage {stage.stage}: {ended}", stage.reason.partition("\n")[0]))
    for run in runs:
        lasted = "" if run.finished_at is None else duration(_milliseconds(run.finished_at - run.started_at))
        ended = run.outcome or "did not end"
        told.append((run.started_at, lasted, f"run {run.id} ({run.mode}): {ended}", f"as {run.who} from {run.host}"))
        for each in run.revisions:
            way = "taken back" if each.direction == "downgrade" else "applied"
            said = way if each.outcome == "done" else each.outcome
            what = f"revision {each.revision}: {said}"
            told.append((each.started_at, duration(each.duration_ms), what, each.error or each.message))
        told += [
            (hook.started_at, duration(hook.duration_ms), f"hook {hook.event}: {hook.outcome}", hook.command)
            for hook in run.hooks
        ]
    ordered = sorted(told, key=lambda each: each[0])
    return Table(("when", "took", "what", "what came of it"), tuple((moment(when), *rest) for when, *rest in ordered))


def _milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


def _errors(runs: Iterable[RunRecord]) -> Iterable[str]:
    for run in runs:
        shown = [each for each in run.revisions if each.error]
        yield from (f"revision {each.revision}: {each.error}" for each in shown)
        if run.error and not shown:
            yield f"run {run.id}: {run.error}"


def _told(course: Course) -> Table:
    rows = tuple((moment(when), line) for when, said in course.progress.notes for line in said.splitlines())
    return Table(("when", "what"), rows[-MOST_TOLD:])


def _blocked(course: Course) -> Iterable[str]:
    """Who waits for whom now, a moment after the failure; what a revision waited for stands in its error."""
    try:
        sample = before(course.opened.target)
    except ErmError as error:
        return [f"not known: {error.what}"]
    waits = [f"{each.lock} is waited for by pid {each.pid}, behind {'; '.join(each.blockers)}" for each in sample.waits]
    return waits or ["When this was written, no session waited for a lock."]


def _worth_telling(plan: Plan, failed: set[str]) -> list[Step]:
    """The steps that failed; where none did, all."""
    return [step for step in plan.steps if step.revision in failed] or list(plan.steps)


def _statements(steps: Iterable[Step]) -> Iterable[str]:
    left = MOST_STATEMENTS
    for step in steps:
        yield f"-- {step.revision} {step.message} ({step.path})"
        for statement in step.statements[:left]:
            where = "" if statement.line is None else f"  -- line {statement.line}"
            yield f"{without_passwords(statement.sql).strip().rstrip(';')};{where}"
        left -= len(step.statements)
        if left < 0:
            yield f"-- ... and {-left} more; `erm migrate --mode plan` shows them"
            return


def _locks(steps: Iterable[Step]) -> Table:
    rows = []
    for step in steps:
        for statement in step.statements:
            for lock in () if statement.observed is None else statement.observed.locks:
                rows.append((step.revision, str(statement.line or ""), lock.mode, lock.origin or lock.relation))
    return Table(("revision", "line", "lock", "on"), tuple(dict.fromkeys(rows)))
