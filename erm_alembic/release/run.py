"""A release on one screen: its stages one after the other, each in the ledger, and what a failure leads to."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ErmError, Interrupted, Refused
from erm_alembic.execute.provenance import deployer, git_commit
from erm_alembic.ledger.releases import ReleaseRecord, Releases
from erm_alembic.ledger.store import open_ledger
from erm_alembic.release.course import Course
from erm_alembic.release.going_back import ROLLBACK, go_back
from erm_alembic.release.lock import ReleaseLock
from erm_alembic.release.playbook import stages_of
from erm_alembic.release.post_mortem import write_post_mortem
from erm_alembic.release.request import kept_request
from erm_alembic.release.stage import Ended, Stage

__all__ = ["Result", "begin", "go_on", "in_ledger", "run_stages"]


@dataclass(frozen=True)
class Result:
    """A release when the command that ran it ends.

    Args:
        record: the release as the ledger has it.
        database_url: the target's URL without its password.
        signal_number: the signal that interrupted it; None where none did.
        files: the reports, or the post-mortem, that were written.
        unwritten: the error of a file that could not be written.
    """

    record: ReleaseRecord
    database_url: str
    signal_number: int | None = None
    files: tuple[str, ...] = ()
    unwritten: ErmError | None = None


@contextlib.contextmanager
def in_ledger(course: Course) -> Iterator[Releases]:
    """The releases of the ledger, on a connection that lasts as long as the block: a release may last for days.

    Args:
        course: the release.

    Raises:
        TargetError: the database cannot be reached.
    """
    target = course.opened.target
    with target.reported(), open_ledger(target) as ledger:
        yield Releases(ledger, course.settings.ledger.schema)


def begin(course: Course, digest: str | None) -> None:
    """Write that the release begins.

    Args:
        course: the release, which gets its record.
        digest: the digest of its approved plan.
    """
    with in_ledger(course) as releases:
        course.record = releases.start(
            environment=course.settings.environment,
            who=deployer(course.opened.target.role),
            host=socket.gethostname(),
            git_commit=git_commit(course.opened.project.root),
            terms=kept_request(course.request, course.settings, digest),
        )


def go_on(course: Course) -> None:
    """Write that a release that was stopped, or killed, goes on.

    Args:
        course: the release, which has its record.
    """
    with in_ledger(course) as releases:
        releases.go_on(course.id)
        course.record = releases.of(course.id)


def run_stages(course: Course, lock: ReleaseLock) -> Result:
    """Run the stages that have not ended, until one fails or all have.

    Args:
        course: the release; signals are held but for its stages.
        lock: the lock that it holds.

    Raises:
        ErmError: a subclass of it, when the ledger cannot be reached, or another release has begun meanwhile.
    """
    assert course.record is not None
    back = course.record.last(ROLLBACK)
    if back is not None and back.outcome in (None, "died", "interrupted"):  # on its way back
        return _go_back(course, Ended("failed", next(_failures(course.record), "a stage failed")))
    stages = stages_of(course.settings)
    for number, stage in enumerate(stages, start=1):
        assert course.record is not None
        known = course.record.last(stage.name)
        if known is not None and known.has_ended_well:
            continue
        if course.watch.received is not None:
            return _stop(course, Ended("interrupted", f"stopped before the stage {stage.name}"))
        lock.keep()
        course.tell(f"[{number}/{len(stages)}] {stage.name}")
        ended = _recorded(course, stage.name, stage)
        if ended.outcome in ("failed", "interrupted"):
            return _stop(course, ended)
    return _end(course, "done")


def _recorded(course: Course, name: str, stage: Stage) -> Ended:
    """Run one stage, with its row in the ledger."""
    with in_ledger(course) as releases:
        _refuse_ended(course, releases)
        course.row = releases.begin_stage(course.id, name)
        course.record = releases.of(course.id)
        if (reason := course.request.skip.get(name)) is not None:
            ended = Ended("nothing-to-do", f"skipped: {reason}")
            releases.end_stage(course.row, "skipped", reason=redact(reason))
            course.record = releases.of(course.id)
            course.tell(f"      skipped: {redact(reason)}")
            return ended
    ended = _heeding(course, stage)
    course.tell(f"      {ended.outcome}: {redact(ended.reason)}")
    details = ended.details or None
    with in_ledger(course) as releases:
        releases.end_stage(
            course.row, ended.outcome, reason=redact(ended.reason), cure=redact(ended.cure), details=details
        )
        course.record = releases.of(course.id)
    return ended


def _refuse_ended(course: Course, releases: Releases) -> None:
    """Whoever had lost the lock for a while, with its session, may have been taken for dead."""
    known = releases.of(course.id)
    if known is not None and known.outcome is not None:
        raise Refused(
            f"Release {course.id} was ended meanwhile: it is {known.outcome}.",
            effect="Nothing more was done.",
            cure=f"`{course.command('release', 'list')}` shows what came after it.",
        )


def _heeding(course: Course, stage: Stage) -> Ended:
    """Run one stage; a signal, and what keeps it from running, are endings of it."""
    try:
        with course.watch.heeded():
            ended = stage.run(course)
    except (Interrupted, KeyboardInterrupt) as stopped:
        return Ended("interrupted", getattr(stopped, "what", "") or f"stopped by {_signal(course)}")
    except ErmError as error:
        return Ended("failed", f"{error.what}\n{error.effect}".strip(), error.cure)
    return ended


def _signal(course: Course) -> str:
    return signal.Signals(course.watch.received or signal.SIGINT).name


def _stop(course: Course, ended: Ended) -> Result:
    """A stage did not end well: go back where that is wanted and proven, and write down what happened."""
    if ended.outcome == "interrupted":
        return _end(course, "interrupted", ended.reason)
    if course.on_failure == "rollback" and course.details("apply").get("applied"):
        return _go_back(course, ended)
    return _written_down(course, _end(course, "stopped", ended.reason))


def _go_back(course: Course, failed: Ended) -> Result:
    """Take back what was applied, where that is proven to lose nothing; else the release stays where it was stopped."""
    course.tell("Going back")
    back = _recorded(course, ROLLBACK, Stage(ROLLBACK, lambda _: "go back", go_back))
    outcome = {"done": "rolled-back", "interrupted": "interrupted", "nothing-to-do": "stopped"}.get(back.outcome)
    if outcome is None:  # once a part of it is taken back, no later stage is any use
        outcome = "rollback-failed" if back.details.get("run") is not None else "stopped"
    return _written_down(course, _end(course, outcome, failed.reason))


def _failures(record: ReleaseRecord) -> Iterator[str]:
    """Why stages of it failed, the last one first."""
    return (each.reason for each in reversed(record.stages) if each.outcome == "failed" and each.stage != ROLLBACK)


def _written_down(course: Course, result: Result) -> Result:
    files, unwritten = write_post_mortem(course)
    return replace(result, files=files, unwritten=unwritten)


def _end(course: Course, outcome: str, error: str | None = None) -> Result:
    with in_ledger(course) as releases:
        releases.end(course.id, outcome, None if error is None else redact(error))
        course.record = record = releases.of(course.id)
    assert record is not None
    files = tuple(course.details("report").get("files", ())) if outcome == "done" else ()
    number = course.watch.received or int(signal.SIGINT)
    return Result(record, course.opened.target.redacted, number if outcome == "interrupted" else None, files)
