"""`erm migrate`: plan, apply, roll back."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    AcceptEnvironmentOption,
    AllowDataLossOption,
    ConfigOption,
    CopyDataOption,
    EnvironmentOption,
    MigrateFormatOption,
    ReasonOption,
    RehearseOption,
    SectionOption,
    TagOption,
    VerboseOption,
    WaitOption,
    XOption,
    refused,
    typed_again,
    wait_seconds,
)
from erm_alembic.cli.plan_files import ApprovePartialOption, PlanFiles, PlanOption, PlanOutOption, SignKeyOption
from erm_alembic.cli.reports import presentation
from erm_alembic.errors import ErmError

if TYPE_CHECKING:
    from erm_alembic.config.settings import Settings
    from erm_alembic.migrate import AlembicOptions, Override, Result
    from erm_alembic.planning.model import Outcome, Plan

__all__ = ["Mode", "Request", "migrate", "register"]

EXAMPLES = """\b
Examples:
  erm migrate --mode plan --env staging            what would be done
  erm migrate --mode plan --check --env prod       exit 3 when there is any
  erm migrate --mode plan --sql --env prod         the script a DBA would run
  erm migrate --env prod --wait 5m                 do it; wait for others
  erm migrate --mode plan --env prod --out p.json  keep it, to be approved
  erm migrate --env prod --plan p.json             run it, if nothing changed
  erm migrate --mode rollback --check --env prod   what a rollback does
  erm migrate --mode rollback --steps 2 --env prod
