"""The pipeline, on one screen: what `erm migrate` does, for Python callers too.

settings -> target -> project -> plan (recorded) -> rehearsal -> drift -> checks -> execute
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from erm_alembic.approvals import (
    approval_of,
    checkpoints_of,
    open_approved,
    refuse_unsigned,
    refuse_without_plan,
    request_again,
)
from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.ignores import without_ignored
from erm_alembic.checks.missing_downgrade import exempted
from erm_alembic.checks.overrides import Override, override_findings, verify_overrides
from erm_alembic.drift.elsewhere import foreign_histories
from erm_alembic.drift.history import lost_versions, missing_revisions
from erm_alembic.drift.inserted import changed_history
from erm_alembic.errors import Refused
from erm_alembic.findings import blocking
from erm_alembic.opening import Opened, interruptible, open_project
from erm_alembic.planning.approval import ApprovedPlan
from erm_alembic.planning.build import Survey, build_plan
from erm_alembic.planning.model import Outcome, Plan, StepOutcome
from erm_alembic.planning.request import Request
from erm_alembic.planning.surroundings import look_around
from erm_alembic.planning.undisturbed import undisturbed
from erm_alembic.revisions.project import AlembicOptions
from erm_alembic.revisions.source.exemption import exempt_ids
from erm_alembic.shadow.when import Wish, is_compared

if TYPE_CHECKING:
    from erm_alembic.execute.approval import Approval
    from erm_alembic.execute.progress import Progress
    from erm_alembic.execute.run import Mode

__all__ = [
    "AlembicOptions",
    "Override",
    "Result",
    "apply",
    "plan",
    "plan_rollback",
    "rollback",
]


@dataclass(frozen=True)
class Result:
    """A plan and how running it ended."""

    plan: Plan
    outcome: Outcome


def plan(
    env: str | None = None,
    *,
    config: Path | None = None,
    to: str = "heads",
    overrides: tuple[Override, ...] = (),
    accept_environment: bool = False,
    for_approval: bool = False,
    rehearse: bool | None = None,
    options: AlembicOptions | None = None,
) -> Plan:
    """Compute what apply would do. Nothing is written.

    Args:
        env: the profile; None means ERM_ENV, else `dev`.
        config: the path of erm.yaml; None looks for it from the working directory up.
        to: the revision to reach: `heads`, `branch@head`, `+N` or an id.
        overrides: rules that may pass once the plan is approved, each with its reason.
        for_approval: whether the plan is to be kept (`erm_alembic.keep_plan`).
        accept_environment: whether a database that was deployed under another environment is accepted.
        rehearse: whether the plan is tried out in a shadow; None does, unless `shadow.rehearse` is false.
        options: Alembic's own options for env.py.

    Raises:
        ErmError: a subclass of it, when the plan cannot be computed.

    Example:
        >>> import erm_alembic
        >>> plan = erm_alembic.plan("staging", to="8c4d2e91f6a0")
        >>> [step.revision for step in plan.steps], plan.blocked
        (['3a1f5c0e7b21', '8c4d2e91f6a0'], False)
    """
    overrides = verify_overrides(overrides)
    opened, request, wish = open_project(env, config, options), Request("upgrade", to), Wish("plan", rehearse)
    return plan_request(
        opened, request, overrides, accept_environment=accept_environment, wish=wish, for_approval=for_approval
    ).plan


def plan_rollback(
    env: str | None = None,
    *,
    config: Path | None = None,
    to: str | None = None,
    steps: int = 1,
    allow_data_loss: bool = False,
    overrides: tuple[Override, ...] = (),
    accept_environment: bool = False,
    for_approval: bool = False,
    rehearse: bool | None = None,
    options: AlembicOptions | None = None,
) -> Plan:
    """Compute what rollback would do, and what it would lose. Nothing is written.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        to: what shall remain: `base` or a revision id; None takes back `steps` revisions.
        steps: how many of the most recent revisions to take back.
        allow_data_loss: whether rows and values may be lost once the plan is approved.
        overrides: rules that may pass then, each with its reason.
        for_approval: whether the plan is to be kept (`erm_alembic.keep_plan`).
        accept_environment: whether a database that was deployed under another environment is accepted.
        rehearse: whether the plan is tried out in a shadow; None does, unless `shadow.rehearse` is false.
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
    overrides = _with_data_loss(overrides, allow_data_loss)
    opened, request = open_project(env, config, options), Request("downgrade", to, steps)
    wish = Wish("plan", rehearse)
    return plan_request(
        opened, request, overrides, accept_environment=accept_environment, wish=wish, for_approval=for_approval
    ).plan


