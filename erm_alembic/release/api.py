"""`erm release` for Python callers: begin one, go on with one, end one, look at them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from erm_alembic.approvals import open_approved
from erm_alembic.checks.overrides import verify_overrides
from erm_alembic.config.redaction import redact
from erm_alembic.errors import Refused, TargetError, UsageError
from erm_alembic.execute.progress import Progress, SilentProgress, UnfailingProgress
from erm_alembic.execute.under_lock import create_ledger
from erm_alembic.ledger.releases import ReleaseRecord, Releases
from erm_alembic.ledger.store import open_ledger
from erm_alembic.opening import Opened, configured, open_project
from erm_alembic.pipeline import refuse_misnamed
from erm_alembic.postgres.deploy_lock import Holder
from erm_alembic.postgres.release_lock import release_holder
from erm_alembic.postgres.signals import SignalWatch, cancel_on_signal
from erm_alembic.release.course import Course
from erm_alembic.release.lock import ReleaseLock
from erm_alembic.release.noting import NotingProgress
from erm_alembic.release.playbook import stages_of
from erm_alembic.release.request import ReleaseRequest, request_again
from erm_alembic.release.run import Result, begin, go_on, in_ledger, run_stages
from erm_alembic.release.stages import plan
from erm_alembic.release.unchanged import refuse_changed
from erm_alembic.spelling import nearest
from erm_alembic.target import open_target

__all__ = ["Known", "Result", "abandon", "preview", "release", "releases", "resume"]

NOTHING_CHANGED = "Nothing was changed."


@dataclass(frozen=True)
class Known:
    """What a database knows of its releases.

    Args:
        environment: the profile.
        database_url: the target's URL without its password.
        server_version: the server's version.
        releases: the releases, latest first.
        holder: who releases now; None where nobody does.
    """

    environment: str
    database_url: str
    server_version: str
    releases: tuple[ReleaseRecord, ...]
    holder: Holder | None = None


def release(
    env: str | None = None,
    request: ReleaseRequest | None = None,
    *,
    config: Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Release what is pending: each stage in turn, until one fails or all are done.

    Args:
        env: the profile; None means ERM_ENV, else `dev`.
        request: what is asked for; None for what erm.yaml says.
        config: the path of erm.yaml; None looks for it from the working directory up.
        progress: told what happens.

    Raises:
        ErmError: a subclass of it, when no release could be begun; how a stage failed is in the result.

    Example:
        >>> from erm_alembic.release.api import release
        >>> release("staging").record.outcome
        'done'
    """
    request = request or ReleaseRequest()
    request = replace(request, overrides=verify_overrides(request.overrides))
    digest = None if request.approved is None else open_approved(request.approved, "upgrade").digest
    opened = open_project(env, config, request.options, to_write=True, judge=refuse_misnamed)
    _refuse_unknown_stages(opened, request.skip)
    with _alone(opened) as (lock, watch):
        course = Course(opened, request, NotingProgress(UnfailingProgress(progress or SilentProgress())), watch)
        with opened.target.reported(), open_ledger(opened.target) as ledger:
            create_ledger(opened.target, ledger, accept_environment=request.accept_environment)
        with in_ledger(course) as known:
            _make_way(course, known)
        begin(course, digest)
        return _to_its_end(course, lock)


