"""`erm repair`: what is half done or damaged, and the ways out of it."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    AcceptEnvironmentOption,
    AllowDataLossOption,
    ConfigOption,
    EnvironmentOption,
    Format,
    FormatOption,
    ReasonOption,
    SectionOption,
    TagOption,
    VerboseOption,
    WaitOption,
    XOption,
    YesOption,
    typed_again,
    wait_seconds,
)
from erm_alembic.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from erm_alembic.planning.damages import Damage, Exit
    from erm_alembic.planning.reports import HalfDoneReport
    from erm_alembic.planning.ways import Action, Ways
    from erm_alembic.revisions.project import AlembicOptions

__all__ = ["register", "repair"]

EXAMPLES = """\b
Examples:
  erm repair --env prod                     what is half done; ways out
  erm repair 3f9a1c --resume --env prod     go on with it, as erm migrate does
  erm repair 3f9a1c --take-back --env prod  run its downgrade()
  erm repair 3f9a1c --mark-done --reason "built by hand" --env prod
  erm repair 3f9a1c --forget --reason "dropped by hand" --yes --env prod
  erm repair 3f9a1c --do restore-file --env prod   its file is gone
  erm repair 3f9a1c --do record --to 77aa01 --reason "wrong branch" --env prod
"""


def _action(resume: bool, mark_done: bool, take_back: bool, forget: bool) -> Action | None:
    """The one that was asked for; None only looks."""
    given: list[Action] = []
    given += ["resume"] if resume else []
    given += ["mark-done"] if mark_done else []
    given += ["take-back"] if take_back else []
    given += ["forget"] if forget else []
    if len(given) > 1:
        typed = " and ".join(f"--{action}" for action in given)
        raise UsageError(f"{typed}: only one way can be gone.", effect="Nothing was changed.", cure="Give one of them.")
    return given[0] if given else None


def _refuse_without_action(given: dict[str, bool]) -> None:
    """Refuse what has an effect on a repair only, when nothing is to be repaired."""
    for option, is_given in given.items():
        if is_given:
            raise UsageError(
                f"{option} has an effect on a repair only, and this command only looks.",
                effect="Nothing was changed.",
                cure="Say what to do: --resume, --mark-done, --take-back or --forget; of what is damaged, --do WAY.",
            )


def _one(report: HalfDoneReport) -> Ways | None:
    """The revision that is meant, to be shown before anything is done; None where the repair itself will object."""
    return report.revisions[0] if len(report.revisions) == 1 else None


def _confirm(ways: Ways, action: Action, environment: str) -> None:
    """Ask whether to go on.

    Raises:
        UsageError: there is nobody to ask.
        typer.Abort: the answer is no.
    """
    from erm_alembic.config.env_option import env_option
    from erm_alembic.render.safe import one_line

    if not sys.stdin.isatty():
        raise UsageError(
            f"erm repair --{action} asks first, and there is no terminal to answer.",
            effect="Nothing was changed.",
            cure=f"Look at what it would do (erm repair {ways.half_done.revision}{env_option(environment)}), "
            "then add --yes.",
        )
    question = f"--{action} of revision {one_line(ways.half_done.revision)} in {one_line(environment)}: do it?"
    typer.confirm(question, abort=True, err=True)


def repair(
    revision: Annotated[
        str | None,
        typer.Argument(metavar="REV", help="The revision, or what else is damaged, as shown. Default: the only one."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with it, as apply or rollback would.")] = False,
    mark_done: Annotated[
        bool, typer.Option("--mark-done", help="Record it as done by hand; nothing of it is sent. Needs --reason.")
    ] = False,
    take_back: Annotated[
        bool, typer.Option("--take-back", help="Run its downgrade() for what is done, and pass over the rest.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Only remove the ledger's notes of it. Needs --reason.")
    ] = False,
    do: Annotated[
        str | None, typer.Option("--do", metavar="WAY", help="Mend what is damaged in this way; erm repair names them.")
    ] = None,
    to: Annotated[
        list[str] | None, typer.Option("--to", metavar="REV", help="With --do record: what the database has.")
    ] = None,
    reason: ReasonOption = None,
    yes: YesOption = False,
    env: EnvironmentOption = None,
    wait: WaitOption = None,
    allow_data_loss: AllowDataLossOption = False,
    accept_environment: AcceptEnvironmentOption = False,
    format_: FormatOption = Format.text,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show what is half done or damaged, and go one of the ways out of it: each step is shown first.

    Without an action it only looks. Exit codes: 0 done, or only looked; 1 refused or failed; 2 bad usage.
    """
    from erm_alembic import mending, repairs
    from erm_alembic.cli.progress import progress
    from erm_alembic.migrate import AlembicOptions
    from erm_alembic.render.repair import repaired_json, repaired_text, report_json, report_text, way_text

    action = _action(resume, mark_done, take_back, forget)
    if do is not None:
        if action is not None or allow_data_loss:
            raise UsageError(
                "--do goes with none of the ways out of a half-done revision.",
                effect="Nothing was changed.",
                cure="Give one of them.",
            )
        _mend(
            do,
            revision,
            env,
            to,
            reason,
            yes,
            wait,
            accept_environment,
            format_,
            AlembicOptions(tuple(x or ()), name, tag),
            config,
        )
        return
    if action is None:
        _refuse_without_action(
            {
                "--to": bool(to),
                "--reason": bool(reason),
                "--yes": yes,
                "--wait": wait is not None,
                "--allow-data-loss": allow_data_loss,
                "--accept-environment": accept_environment,
            }
        )
    seconds = None if wait is None else wait_seconds(wait)
    options = AlembicOptions(x=tuple(x or ()), name=name, tag=tag)
    paint, again = console.painter(sys.stdout), typed_again(config, x, name, tag)
    damages: tuple[Damage, ...] = ()
    with console.stdout_reserved():
        if action is None:
            damages = mending.examine(env, config=config, options=options).damages
        named = tuple(each for each in damages if revision in (each.object, *each.also))
        report = repairs.half_done(env, None if named else revision, config=config, options=options)
    if action is None:
        shown = damages if revision is None else named
        if format_ is Format.json:
            console.write(report_json(report, shown))
        else:
            console.write(report_text(report, damages=shown, verbose=verbose, arguments=again, paint=paint))
        return
    ways = _one(report)
    if ways is not None and ways.way(action).closed is None:
        if format_ is Format.text:
            words = (report.environment, *again)
            console.write(way_text(ways, ways.way(action), words, verbose=verbose, paint=paint))
        if not yes:
            _confirm(ways, action, report.environment)
    with progress(verbose=verbose) as watched, console.stdout_reserved():
        repaired = repairs.repair(
            env,
            revision,
            action=action,
            reason="; ".join(reason) if reason else None,
            config=config,
            wait=seconds,
            allow_data_loss=allow_data_loss,
            accept_environment=accept_environment,
            progress=watched,
            options=options,
            shown=ways,
        )
    if format_ is Format.json:
        console.write(repaired_json(repaired))
    else:
        console.write("\n" + repaired_text(repaired, paint=paint))
    if repaired.outcome.result == "interrupted":
        raise typer.Exit(128 + (repaired.outcome.signal_number or signal.SIGINT))
    raise typer.Exit(0 if repaired.outcome.result == "done" else 1)