def apply(
    env: str | None = None,
    *,
    config: Path | None = None,
    to: str = "heads",
    approved: Path | None = None,
    wait: float | None = None,
    overrides: tuple[Override, ...] = (),
    accept_environment: bool = False,
    progress: Progress | None = None,
    rehearse: bool | None = None,
    options: AlembicOptions | None = None,
) -> Result:
    """Plan, and run the plan unless something objects.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        to: the revision to reach.
        approved: the file of an approved plan, which alone is run; it says how far, and which rules may pass.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        overrides: rules that may pass this once, each with its reason.
        accept_environment: whether a database that was deployed under another environment is accepted.
        progress: told what happens.
        rehearse: whether the plan is tried out in a shadow; None does unless this is `dev`, the
            database is empty, or `shadow.rehearse` is false.
        options: Alembic's own options for env.py.

    Raises:
        ErmError: a subclass of it, when erm could not run; what a check or a revision says is in the result.

    Example:
        >>> import erm_alembic
        >>> outcome = erm_alembic.apply("staging", to="8c4d2e91f6a0", wait=60).outcome
        >>> outcome.result, outcome.current
        ('done', ('8c4d2e91f6a0',))
    """
    overrides = verify_overrides(overrides)
    plan_file = None if approved is None else open_approved(approved, "upgrade")
    opened = open_project(env, config, options, to_write=True)
    request, wish = Request("upgrade", to), Wish("run", rehearse)
    if plan_file is not None:
        return _run_approved(opened, plan_file, wait, accept_environment, progress, wish)
    refuse_without_plan(opened.settings, "upgrade")
    planned = plan_request(opened, request, overrides, wait, accept_environment=accept_environment, wish=wish)
    return run_plan(opened, planned, wait, accept_environment, progress, overrides)


