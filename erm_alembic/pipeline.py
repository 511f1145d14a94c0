"""The pipeline, on one screen: what happens between a request and its outcome.

settings -> target -> project -> plan (recorded) -> shadow (drift, rehearsal, proof) -> checks -> execute
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from erm_alembic.checks import CheckContext, run_checks, verify_rules
from erm_alembic.checks.ignores import without_ignored
from erm_alembic.checks.missing_downgrade import exempted
from erm_alembic.checks.overrides import Override, override_findings
from erm_alembic.drift.elsewhere import foreign_histories
from erm_alembic.drift.history import history_drift
from erm_alembic.drift.left_out import verify_kinds
from erm_alembic.drift.severity import known_kinds
from erm_alembic.errors import Refused
from erm_alembic.findings import blocking
from erm_alembic.opening import Opened, interruptible
from erm_alembic.planning.build import Survey, build_plan
from erm_alembic.planning.model import Outcome, Plan, StepOutcome
from erm_alembic.planning.request import Request
from erm_alembic.planning.sizes import with_named
from erm_alembic.planning.surroundings import look_around
from erm_alembic.planning.undisturbed import undisturbed
from erm_alembic.revisions.graph import parents_of
from erm_alembic.revisions.source.exemption import exempt_ids
from erm_alembic.revisions.source.files import seems_known
from erm_alembic.shadow.rehearsal.when import Wish, is_compared

if TYPE_CHECKING:
    from erm_alembic.config.settings import Settings
    from erm_alembic.execute.approved.course import Approval
    from erm_alembic.execute.guarding import Guard
    from erm_alembic.execute.progress import Progress
    from erm_alembic.execute.run import RunMode
    from erm_alembic.revisions.project import AlembicProject

__all__ = ["Result", "plan_request", "refuse_misnamed", "run_plan"]


@dataclass(frozen=True)
class Result:
    """A plan and how running it ended."""

    plan: Plan
    outcome: Outcome


def refuse_misnamed(settings: Settings, project: AlembicProject) -> None:
    """Refuse names in erm.yaml of what there is not, before anything slow is done: they would silence nothing.

    Args:
        settings: what is in force.
        project: the Alembic project.

    Raises:
        ConfigurationError: a rule, a kind of object, or the revision of `safety.downgrades_since` is unknown.
    """
    verify_rules(settings.safety.rules, CheckContext(settings=settings))
    verify_kinds(settings.drift, known_kinds(), settings.origins)
    since = settings.safety.downgrades_since
    if since is not None and not seems_known(project.place, since, project.options.name):
        with project.entered():
            exempt_ids(parents_of(project.scripts()), since)


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
        wait: how long to wait for a deployment under way, in seconds; None means `execution.deploy_lock_wait`.
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
        *history_drift(opened.target, survey),
        *foreign_histories(opened.target, survey.plan, survey.pending),
    )
    drifted = replace(survey.plan, drift=drift, deployed_as=() if accept_environment else survey.plan.deployed_as)
    since = opened.settings.safety.downgrades_since
    exempt = exempt_ids(survey.parents(), since) if since is not None else frozenset()
    drifted = _with_backup(opened, drifted)
    context = CheckContext(
        plan=drifted,
        revisions=tuple(facts.as_file() for facts in survey.pending),
        settings=opened.settings,
        exempt=exempt if request.direction == "upgrade" else frozenset(),
        around=look_around(opened.target, drifted),
    )
    said, ignored = without_ignored(run_checks(context, opened.settings.safety.rules), context.revisions)
    findings = override_findings(said, overrides)
    judged = replace(
        drifted,
        findings=findings,
        ignored=ignored,
        exempted=exempted(context),
        overrides=overrides,
        tables=with_named(drifted.tables, context.around.tables.values()),
    )
    return replace(survey, plan=judged)


def _with_backup(opened: Opened, plan: Plan) -> Plan:
    """The plan with what is to be said of backups, where a profile demands one, or data goes down with it."""
    if not plan.steps or (plan.direction == "upgrade" and not opened.settings.backup.demanded):
        return plan
    from erm_alembic.backup.planned import planned_backup

    return replace(plan, backup=planned_backup(opened.target, plan))


def _guard(opened: Opened, plan: Plan) -> Guard:
    """What has a backup before the first step; most runs need none."""
    from erm_alembic.execute.guarding import NoGuard

    if plan.backup is None or not plan.backup.demanded:
        return NoGuard()
    from erm_alembic.backup.gate import gate_of

    return gate_of(opened.target, plan)


def _read(opened: Opened, request: Request, wish: Wish | None, for_approval: bool) -> Survey:
    """The plan, and what a shadow of the database shows of it, where that is wished for."""
    compared = wish is not None and is_compared(opened.settings, wish)
    read = partial(build_plan, opened.target, opened.project, request, with_basis=for_approval or compared)
    survey = None if compared else read()
    if wish is None or (survey is not None and not survey.plan.steps):
        return survey or read()  # without what looks further
    from erm_alembic.drift.in_plan import looked_at

    read = partial(replace, survey) if survey else read
    return looked_at(opened.target, opened.project, read, wish, compared=compared)


def run_plan(
    opened: Opened,
    survey: Survey,
    *,
    wait: float | None,
    accept_environment: bool,
    progress: Progress | None,
    overrides: tuple[Override, ...],
    mode: RunMode | None = None,
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
    from erm_alembic.telemetry import told

    mode = mode or survey.plan.mode
    with told(opened.target, progress) as watched:
        watched.run_started(survey.plan, mode)
        result = _run_watched(opened, survey, wait, accept_environment, watched, overrides, mode, approval)
        watched.run_finished(result.outcome)
    return result


def _run_watched(
    opened: Opened,
    survey: Survey,
    wait: float | None,
    accept_environment: bool,
    watched: Progress,
    overrides: tuple[Override, ...],
    mode: RunMode,
    approval: Approval | None,
) -> Result:
    """Run a plan, unless something objects to it, while somebody watches."""
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
    from erm_alembic.execute.run import Run
    from erm_alembic.hooks import TeamHooks

    hooks = TeamHooks(opened.settings, survey.plan)
    guard = _guard(opened, survey.plan)
    run = Run(opened.target, opened.project, survey, mode, watched, overrides, hooks, approval=approval, guard=guard)
    accepted = accept_environment or bool(survey.plan.deployed_as)  # which a rule or an override has let pass
    outcome = execute(run, wait=wait, accept_environment=accepted)
    if outcome.result == "done":
        _keep_mapping(opened, survey)
    _keep_predictions(opened, survey.plan, outcome)
    return Result(survey.plan, outcome)


def _keep_mapping(opened: Opened, survey: Survey) -> None:
    """Keep in the ledger what the models map now: a later plan must not take that away from a running release."""
    if survey.metadata is None or survey.plan.direction == "downgrade":
        return
    from erm_alembic.ledger.mapping import keep_mapping
    from erm_alembic.revisions.mapping import mapped_tables

    keep_mapping(opened.target, mapped_tables(survey.metadata))


def _keep_predictions(opened: Opened, plan: Plan, outcome: Outcome) -> None:
    """Keep in the ledger how long the revisions were to take, for later plans to say how far that was off."""
    done = {step.revision for step in outcome.steps if step.outcome == "done"}
    predicted = {
        step.revision: (step.predicted.low_ms, step.predicted.high_ms)
        for step in plan.steps
        if step.predicted is not None and step.revision in done
    }
    if outcome.run_id is None or not predicted:
        return
    from erm_alembic.ledger.predictions import keep_predictions

    keep_predictions(opened.target, outcome.run_id, predicted)
