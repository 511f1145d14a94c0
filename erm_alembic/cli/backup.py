"""`erm backup`: take one, list them, look at one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    ConfigOption,
    EnvironmentOption,
    Format,
    FormatOption,
    SectionOption,
    TagOption,
    VerboseOption,
    XOption,
    refuse_options_before,
)
from erm_alembic.errors import UsageError

if TYPE_CHECKING:
    from erm_alembic.backup.progress import BackupProgress
    from erm_alembic.planning.request import Request

__all__ = ["app", "showing"]

EXAMPLES = """\b
Examples:
  erm backup --env prod
  erm backup --env prod --tables-at-risk     what the pending revisions lose
  erm backup --env prod --tables-at-risk --mode rollback --steps 2
  erm backup list --env prod
  erm backup verify latest --env prod --restored
"""

LIST_EXAMPLES = """\b
Examples:
  erm backup list --env prod
  erm backup list --env prod --format json
"""

VERIFY_EXAMPLES = """\b
Examples:
  erm backup verify latest --env prod
  erm backup verify 20260131T2359 --env prod --restored
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class RiskMode(StrEnum):
    """The runs that put data at risk."""

    apply = "apply"
    rollback = "rollback"


RestoredOption = Annotated[
    bool, typer.Option("--restored", help="Restore it into a scratch database too, and count its rows there.")
]


class Lines:
    """What happens, a line each, on stderr."""

    def note(self, message: str) -> None:
        """Print it."""
        console.note(message)

    def at(self, what: str, done: int, total: int) -> None:
        """Nothing: a log has no use for it."""


class OnTerminal:
    """A bar over the tables, with the one that is worked on."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.table import Column

        rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        columns = (
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", table_column=rest),
        )
        screen = Console(stderr=True)
        self.bar = Progress(*columns, console=screen, transient=True, redirect_stdout=False, expand=True)
        self._task = self.bar.add_task("", total=None, visible=False)

    def note(self, message: str) -> None:
        """Print it above the bar."""
        from rich.text import Text

        from erm_alembic.config.redaction import redact
        from erm_alembic.render.safe import one_line

        self.bar.console.print(Text(redact(one_line(message))), soft_wrap=True)

    def at(self, what: str, done: int, total: int) -> None:
        """Show it."""
        from rich.markup import escape

        from erm_alembic.render.safe import one_line

        self.bar.update(self._task, description=escape(one_line(what)), completed=done, total=total, visible=True)


@contextmanager
def showing(*, verbose: bool) -> Iterator[BackupProgress]:
    """Show on stderr what is going on, for as long as the block lasts.

    Args:
        verbose: plain lines, even on a terminal.

    Example:
        >>> with showing(verbose=True) as shown:
        ...     shown.at("public.users", 1, 2)
    """
    if verbose or not console.wants_bar(sys.stderr):
        yield Lines()
        return
    shown = OnTerminal()
    with shown.bar:
        yield shown


def _request(mode: RiskMode, to: str | None, steps: int | None) -> Request:
    """The revisions that put something at risk."""
    from erm_alembic.planning.request import Request

    if steps is not None and (mode is RiskMode.apply or steps < 1):
        raise UsageError(
            f"--steps {steps} counts revisions to roll back, from 1 upwards.",
            effect="No backup was taken.",
            cure="Add --mode rollback, or count again.",
        )
    return Request("upgrade", to or "heads") if mode is RiskMode.apply else Request("downgrade", to, steps or 1)


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def backup(
    context: typer.Context,
    env: EnvironmentOption = None,
    tables_at_risk: Annotated[
        bool,
        typer.Option("--tables-at-risk", help="Only the tables that the pending revisions may lose something of."),
    ] = False,
    mode: Annotated[
        RiskMode, typer.Option("--mode", help="With --tables-at-risk: what is to be run.")
    ] = RiskMode.apply,
    to: Annotated[
        str | None, typer.Option("--to", metavar="REV", help="With --tables-at-risk: how far. Default: as of migrate.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", help="How many revisions to roll back. Default: 1.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Restore it into a scratch database before it counts.")
    ] = False,
    format_: FormatOption = Format.text,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Take a backup, as the profile's section backup says; it counts once it is whole and has been read again."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context, "--env")
        return
    from erm_alembic.backup.commands import take
    from erm_alembic.render.backups import backup_json, backup_text
    from erm_alembic.revisions.project import AlembicOptions

    if not tables_at_risk and (mode is not RiskMode.apply or to is not None or steps is not None):
        raise UsageError(
            "--mode, --to and --steps say which tables are at risk, and all of them are backed up.",
            effect="No backup was taken.",
            cure="Add --tables-at-risk, or leave them out.",
        )
    with showing(verbose=verbose) as shown, console.stdout_reserved():
        taken = take(
            env,
            config=config,
            tables_at_risk=tables_at_risk,
            request=_request(mode, to, steps) if tables_at_risk else None,
            restored=verify,
            progress=shown,
            options=AlembicOptions(x=tuple(x or ()), name=name, tag=tag),
        )
    text = backup_json(taken) if format_ is Format.json else backup_text(taken, console.painter(sys.stdout))
    console.write(text)


@app.command("list", short_help="Show which backups there are.", epilog=LIST_EXAMPLES)
def list_(
    context: typer.Context,
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the backups of a profile: those that the ledger knows, and those in its folder, the newest first."""
    from erm_alembic.backup.commands import backups
    from erm_alembic.config.loader import load_settings
    from erm_alembic.render.backups import backups_json, backups_text

    chosen = env or _before(context)
    with console.stdout_reserved():
        found = backups(chosen, config=config)
        environment = load_settings(chosen, config).environment
    paint = console.painter(sys.stdout)
    console.write(backups_json(found) if format_ is Format.json else backups_text(found, environment, paint))


@app.command("verify", short_help="Look whether a backup is whole.", epilog=VERIFY_EXAMPLES)
def verify_(
    context: typer.Context,
    backup: Annotated[
        str, typer.Argument(metavar="BACKUP", help="Its id, the beginning of it, or latest. Default: latest.")
    ] = "latest",
    env: EnvironmentOption = None,
    restored: RestoredOption = False,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Look whether a backup is whole: its files are what they were, and can be read from one end to the other."""
    from erm_alembic.backup.commands import verify
    from erm_alembic.render.backups import backup_json, backup_text

    with showing(verbose=verbose) as shown, console.stdout_reserved():
        found = verify(env or _before(context), backup, config=config, restored=restored, progress=shown)
    if format_ is Format.json:
        console.write(backup_json(found))
    else:
        paint = console.painter(sys.stdout)
        console.write(backup_text(found, paint) + paint("It is whole.", "good") + "\n")


def _before(context: typer.Context) -> str | None:
    """`--env` as it was typed before the subcommand."""
    found = context.parent.params.get("env") if context.parent is not None else None
    return str(found) if found is not None else None
