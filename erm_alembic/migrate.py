"""The pipeline, on one screen: what `erm migrate` does, for Python callers too.

settings -> target -> project -> plan (recorded) -> drift -> checks -> execute
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.missing_downgrade import exempted
from erm_alembic.checks.overrides import Override, override_findings
from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import Settings
from erm_alembic.drift.history import edited_revisions, missing_revisions
from erm_alembic.errors import Interrupted, Refused, TargetError
from erm_alembic.execute.deploy import execute
from erm_alembic.execute.progress import Progress, SilentProgress
from erm_alembic.execute.run import Run
from erm_alembic.execute.signals import Stopped, cancel_on_signal
from erm_alembic.findings import blocking
from erm_alembic.ledger.model import RunRecord
from erm_alembic.ledger.restore import restore_file
from erm_alembic.ledger.store import open_ledger
from erm_alembic.planning.build import Survey, build_plan
from erm_alembic.planning.model import Outcome, Plan, StepOutcome
from erm_alembic.planning.request import Request
from erm_alembic.planning.standing import read_standing
from erm_alembic.revisions.graph import parents_of
from erm_alembic.revisions.project import AlembicOptions, AlembicProject, find_project
from erm_alembic.revisions.source.exemption import exempt_ids
from erm_alembic.target import Target, open_target

__all__ = [
    "AlembicOptions",
    "Override",
    "Result",
    "Status",
    "apply",
    "history",
    "plan",
    "plan_rollback",
    "restore",
    "rollback",
    "status",
]

Read = TypeVar("Read")


@dataclass(frozen=True)
class Result:
    """A plan and how running it ended."""

    plan: Plan
    outcome: Outcome


@dataclass(frozen=True)
class Status:
    """Where a database stands.

    Args:
        environment: the profile.
        database_url: the target's URL without its password.
        server_version: the server's version.
        current: the revisions recorded in the database.
        heads: the heads of the project's files.
        pending: revisions that apply would run, in order.
        unknown: recorded revisions that no file declares.
        last_run: the ledger's most recent run.
    """

    environment: str
    database_url: str
    server_version: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...]
    last_run: RunRecord | None


def plan(
    env: str | None = None,
    *,
    config: Path | None = None,
    to: str = "heads",
    options: AlembicOptions | None = None,
) -> Plan:
    """Compute what apply would do. Nothing is written.

    Args:
        env: the profile; None means ERM_ENV, else `dev`.
        config: the path of erm.yaml; None looks for it from the working directory up.
        to: the revision to reach: `heads`, `branch@head`, `+N` or an id.
        options: Alembic's own options for env.py.

    Raises:
        ErmError: a subclass of it, when the plan cannot be computed.

    Example:
        >>> import erm_alembic
        >>> plan = erm_alembic.plan("staging", to="8c4d2e91f6a0")
        >>> [step.revision for step in plan.steps], plan.blocked
        (['3a1f5c0e7b21', '8c4d2e91f6a0'], False)
    """
    return _planned(_open(env, config, options), Request("upgrade", to)).plan


def plan_rollback(
    env: str | None = None,
    *,
    config: Path | None = None,
    to: str | None = None,
    steps: int = 1,
    options: AlembicOptions | None = None,
) -> Plan:
    """Compute what rollback would do, and what it would lose. Nothing is written.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        to: what shall remain: `base` or a revision id; None takes back `steps` revisions.
        steps: how many of the most recent revisions to take back.
        options: Alembic's own options for env.py.

    Raises:
        ErmError: a subclass of it, when the plan cannot be computed.

    Example:
        >>> import erm_alembic
        >>> erm_alembic.apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> [step.revision for step in erm_alembic.plan_rollback("staging", steps=1).steps]
        ['8c4d2e91f6a0']
    """
    return _planned(_open(env, config, options), Request("downgrade", to, steps)).plan


def apply(
    env: str | None = None,
    *,
    config: Path | None = None,
    to: str = "heads",
    wait: float = 10.0,
    overrides: tuple[Override, ...] = (),
    accept_environment: bool = False,
    progress: Progress | None = None,
    options: AlembicOptions | None = None,
) -> Result:
    """Plan, and run the plan unless something objects.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        to: the revision to reach.
        wait: how long to wait for the deploy lock, in seconds.
        overrides: rules that may pass this once, each with its reason.
        accept_environment: whether a database that was deployed under another environment is accepted.
        progress: told what happens.
        options: Alembic's own options for env.py.

    Raises:
        ErmError: a subclass of it, when erm could not run; what a check or a revision says is in the result.

    Example:
        >>> import erm_alembic
        >>> outcome = erm_alembic.apply("staging", to="8c4d2e91f6a0", wait=60).outcome
        >>> outcome.result, outcome.current
        ('done', ('8c4d2e91f6a0',))
    """
    opened = _open(env, config, options, to_write=True)
    return _run(
        opened, _planned(opened, Request("upgrade", to), overrides), wait, accept_environment, progress, overrides
    )


def rollback(
    env: str | None = None,
    *,
    config: Path | None = None,
    to: str | None = None,
    steps: int = 1,
    wait: float = 10.0,
    allow_data_loss: bool = False,
    overrides: tuple[Override, ...] = (),
    accept_environment: bool = False,
    progress: Progress | None = None,
    options: AlembicOptions | None = None,
) -> Result:
    """Plan the way down, and run it unless something objects.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        to: what shall remain; None takes back `steps` revisions.
        steps: how many of the most recent revisions to take back.
        wait: how long to wait for the deploy lock, in seconds.
        allow_data_loss: whether rows and values may be lost.
        overrides: rules that may pass this once, each with its reason.
        accept_environment: whether a database that was deployed under another environment is accepted.
        progress: told what happens.
        options: Alembic's own options for env.py.

    Raises:
        ErmError: a subclass of it, when erm could not run.

    Example:
        >>> import erm_alembic
        >>> erm_alembic.apply("staging", to="8c4d2e91f6a0").outcome.current
        ('8c4d2e91f6a0',)
        >>> erm_alembic.rollback("staging", steps=1).outcome.current
        ('3a1f5c0e7b21',)
    """
    if allow_data_loss:
        overrides = (*overrides, Override("data-loss", "--allow-data-loss"))
    opened = _open(env, config, options, to_write=True)
    planned = _planned(opened, Request("downgrade", to, steps), overrides)
    return _run(opened, planned, wait, accept_environment, progress, overrides)


@dataclass(frozen=True)
class _Opened:
    settings: Settings
    target: Target
    project: AlembicProject


def _open(
    env: str | None, config: Path | None, options: AlembicOptions | None = None, *, to_write: bool = False
) -> _Opened:
    settings = load_settings(env, config)
    project = find_project(settings, options)
    target = open_target(settings)
    if to_write and target.is_standby:
        raise TargetError(
            f"{target.redacted} is a read-only standby.",
            effect="Nothing was changed.",
            cure="Point the profile at the primary (with several hosts: target_session_attrs=read-write).",
        )
    return _Opened(settings, target, project)


def _planned(opened: _Opened, request: Request, overrides: tuple[Override, ...] = ()) -> Survey:
    """Plan, look for drift, and let every check have its say."""
    survey = _interruptible(opened.target, lambda: build_plan(opened.target, opened.project, request))
    drift = (*missing_revisions(survey.unknown, survey.ledger), *edited_revisions(survey.applied, survey.ledger))
    drifted = replace(survey.plan, drift=drift)
    exempt = exempt_ids(parents_of(survey.scripts), opened.settings.safety.downgrades_since)
    context = CheckContext(
        plan=drifted,
        revisions=tuple(facts.as_file() for facts in survey.pending),
        settings=opened.settings,
        exempt=exempt if request.direction == "upgrade" else frozenset(),
    )
    findings = override_findings(run_checks(context, opened.settings.safety.rules), overrides)
    return replace(survey, plan=replace(drifted, findings=findings, exempted=exempted(context)))


def _interruptible(target: Target, read: Callable[[], Read]) -> Read:
    """Read the database; a signal cancels what a revision or env.py reads meanwhile."""
    try:
        with target.reported(), cancel_on_signal() as watch:
            try:
                return read()
            finally:
                watch.check()
    except Stopped as stopped:
        raise Interrupted(
            f"Interrupted by {stopped} while planning.",
            signal_number=stopped.signal_number,
            effect="Nothing was changed.",
            cure="Run the command again.",
        ) from stopped


def _run(
    opened: _Opened,
    survey: Survey,
    wait: float,
    accept_environment: bool,
    progress: Progress | None,
    overrides: tuple[Override, ...],
) -> Result:
    not_run = tuple(StepOutcome(step.revision, "not-run") for step in survey.plan.steps)
    if blocking(survey.plan.findings):
        return Result(survey.plan, Outcome("refused", steps=not_run, current=survey.plan.current))
    if survey.plan.cannot_run is not None:
        raise Refused(
            f"{survey.plan.cannot_run[0].upper()}{survey.plan.cannot_run[1:]}.",
            effect="Nothing was changed.",
            cure="Do that, then plan again; no rule and no override lets this pass.",
        )
    if survey.plan.up_to_date:
        return Result(survey.plan, Outcome("nothing-to-do", current=survey.plan.current))
    mode: Literal["apply", "rollback"] = "apply" if survey.plan.direction == "upgrade" else "rollback"
    run = Run(opened.target, opened.project, survey, mode, progress or SilentProgress(), overrides)
    return Result(survey.plan, execute(run, wait=wait, accept_environment=accept_environment))


def status(env: str | None = None, *, config: Path | None = None) -> Status:
    """Where a database stands: recorded revisions, heads, what is pending, the last run.

    No revision is run for it: one that fails does not hide where the database stands.

    Args:
        env: the profile.
        config: the path of erm.yaml.

    Raises:
        ErmError: a subclass of it, when it cannot be told.

    Example:
        >>> from erm_alembic.migrate import apply, status
        >>> apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> status("staging").current, status("staging").pending[0]
        (('8c4d2e91f6a0',), 'b57e03d4a9c8')
    """
    opened = _open(env, config)
    standing = _interruptible(opened.target, lambda: read_standing(opened.target, opened.project))
    with opened.target.reported(), open_ledger(opened.target) as ledger:
        runs = ledger.runs(limit=1)
    return Status(
        environment=opened.settings.environment,
        database_url=opened.target.redacted,
        server_version=opened.target.server_version,
        current=standing.current,
        heads=standing.heads,
        pending=standing.pending,
        unknown=standing.unknown,
        last_run=runs[0] if runs else None,
    )


def history(env: str | None = None, *, config: Path | None = None, limit: int | None = None) -> tuple[RunRecord, ...]:
    """The runs in the ledger, latest first.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        limit: how many; None means all.

    Raises:
        ErmError: a subclass of it, when the ledger cannot be read.

    Example:
        >>> from erm_alembic.migrate import apply, history
        >>> apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> [(run.mode, run.outcome, len(run.revisions)) for run in history("staging", limit=1)]
        [('apply', 'done', 2)]
    """
    settings = load_settings(env, config)
    target = open_target(settings)
    with target.reported(), open_ledger(target) as ledger:
        return ledger.runs(limit, sources=True)


def restore(env: str | None, revision: str, *, config: Path | None = None, out: Path | None = None) -> Path:
    """Write a lost revision file back from the ledger; an existing file is never overwritten.

    Args:
        env: the profile.
        revision: the revision's id, whole or the beginning of it.
        config: the path of erm.yaml.
        out: where to write it; None means where it was.

    Returns:
        The file that was written.

    Raises:
        UsageError: the ledger does not know the revision, or the file exists.

    Example:
        >>> from erm_alembic.migrate import apply, restore
        >>> apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> Path("migrations/versions/8c4d2e91f6a0_catalogue.py").unlink()
        >>> restore("staging", "8c4d").name
        '8c4d2e91f6a0_catalogue.py'
    """
    settings = load_settings(env, config)
    project = find_project(settings)
    target = open_target(settings)
    with target.reported(), open_ledger(target) as ledger:
        return restore_file(ledger, revision, project.root, out)
