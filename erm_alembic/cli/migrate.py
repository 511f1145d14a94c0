"""`erm migrate`: plan, apply, roll back."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.completion import complete_revisions
from erm_alembic.cli.log_format import LogFormatOption
from erm_alembic.cli.migrate_request import Mode, Request, check_combination
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
    wait_seconds,
)
from erm_alembic.cli.plan_files import ApprovePartialOption, PlanFiles, PlanOption, PlanOutOption, SignKeyOption
from erm_alembic.cli.report_files import ReportFiles, ReportOption
from erm_alembic.cli.reports import presentation
from erm_alembic.errors import ErmError

if TYPE_CHECKING:
    from erm_alembic.migrate import AlembicOptions, Override, Result
    from erm_alembic.planning.model import Outcome, Plan
    from erm_alembic.render.presentation import Typed

__all__ = ["Mode", "Request", "migrate", "register"]

EXAMPLES = """\b
Examples:
  erm migrate --mode plan --env staging            what would be done
  erm migrate --mode plan --check --env prod       exit 3 when there is any
  erm migrate --mode plan --sql --env prod         the script a DBA would run
  erm migrate --mode plan --env prod --report plan.html
                                                   as a page, for a browser
  erm migrate --env prod --wait 5m                 do it; wait for others
  erm migrate --mode plan --env prod --out p.json  keep it, to be approved
  erm migrate --env prod --plan p.json             run it, if nothing changed
  erm migrate --mode rollback --check --env prod   what a rollback does
  erm migrate --mode rollback --steps 2 --env prod
"""


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
    # A script shows nothing of it.
    rehearse = False if request.sql and not request.reports.paths else request.rehearse
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

    settings = None if request.format in ("text", "json") else request.settings()
    how = presentation("migrate", settings, verbose=request.verbose, typed=_typed(request, plan))
    told = render(request.format, plan, plan.findings, outcome, how)
    if request.format == "text":
        console.write_prose(told, whole=request.verbose)
    else:
        console.write(told)


def _show_to_reader(request: Request, plan: Plan, outcome: Outcome | None) -> None:
    """Show it to whoever reads it: one who has read enough changes nothing of what was done, nor of its exit code."""
    with suppress(BrokenPipeError):
        _show(request, plan, outcome)


def _typed(request: Request, plan: Plan) -> Typed:
    from erm_alembic.render.presentation import Typed

    return Typed(request.typed_again(plan), request.looked_again)


def _report(request: Request, plan: Plan, outcome: Outcome | None) -> ErmError | None:
    """Write the reports; the error of one that could not be written is told after the result."""
    if not request.reports.paths:
        return None
    how = presentation("migrate", request.settings(), typed=_typed(request, plan))
    return request.reports.write(plan, outcome, how)


def _plan_exit_code(request: Request, plan: Plan) -> int:
    if plan.blocked:
        return 1
    return 3 if request.check and not plan.up_to_date else 0


def _run(request: Request) -> int:
    """Do what was asked, print the result, and return the exit code."""
    check_combination(request)
    if request.only_plans:
        key = request.files.opened_key()
        with request.reports.missing_on_error():
            plan = _plan(request)
        shown = request.files.shown(plan)
        try:
            _show_to_reader(request, shown, None)
        finally:  # whoever has no room for the result may want the files all the same
            unwritten = _report(request, shown, None)
        request.files.keep(plan, key)
        if unwritten is not None:
            raise unwritten
        return _plan_exit_code(request, plan)
    with request.reports.missing_on_error():
        result = _execute(request)
    interrupted = result.outcome.result == "interrupted"
    try:
        _show_to_reader(request, result.plan, result.outcome)
    except ErmError:
        if not interrupted:  # by a terminal that was closed, and that nothing can be shown on any more
            raise
    finally:
        unwritten = _report(request, result.plan, result.outcome)
    if unwritten is not None:
        console.print_error(unwritten, verbose=request.verbose)
    if interrupted:
        return 128 + (result.outcome.signal_number or signal.SIGINT)
    return 0 if result.outcome.result in ("done", "nothing-to-do") and unwritten is None else 1


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
            autocompletion=complete_revisions,
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
    report: ReportOption = None,
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
    log_format: LogFormatOption = None,
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
        reports=ReportFiles(tuple(report or ())),
    )
    code = _run(request)
    raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("migrate", epilog=EXAMPLES)(migrate)
