"""Plan, apply, roll back: `erm migrate`, for Python callers too. What happens in between stands in `pipeline`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from erm_alembic.approvals import (
    approval_of,
    checkpoints_of,
    open_approved,
    refuse_unsigned,
    refuse_without_plan,
    request_again,
)
from erm_alembic.checks.overrides import Override, verify_overrides
from erm_alembic.opening import Opened, open_project
from erm_alembic.pipeline import Result, plan_request, refuse_misnamed, run_plan
from erm_alembic.planning.approved_plan import ApprovedPlan
from erm_alembic.planning.build import Survey
from erm_alembic.planning.model import Plan
from erm_alembic.planning.request import Request, mode_of
from erm_alembic.revisions.project import AlembicOptions
from erm_alembic.shadow.rehearsal.when import Wish

if TYPE_CHECKING:
    from erm_alembic.execute.progress import Progress

__all__ = [
    "AlembicOptions",
    "Override",
    "Result",
    "apply",
    "plan",
    "plan_rollback",
    "rollback",
]


def plan(
    env: str | None = None,
    *,
    config: Path | None = None,
    to: str = "heads",
    overrides: tuple[Override, ...] = (),
    accept_environment: bool = False,
    for_approval: bool = False,
    rehearse: bool | None = None,
    copy_data: tuple[str, ...] = (),
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
        copy_data: rows of the target that it is tried out on, each as `TABLE:ROWS`; they are dropped afterwards.
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
    opened, request = open_project(env, config, options, judge=refuse_misnamed), Request("upgrade", to)
    wish = Wish("plan", True if copy_data else rehearse, copy_data)
    planned = plan_request(
        opened, request, overrides, accept_environment=accept_environment, wish=wish, for_approval=for_approval
    ).plan
    if to == "heads" and opened.settings.telemetry.prometheus_textfile is not None:
        from erm_alembic.telemetry.textfile import planned as write_planned

        write_planned(opened.target, planned)
    return planned


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
    opened, request = open_project(env, config, options, judge=refuse_misnamed), Request("downgrade", to, steps)
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
    opened = open_project(env, config, options, to_write=True, judge=refuse_misnamed)
    request, wish = Request("upgrade", to), Wish("run", rehearse)
    if plan_file is not None:
        return _run_approved(
            opened, plan_file, wish, wait=wait, accept_environment=accept_environment, progress=progress
        )
    refuse_without_plan(opened.settings, "upgrade")
    planned = _plan_to_run(opened, request, overrides, wait, accept_environment=accept_environment, wish=wish)
    return run_plan(
        opened, planned, wait=wait, accept_environment=accept_environment, progress=progress, overrides=overrides
    )


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
    opened = open_project(env, config, options, to_write=True, judge=refuse_misnamed)
    request, wish = Request("downgrade", to, steps), Wish("run", rehearse)
    if plan_file is not None:
        return _run_approved(
            opened, plan_file, wish, wait=wait, accept_environment=accept_environment, progress=progress
        )
    refuse_without_plan(opened.settings, "downgrade")
    planned = _plan_to_run(opened, request, overrides, wait, accept_environment=accept_environment, wish=wish)
    return run_plan(
        opened, planned, wait=wait, accept_environment=accept_environment, progress=progress, overrides=overrides
    )


def _plan_to_run(
    opened: Opened, request: Request, overrides: tuple[Override, ...], wait: float | None, **how: Any
) -> Survey:
    """Plan what is to be run at once; that it cannot be planned ends a run too."""
    try:
        return plan_request(opened, request, overrides, wait, **how)
    except BaseException:
        if opened.settings.telemetry.prometheus_textfile is not None:
            from erm_alembic.telemetry.textfile import not_planned

            not_planned(opened.target, mode_of(request.direction))
        raise


def _with_data_loss(overrides: tuple[Override, ...], allowed: bool) -> tuple[Override, ...]:
    if allowed and all(override.rule != "data-loss" for override in overrides):
        overrides = (*overrides, Override("data-loss", "--allow-data-loss"))
    return verify_overrides(overrides)


def _run_approved(
    opened: Opened,
    approved: ApprovedPlan,
    wish: Wish,
    *,
    wait: float | None,
    accept_environment: bool,
    progress: Progress | None,
) -> Result:
    """Plan again what was approved, and run it if it is still the same; the plan says which rules may pass."""
    refuse_unsigned(opened.settings, approved)
    # What its rehearsal showed was approved with it: it is repeated only where that is asked for.
    repeated = wish if wish.asked else None
    checkpoints = checkpoints_of(opened.target, approved)
    request, overrides = request_again(approved, checkpoints), approved.overrides
    planned = _plan_to_run(
        opened, request, overrides, wait, accept_environment=accept_environment, wish=repeated, for_approval=True
    )
    return run_plan(
        opened,
        planned,
        wait=wait,
        accept_environment=accept_environment,
        progress=progress,
        overrides=overrides,
        approval=approval_of(opened.settings, approved, planned.plan, checkpoints),
    )