def resume(
    env: str | None = None,
    request: ReleaseRequest | None = None,
    *,
    config: Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Go on with the release that was stopped, interrupted or killed, at the stage that had not ended.

    Args:
        env: the profile.
        request: what is said anew: stages to skip, how long to observe, what a failure leads to.
        config: the path of erm.yaml.
        progress: told what happens.

    Raises:
        Refused: there is none, or its plan, revision files or configuration are not what they were.
        ErmError: another subclass of it, when it could not go on.

    Example:
        >>> from erm_alembic.release.api import release, resume
        >>> release("staging").record.outcome
        'done'
        >>> try:
        ...     resume("staging")
        ... except Refused as refused:
        ...     print(refused.what)
        Release 1, the last one of this database, is done.
    """
    request = request or ReleaseRequest()
    opened = open_project(env, config, request.options, to_write=True, judge=refuse_misnamed)
    _refuse_unknown_stages(opened, request.skip)
    with _alone(opened) as (lock, watch):
        course = Course(opened, request, NotingProgress(UnfailingProgress(progress or SilentProgress())), watch)
        with in_ledger(course) as known:
            course.record = _to_go_on_with(course, known)
        course.request = request_again(course.record.terms, request)
        refuse_changed(course)
        _refuse_other_approval(course)
        go_on(course)
        return _to_its_end(course, lock)


def abandon(env: str | None = None, reason: str = "", *, config: Path | None = None) -> ReleaseRecord:
    """End a release that is not gone on with; nothing of what it did is taken back.

    Args:
        env: the profile.
        reason: why; it is kept in the ledger.
        config: the path of erm.yaml.

    Raises:
        UsageError: no reason is given.
        Refused: there is no release to end.
        LockNotHad: it is under way.

    Example:
        >>> from erm_alembic.release.api import abandon
        >>> try:
        ...     abandon("staging", "goes out with the next one")
        ... except Refused as refused:
        ...     print(refused.what)
        There is no release of this database.
    """
    if not reason.strip():
        raise UsageError("A release is not abandoned without a reason.", effect=NOTHING_CHANGED, cure="--reason TEXT")
    opened = open_project(env, config, to_write=True)
    with _alone(opened) as (_, watch):
        course = Course(opened, ReleaseRequest(), NotingProgress(SilentProgress()), watch)
        with in_ledger(course) as known:
            record = _to_go_on_with(course, known)
            known.go_on(record.id)
            known.end(record.id, "abandoned", redact(reason))
            ended = known.of(record.id)
    assert ended is not None
    return ended


def releases(env: str | None = None, *, config: Path | None = None, limit: int | None = None) -> Known:
    """The releases of a database; nothing is written.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        limit: how many, latest first; None means all.

    Raises:
        ErmError: a subclass of it, when the database cannot be reached.

    Example:
        >>> from erm_alembic.release.api import release, releases
        >>> release("staging").record.id
        1
        >>> [(each.id, each.outcome) for each in releases("staging").releases]
        [(1, 'done')]
    """
    settings = configured(env, config)
    target = open_target(settings)
    with target.reported(), open_ledger(target) as ledger, ledger.connection.cursor() as cursor:
        found = Releases(ledger, settings.ledger.schema).all(limit)
        holder = release_holder(cursor)
    return Known(settings.environment, target.redacted, target.server_version, found, holder)


def preview(
    env: str | None = None, request: ReleaseRequest | None = None, *, config: Path | None = None
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The profile, and the stages of its release, each with what it would do; nothing is planned, run or written.

    Args:
        env: the profile.
        request: what is asked for.
        config: the path of erm.yaml.

    Raises:
        ErmError: a subclass of it, when the database or the project cannot be had.

    Example:
        >>> from erm_alembic.release.api import preview
        >>> environment, stages = preview("staging")
        >>> stages[1]
        ('plan', 'plan the way to heads, rehearse it, and let every check have its say')
    """
    request = request or ReleaseRequest()
    opened = open_project(env, config, request.options, judge=refuse_misnamed)
    _refuse_unknown_stages(opened, request.skip)
    course = Course(opened, request, NotingProgress(SilentProgress()), SignalWatch())
    return opened.settings.environment, tuple(
        (stage.name, f"skipped: {request.skip[stage.name]}" if stage.name in request.skip else stage.would(course))
        for stage in stages_of(opened.settings)
    )


@contextlib.contextmanager
def _alone(opened: Opened) -> Iterator[tuple[ReleaseLock, SignalWatch]]:
    """The lock of a release; signals are held, but for its stages, so that how one ends is written in any case."""
    with cancel_on_signal() as watch, watch.held(), ReleaseLock(opened.target) as lock:
        yield lock, watch


def _to_its_end(course: Course, lock: ReleaseLock) -> Result:
    """Run the stages; what keeps even the ledger from having their end leaves a release that goes on."""
    try:
        return run_stages(course, lock)
    except TargetError as error:
        error.cure = f"{error.cure}\nThen go on with release {course.id}: {course.command('release', 'resume')}".strip()
        raise


def _refuse_unknown_stages(opened: Opened, skip: Mapping[str, str]) -> None:
    known = [stage.name for stage in stages_of(opened.settings)]
    for name in skip:
        if name == plan.STAGE.name:
            raise UsageError(
                "--skip plan: nothing is applied that was not planned.",
                effect=NOTHING_CHANGED,
                cure="Leave it out; --no-rehearse leaves out the rehearsal, --skip apply applies nothing.",
            )
        if name not in known:
            near = nearest(name, known)
            raise UsageError(
                f"--skip {name}: there is no such stage.",
                effect=NOTHING_CHANGED,
                cure=f"Did you mean {near}?" if near else f"The stages: {', '.join(known)}.",
            )


def _make_way(course: Course, known: Releases) -> None:
    """A release that was stopped before it changed anything makes way for this one; another one must be ended first."""
    latest = known.latest()
    if latest is None or latest.is_over:
        return
    applying = latest.last("apply")
    if applying is None or (applying.outcome is not None and not applying.details.get("applied")):
        known.end(latest.id, "superseded", f"by a release that was begun at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        course.tell(f"Release {latest.id}, which had applied nothing, makes way for this one.")
        return
    where = next((each.stage for each in reversed(latest.stages) if not each.has_ended_well), "its end")
    raise Refused(
        f"Release {latest.id} of this database has applied revisions and has not ended: it was stopped at {where}.",
        effect=NOTHING_CHANGED,
        cure=f"Go on with it: {course.command('release', 'resume')}\n"
        f"or end it where it is, then release again: {course.command('release', 'abandon')} --reason TEXT",
    )


def _to_go_on_with(course: Course, known: Releases) -> ReleaseRecord:
    latest = known.latest()
    if latest is None:
        raise Refused(
            "There is no release of this database.",
            effect=NOTHING_CHANGED,
            cure=f"Begin one: {course.command('release')}",
        )
    if latest.is_over:
        raise Refused(
            f"Release {latest.id}, the last one of this database, is {latest.outcome}.",
            effect=NOTHING_CHANGED,
            cure=f"Begin another one: {course.command('release')}",
        )
    return latest


def _refuse_other_approval(course: Course) -> None:
    """The approved plan must be the one that the release was begun with."""
    assert course.record is not None
    wanted, path = course.record.terms["digest"], course.request.approved
    found = None if path is None else open_approved(path, "upgrade").digest
    if found != wanted:
        raise Refused(
            f"{path} is not the approved plan that release {course.id} was begun with.",
            effect=NOTHING_CHANGED,
            cure=f"Name that one: {course.command('release', 'resume')} --plan FILE",
        )