def rollback(
    env: str | None = None,
    *,
    config: Path | None = None,
    to: str | None = None,
    steps: int = 1,
    approved: Path | None = None,
    wait: float | None = None,
    allow_data_loss: bool = False,
    overrides: tuple[Override, ...] = (),
    accept_environment: bool = False,
    progress: Progress | None = None,
    rehearse: bool | None = None,
    options: AlembicOptions | None = None,
) -> Result:
    """Plan the way down, and run it unless something objects.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        to: what shall remain; None takes back `steps` revisions.
        approved: the file of an approved plan, which alone is run; it says how far, and which rules may pass.
        steps: how many of the most recent revisions to take back.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        allow_data_loss: whether rows and values may be lost.
        overrides: rules that may pass this once, each with its reason.
        accept_environment: whether a database that was deployed under another environment is accepted.
        progress: told what happens.
        rehearse: whether the plan is tried out in a shadow; None does unless this is `dev`, the
            database is empty, or `shadow.rehearse` is false.
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
    overrides = _with_data_loss(overrides, allow_data_loss)
    plan_file = None if approved is None else open_approved(approved, "downgrade")
    opened = open_project(env, config, options, to_write=True)
    request, wish = Request("downgrade", to, steps), Wish("run", rehearse)
    if plan_file is not None:
        return _run_approved(opened, plan_file, wait, accept_environment, progress, wish)
    refuse_without_plan(opened.settings, "downgrade")
    planned = plan_request(opened, request, overrides, wait, accept_environment=accept_environment, wish=wish)
    return run_plan(opened, planned, wait, accept_environment, progress, overrides)


def _with_data_loss(overrides: tuple[Override, ...], allowed: bool) -> tuple[Override, ...]:
    if allowed and all(override.rule != "data-loss" for override in overrides):
        overrides = (*overrides, Override("data-loss", "--allow-data-loss"))
    return verify_overrides(overrides)


def _run_approved(
    opened: Opened, approved: ApprovedPlan, wait: float | None, accept: bool, progress: Progress | None, wish: Wish
) -> Result:
    """Plan again what was approved, and run it if it is still the same; the plan says which rules may pass."""
    refuse_unsigned(opened.settings, approved)
    # What its rehearsal showed was approved with it: it is repeated only where that is asked for.
    repeated = wish if wish.asked else None
    checkpoints = checkpoints_of(opened.target, approved)
    request, overrides = request_again(approved, checkpoints), approved.overrides
    planned = plan_request(
        opened, request, overrides, wait, accept_environment=accept, wish=repeated, for_approval=True
    )
    approval = approval_of(opened.settings, approved, planned.plan, checkpoints)
    return run_plan(opened, planned, wait, accept, progress, overrides, approval=approval)


def plan_request(
    opened: Opened,
    request: Request,
    overrides: tuple[Override, ...] = (),
    wait: float | None = None,
    *,
    accept_environment: bool = False,
    wish: Wish | None = None,
    for_approval: bool = False,
) -> Survey:
    """Plan, rehearse, look for drift, and let every check have its say; while nobody else deploys.

    Args:
        opened: what the command works on.
        request: what is asked for.
        overrides: rules that may pass this once.
        wait: how long to wait for another deployment that is found under way, in seconds; None means
            `execution.deploy_lock_wait`.
        accept_environment: whether a database that was deployed under another environment is accepted.
        wish: what a rehearsal is wanted for; None for none.
        for_approval: whether what an approval of the plan needs is read although nothing is pending.
    """

    def plan() -> Survey:
        return _judged(opened, request, _read(opened, request, wish, for_approval), overrides, accept_environment)

    return interruptible(opened.target, lambda: undisturbed(opened.target, opened.project, plan, wait))


def _judged(
    opened: Opened, request: Request, survey: Survey, overrides: tuple[Override, ...], accept_environment: bool
) -> Survey:
    """Look for drift, and let every check have its say."""
    drift = (
        *survey.plan.drift,
        *missing_revisions(survey.unknown, survey.ledger),
        *lost_versions(survey.lost, survey.parents() if survey.lost else {}),
        *foreign_histories(opened.target, survey.plan, survey.pending),
        *changed_history(opened.target, survey.applied, survey.ledger, survey.parents),
    )
    drifted = replace(survey.plan, drift=drift, deployed_as=() if accept_environment else survey.plan.deployed_as)
    since = opened.settings.safety.downgrades_since
    exempt = exempt_ids(survey.parents(), since) if since is not None else frozenset()
    context = CheckContext(
        plan=drifted,
        revisions=tuple(facts.as_file() for facts in survey.pending),
        settings=opened.settings,
        exempt=exempt if request.direction == "upgrade" else frozenset(),
        around=look_around(opened.target, drifted),
    )
    said, ignored = without_ignored(run_checks(context, opened.settings.safety.rules), context.revisions)
    findings = override_findings(said, overrides)
    judged = replace(drifted, findings=findings, ignored=ignored, exempted=exempted(context), overrides=overrides)
    return replace(survey, plan=judged)


def _read(opened: Opened, request: Request, wish: Wish | None, for_approval: bool) -> Survey:
    """The plan, and what a shadow of the database shows of it, where that is wished for."""
    compared = wish is not None and is_compared(opened.settings, wish)
    read = partial(build_plan, opened.target, opened.project, request, with_basis=for_approval or compared)
    survey = None if compared else read()
    if wish is None or (survey is not None and not survey.plan.steps):
        return survey or read()  # without what looks further
    from erm_alembic.drift.in_plan import looked_at

    read = read if survey is None else partial(replace, survey)
    return looked_at(opened.target, opened.project, read, wish, compared=compared)


def run_plan(
    opened: Opened,
    survey: Survey,
    wait: float | None,
    accept_environment: bool,
    progress: Progress | None,
    overrides: tuple[Override, ...],
    mode: Mode | None = None,
    approval: Approval | None = None,
) -> Result:
    """Run a plan, unless something objects to it.

    Args:
        opened: what the command works on.
        survey: the plan and what it was made from.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        accept_environment: whether a database that was deployed under another environment is accepted.
        progress: told what happens.
        overrides: what the ledger keeps of why it was run.
        mode: what the ledger calls the run; None for what its direction says.
        approval: the approved plan that it must keep to.
    """
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
        from erm_alembic.ledger.dead_runs import close_dead_runs

        close_dead_runs(opened.target)
        _keep_mapping(opened, survey)
        return Result(survey.plan, Outcome("nothing-to-do", current=survey.plan.current))
    # A plan, which most runs of erm are, does without what runs one.
    from erm_alembic.execute.deploy import execute
    from erm_alembic.execute.progress import SilentProgress
    from erm_alembic.execute.run import Run
    from erm_alembic.hooks import TeamHooks

    mode = mode or ("apply" if survey.plan.direction == "upgrade" else "rollback")
    hooks, watched = TeamHooks(opened.settings, survey.plan), progress or SilentProgress()
    run = Run(opened.target, opened.project, survey, mode, watched, overrides, hooks, approval=approval)
    accepted = accept_environment or bool(survey.plan.deployed_as)  # which a rule or an override has let pass
    outcome = execute(run, wait=wait, accept_environment=accepted)
    if outcome.result == "done":
        _keep_mapping(opened, survey)
    return Result(survey.plan, outcome)


def _keep_mapping(opened: Opened, survey: Survey) -> None:
    """Keep in the ledger what the models map now: a later plan must not take that away from a running release."""
    if survey.metadata is None or survey.plan.direction == "downgrade":
        return
    from erm_alembic.ledger.mapping import keep_mapping
    from erm_alembic.revisions.mapping import mapped_tables

    keep_mapping(opened.target, mapped_tables(survey.metadata))