"""


class Mode(StrEnum):
    """What `erm migrate` does."""

    plan = "plan"
    apply = "apply"
    rollback = "rollback"


@dataclass(frozen=True)
class Request:
    """What the command line asks for, as it was typed."""

    mode: Mode
    env: str | None
    config: Path | None
    to: str | None
    steps: int | None
    wait: str | None
    check: bool
    sql: bool
    format: str
    allow_data_loss: bool
    override: tuple[str, ...]
    reason: tuple[str, ...]
    accept_environment: bool
    rehearse: bool | None
    copy_data: tuple[str, ...]
    x: tuple[str, ...]
    name: str
    tag: str | None
    verbose: bool
    files: PlanFiles

    @property
    def only_plans(self) -> bool:
        """Whether nothing is to be run: `--mode plan`, or a rollback that is only looked at, or kept."""
        return self.mode is Mode.plan or self.check or self.sql or self.files.out is not None

    def typed_again(self, plan: Plan) -> tuple[str, ...]:
        """What the next command must repeat to be about the same plan; the profile is repeated anyway."""
        file = self.files.with_plan(plan)
        options = {"--to": self.to, "--steps": self.steps, "--wait": self.wait}
        if "--plan" in file:
            options = {"--wait": self.wait}
        given = [(name, str(value)) for name, value in options.items() if value is not None]
        flags = ("--accept-environment",) if self.accept_environment else ()
        if self.rehearse is not None and (self.files.out is None or plan.blocked):
            flags = (*flags, "--rehearse" if self.rehearse else "--no-rehearse")
        reached = typed_again(self.config, self.x, self.name, self.tag)
        return (*(word for pair in given for word in pair), *file, *reached, *flags)

    def settings(self) -> Settings:
        """What is in force, read again for what a plan does not have."""
        from erm_alembic.config.loader import load_settings

        return load_settings(self.env, self.config, require_url=False)

    @property
    def looked_again(self) -> tuple[str, ...]:
        """What besides belongs into a command that looks at the same plan again, and into none that runs it."""
        check = ("--check",) if self.check and self.mode is Mode.plan else ()
        return (*check, *(word for sample in self.copy_data for word in ("--copy-data", sample)))


def _check_combination(request: Request) -> None:
    """Refuse options that contradict each other, before anything is connected to.

    Raises:
        UsageError: they do.
    """
    mode = request.mode
    for option, value in (("--to", request.to), ("--env", request.env)):
        if value is not None and not value.strip():
            # A variable that is not set in a CI job must not mean "all of it" or "dev".
            raise refused(f"{option} is empty.", f"Give {option} a value, or leave it out.")
    if request.copy_data and (mode is not Mode.plan or request.sql or request.rehearse is False):
        raise refused("--copy-data is for a plan that is rehearsed.", "erm migrate --mode plan --copy-data TABLE:ROWS")
    if mode is Mode.apply and request.sql:
        raise refused("--sql prints a script and apply runs the plan.", "erm migrate --mode plan --sql")
    if mode is Mode.apply and request.check:
        raise refused("--check looks without touching and apply runs the plan.", "erm migrate --mode plan --check")
    if request.steps is not None and mode is not Mode.rollback:
        raise refused(
            f"--steps counts revisions to roll back; {mode.value} goes up to a revision.",
            f"erm migrate --mode {mode.value} --to REV",
        )
    if request.steps is not None and request.steps < 1:
        raise refused(f"--steps {request.steps} rolls back nothing.", "Give a number from 1 upwards.")
    if request.steps is not None and request.to is not None:
        raise refused("--steps and --to both say how far to roll back.", "Give one of them.")
    if request.sql and request.format != "text":
        shown = "JSON" if request.format == "json" else "a report"
        raise refused(f"--sql prints SQL and --format {request.format} prints {shown}.", "Give one of them.")
    if request.sql and request.check:
        raise refused("--sql prints a script and --check only exits with a code.", "Give one of them.")
    if request.allow_data_loss and mode is not Mode.rollback:
        raise refused(f"--allow-data-loss is for a rollback, not for {mode.value}.", "Leave it out.")
    told_by_plan = {
        "--to": request.to is not None,
        "--steps": request.steps is not None,
        "--override": bool(request.override),
        "--allow-data-loss": request.allow_data_loss,
    }
    request.files.check(mode.value, only_plans=request.only_plans, told_by_plan=told_by_plan)
    if request.only_plans:
        _check_unused(request)
    if request.reason and not request.override and not request.allow_data_loss:
        raise refused("--reason says why a rule is overridden, and none is.", "Add --override RULE.")
    if request.override and not request.reason:
        raise refused("--override needs --reason TEXT.", "Say why the rule may pass: it is kept in the ledger.")
    # With --allow-data-loss, the reason after those of the overrides is its own.
    if len(request.reason) not in (1, len(request.override), len(request.override) + request.allow_data_loss):
        raise refused(
            f"{len(request.override)} times --override and {len(request.reason)} times --reason.",
            "Give one --reason for all of them, or one for each: --override RULE --reason TEXT",
        )
    if any(not reason.strip() for reason in request.reason):
        raise refused("--reason is empty.", "Say why the rule may pass: it is kept in the ledger.")


def _check_unused(request: Request) -> None:
    """Refuse what has an effect on a run only, when nothing is to be run."""
    kept = request.files.out is not None  # with what may pass once it is approved
    given = {
        "--override": bool(request.override) and not kept,
        "--wait": request.wait is not None,
        "--allow-data-loss": request.allow_data_loss and not kept,
    }
    for option, is_given in given.items():
        if is_given:
            raise refused(
                f"{option} has an effect on apply and rollback only, and this command runs nothing.",
                f"Leave out {option}.",
            )


def _options(request: Request) -> AlembicOptions:
    from erm_alembic.migrate import AlembicOptions

    return AlembicOptions(x=request.x, name=request.name, tag=request.tag)


def _overrides(request: Request) -> tuple[Override, ...]:
    from erm_alembic.migrate import Override

    rules = request.override
    if request.allow_data_loss and len(request.reason) == len(rules) + 1:
        rules = (*rules, "data-loss")
    reasons = request.reason * len(rules) if len(request.reason) == 1 else request.reason
    return tuple(Override(rule=rule, reason=reason) for rule, reason in zip(rules, reasons, strict=True))


def _plan(request: Request) -> Plan:
    from erm_alembic.migrate import plan, plan_rollback

    options, overrides = _options(request), _overrides(request)
    rehearse = False if request.sql else request.rehearse  # a script shows nothing of it
    with console.stdout_reserved():
        if request.mode is Mode.rollback:
            return plan_rollback(
                request.env,
                config=request.config,
                to=request.to,
                steps=request.steps or 1,
                allow_data_loss=request.allow_data_loss,
                overrides=overrides,
                for_approval=request.files.out is not None,
                accept_environment=request.accept_environment,
                rehearse=rehearse,
                options=options,
            )
        return plan(
            request.env,
            config=request.config,
            to=request.to or "heads",
            overrides=overrides,
            for_approval=request.files.out is not None,
            accept_environment=request.accept_environment,
            rehearse=rehearse,
            copy_data=request.copy_data,
            options=options,
        )


def _execute(request: Request) -> Result:
    from erm_alembic.cli.progress import progress
    from erm_alembic.migrate import apply, rollback

    wait = None if request.wait is None else wait_seconds(request.wait)
    options, overrides = _options(request), _overrides(request)
    with progress(verbose=request.verbose) as shown, console.stdout_reserved():
        if request.mode is Mode.rollback:
            return rollback(
                request.env,
                config=request.config,
                to=request.to,
                steps=request.steps or 1,
                approved=request.files.plan,
                wait=wait,
                allow_data_loss=request.allow_data_loss,
                overrides=overrides,
                accept_environment=request.accept_environment,
                rehearse=request.rehearse,
                progress=shown,
                options=options,
            )
        return apply(
            request.env,
            config=request.config,
            to=request.to or "heads",
            approved=request.files.plan,
            wait=wait,
            overrides=overrides,
            accept_environment=request.accept_environment,
            rehearse=request.rehearse,
            progress=shown,
            options=options,
        )


def _show(request: Request, plan: Plan, outcome: Outcome | None) -> None:
    if request.sql:
        from erm_alembic.render.sql import render_sql

        console.write_file(render_sql(plan, request.settings().execution.lock_timeout))
        return
    from erm_alembic.render.formats import render
    from erm_alembic.render.presentation import Typed

    typed = Typed(request.typed_again(plan), request.looked_again)
    settings = None if request.format in ("text", "json") else request.settings()
    how = presentation("migrate", settings, verbose=request.verbose, typed=typed)
    console.write(render(request.format, plan, plan.findings, outcome, how))


def _plan_exit_code(request: Request, plan: Plan) -> int:
    if plan.blocked:
        return 1
    return 3 if request.check and not plan.up_to_date else 0


def _run(request: Request) -> int:
    """Do what was asked, print the result, and return the exit code."""
    _check_combination(request)
    if request.only_plans:
        key = request.files.opened_key()
        plan = _plan(request)
        _show(request, plan, None)
        request.files.keep(plan, key)
        return _plan_exit_code(request, plan)
    result = _execute(request)
    interrupted = result.outcome.result == "interrupted"
    try:
        _show(request, result.plan, result.outcome)
    except (ErmError, BrokenPipeError):
        if not interrupted:  # by a terminal that was closed, and that nothing can be shown on any more
            raise
    if interrupted:
        return 128 + (result.outcome.signal_number or signal.SIGINT)
    return 0 if result.outcome.result in ("done", "nothing-to-do") else 1


def migrate(
    mode: Annotated[
        Mode, typer.Option("--mode", help="plan only shows; apply goes up; rollback goes down.")
    ] = Mode.apply,
    env: EnvironmentOption = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="REV",
            help="Where to stop: a revision, +2, branch@head. For a rollback what stays, or base. "
            "Default: all heads; one revision down.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", help="How many revisions to roll back. Default: 1.")
    ] = None,
    wait: WaitOption = None,
    check: Annotated[bool, typer.Option("--check", help="Only look: exit 3 when revisions would run.")] = False,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL script, values included; run nothing.")] = False,
    format_: MigrateFormatOption = "text",
    allow_data_loss: AllowDataLossOption = False,
    override: Annotated[
        list[str] | None,
        typer.Option("--override", metavar="RULE", help="Let this rule pass once; needs --reason."),
    ] = None,
    reason: ReasonOption = None,
    out: PlanOutOption = None,
    plan: PlanOption = None,
    approve_partial: ApprovePartialOption = None,
    sign_key: SignKeyOption = None,
    accept_environment: AcceptEnvironmentOption = False,
    rehearse: RehearseOption = None,
    copy_data: CopyDataOption = None,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Plan, apply or roll back the project's revisions.

    Exit codes: 0 done, nothing objects; 1 refused or failed; 2 bad usage or configuration; 3 with --check.
    """
    request = Request(
        mode=mode,
        env=env,
        config=config,
        to=to,
        steps=steps,
        wait=wait,
        check=check,
        sql=sql,
        format=format_,
        allow_data_loss=allow_data_loss,
        override=tuple(override or ()),
        reason=tuple(reason or ()),
        accept_environment=accept_environment,
        rehearse=rehearse,
        copy_data=tuple(copy_data or ()),
        x=tuple(x or ()),
        name=name,
        tag=tag,
        verbose=verbose,
        files=PlanFiles(out, plan, tuple(approve_partial or ()), sign_key),
    )
    code = _run(request)
    raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("migrate", epilog=EXAMPLES)(migrate)