def _mend(
    way: str,
    what: str | None,
    env: str | None,
    to: list[str] | None,
    reason: list[str] | None,
    yes: bool,
    wait: str | None,
    accept_environment: bool,
    format_: Format,
    options: AlembicOptions,
    config: Path | None,
) -> None:
    """Show a damage with the way that was chosen, ask, and mend it."""
    from erm_alembic.config.loader import load_settings
    from erm_alembic.mending import mend
    from erm_alembic.render.repair import damage_text, mended_json, mended_text

    paint = console.painter(sys.stdout)
    environment = load_settings(env, config, require_url=False).environment

    def agree(damage: Damage, exit_: Exit) -> bool:
        if format_ is Format.text:
            console.note(damage_text(damage, exit_, environment))
        if yes:
            return True
        if not sys.stdin.isatty():
            raise UsageError(
                f"erm repair --do {way} asks first, and there is no terminal to answer.",
                effect="Nothing was changed.",
                cure="Look at what it would do (erm repair), then add --yes.",
            )
        return typer.confirm(f"--do {way} in {environment}: do it?", err=True)

    with console.stdout_reserved():
        mended = mend(
            env,
            way,
            what,
            to=tuple(to or ()),
            reason="; ".join(reason) if reason else None,
            agree=agree,
            wait=None if wait is None else wait_seconds(wait),
            accept_environment=accept_environment,
            tell=console.note,
            config=config,
            options=options,
        )
    if mended is None:
        raise typer.Abort
    console.write(mended_json(mended) if format_ is Format.json else mended_text(mended, paint))


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("repair", epilog=EXAMPLES)(repair)
