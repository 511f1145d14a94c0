"""`erm release`: the playbook as one run that can go on where it was stopped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    AcceptEnvironmentOption,
    ConfigOption,
    DryRunOption,
    EnvironmentOption,
    Format,
    FormatOption,
    ReasonOption,
    RehearseOption,
    SectionOption,
    TagOption,
    VerboseOption,
    WaitOption,
    XOption,
    refuse_options_before,
    typed_again,
)
from erm_alembic.cli.plan_files import PlanOption
from erm_alembic.cli.release_options import (
    ObserveForOption,
    OnFailureOption,
    OverrideOption,
    ReleaseMode,
    ReleaseReportOption,
    SkipOption,
    release_request,
)

if TYPE_CHECKING:
    from erm_alembic.execute.progress import Progress
    from erm_alembic.release.api import Known, Result
    from erm_alembic.release.request import ReleaseRequest

__all__ = ["app"]

app = typer.Typer(
    help="Release what is pending: models, plan, backup, apply, replicas, smoke, observe, promote, report.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _example(*commands: str) -> str:
    lines = "".join(f"  {command}\n" for command in commands)
    return f"\b\nExample{'s' if len(commands) > 1 else ''}:\n{lines}"


@app.callback(
    epilog=_example(
        "erm release --env prod --dry-run",
        "erm release --env prod --plan plan.json --observe-for 2d",
        "erm release --env prod --on-failure rollback",
        'erm release --env prod --skip smoke --reason "no traffic yet"',
    )
)
def release(
    context: typer.Context,
    mode: Annotated[
        ReleaseMode, typer.Option("--mode", help="plan only shows what each stage would do.")
    ] = ReleaseMode.apply,
    dry_run: DryRunOption = False,
    env: EnvironmentOption = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="REV", help="The revision to reach. Default: all heads.")
    ] = None,
    plan: PlanOption = None,
    skip: SkipOption = None,
    override: OverrideOption = None,
    reason: ReasonOption = None,
    observe_for: ObserveForOption = None,
    on_failure: OnFailureOption = None,
    wait: WaitOption = None,
    rehearse: RehearseOption = None,
    accept_environment: AcceptEnvironmentOption = False,
    report: ReleaseReportOption = None,
    format_: FormatOption = Format.text,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Release what is pending, stage by stage; each is in the ledger, and `erm release resume` goes on where one ended.

    Exit codes: 0 done; 1 a stage failed, or nothing could be begun; 2 bad usage; 130 and 143 after a signal.
    """
    if context.invoked_subcommand is not None:
        refuse_options_before(context)
        return
    from erm_alembic.release import api

    request = release_request(
        to=to,
        plan=plan,
        override=override,
        skip=skip,
        reason=reason,
        observe_for=observe_for,
        on_failure=on_failure,
        wait=wait,
        rehearse=rehearse,
        accept_environment=accept_environment,
        report=report,
        x=x,
        name=name,
        tag=tag,
        config=config,
    )
    if dry_run or mode is ReleaseMode.plan:
        _show_preview(env, config, format_, request)
        return
    _run(format_, request.typed, verbose, lambda shown: api.release(env, request, config=config, progress=shown))


@app.command(
    short_help="Go on with a release that was stopped, interrupted or killed.",
    epilog=_example("erm release resume --env prod", "erm release resume --env prod --observe-for 1h"),
)
def resume(
    env: EnvironmentOption = None,
    plan: PlanOption = None,
    skip: SkipOption = None,
    reason: ReasonOption = None,
    observe_for: ObserveForOption = None,
    on_failure: OnFailureOption = None,
    wait: WaitOption = None,
    report: ReleaseReportOption = None,
    format_: FormatOption = Format.text,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Go on at the stage that had not ended, if plan, revision files and configuration are what they were."""
    from erm_alembic.release import api

    request = release_request(
        plan=plan,
        skip=skip,
        reason=reason,
        observe_for=observe_for,
        on_failure=on_failure,
        wait=wait,
        report=report,
        x=x,
        name=name,
        tag=tag,
        config=config,
    )
    _run(format_, request.typed, verbose, lambda shown: api.resume(env, request, config=config, progress=shown))


@app.command(
    short_help="End a release that is not gone on with.",
    epilog=_example('erm release abandon --env prod --reason "goes out with the next one"'),
)
def abandon(
    env: EnvironmentOption = None,
    reason: ReasonOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """End a release where it is; nothing of what it did is taken back."""
    from erm_alembic.release import api

    api.abandon(env, "; ".join(reason or ()), config=config)
    _show_latest(api.releases(env, config=config, limit=1), format_, typed_again(config, None, "alembic", None))


@app.command(short_help="Show the last release, and what may follow.", epilog=_example("erm release status --env prod"))
def status(
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the last release of a database: its stages, how each ended, and the commands that may follow."""
    from erm_alembic.release import api

    _show_latest(api.releases(env, config=config, limit=1), format_, typed_again(config, None, "alembic", None))


@app.command("list", short_help="List the releases of a database.", epilog=_example("erm release list --env prod"))
def list_(
    env: EnvironmentOption = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only so many, the latest.")] = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """List the releases of a database, the latest first."""
    from erm_alembic.release import api
    from erm_alembic.render.releases import releases_json, releases_text

    known = api.releases(env, config=config, limit=limit)
    if format_ is Format.json:
        console.write(releases_json(known.releases, known.database_url, known.holder))
    else:
        console.write(releases_text(known.releases, known.holder, paint=console.painter(sys.stdout)))


def _run(format_: Format, typed: tuple[str, ...], verbose: bool, run: Callable[[Progress], Result]) -> None:
    """Run a release, show how it stands, and exit with the code that says it."""
    from erm_alembic.cli.progress import progress
    from erm_alembic.render.releases import release_json, release_text, state_of

    with progress(verbose=verbose) as shown, console.stdout_reserved():
        result = run(shown)
    record, state = result.record, state_of(result.record)
    if format_ is Format.json:
        console.write(release_json(record, result.database_url, state, files=result.files, typed=typed))
    else:
        paint = console.painter(sys.stdout)
        console.write_prose(release_text(record, state, files=result.files, typed=typed, paint=paint))
    if result.unwritten is not None:
        console.print_error(result.unwritten, verbose=verbose)
    if result.signal_number is not None:
        raise typer.Exit(128 + result.signal_number)
    if state != "done":
        raise typer.Exit(1)


def _show_preview(env: str | None, config: Path | None, format_: Format, request: ReleaseRequest) -> None:
    from erm_alembic.release import api
    from erm_alembic.render.releases import preview_json, preview_text

    with console.stdout_reserved():
        environment, stages = api.preview(env, request, config=config)
    if format_ is Format.json:
        console.write(preview_json(stages, environment))
    else:
        console.write(preview_text(stages, paint=console.painter(sys.stdout)))


def _show_latest(known: Known, format_: Format, typed: tuple[str, ...]) -> None:
    from erm_alembic.render.json import result_document
    from erm_alembic.render.releases import release_json, release_text, releases_text, state_of

    if not known.releases:
        empty = result_document({"release": None}) if format_ is Format.json else releases_text((), None)
        console.write(empty)
        return
    (record,) = known.releases
    state = state_of(record, known.holder)
    if format_ is Format.json:
        console.write(release_json(record, known.database_url, state, typed=typed))
    else:
        console.write_prose(release_text(record, state, typed=typed, paint=console.painter(sys.stdout)))
