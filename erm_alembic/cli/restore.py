"""`erm restore`: a backup into a database of its own, or lost data of it back into the database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.backup import showing
from erm_alembic.cli.options import (
    ConfigOption,
    EnvironmentOption,
    Format,
    FormatOption,
    VerboseOption,
    WaitOption,
    YesOption,
    wait_seconds,
)
from erm_alembic.errors import UsageError

__all__ = ["register", "restore"]

EXAMPLES = """\b
Examples:
  erm restore --to latest --env prod          into a database of its own
  erm restore --to 20260131T2359 --into shop_before --env prod
  erm restore --to latest --lost --env prod   what a run lost: only shown
  erm restore --to latest --lost --yes --env prod
  erm restore --to latest --data public.users.email --env prod
"""


def _refuse_mixed(whole: dict[str, bool], data: dict[str, bool], putting_back: bool) -> None:
    """Refuse options of the other way, which would have no effect."""
    for option, given in (whole if putting_back else data).items():
        if given:
            other = "a whole restore" if putting_back else "putting data back (--lost, --data)"
            raise UsageError(
                f"{option} has an effect on {other} only.",
                effect="Nothing was changed.",
                cure="Leave it out, or restore in the other way.",
            )


def restore(
    to: Annotated[str, typer.Option("--to", metavar="BACKUP", help="The backup: its id, its beginning, or latest.")],
    into: Annotated[
        str | None,
        typer.Option("--into", metavar="NAME", help="The database that gets it. Default: a new one, named for it."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="A database of that name gives way, and is kept under another one.")
    ] = False,
    lost: Annotated[
        bool, typer.Option("--lost", help="Put back what the run that it guarded has lost: columns, rows.")
    ] = False,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="TABLE[.COLUMN]", help="Put this back. Several times for several of them."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --lost, --data: values that were written since give way.")
    ] = False,
    yes: YesOption = False,
    env: EnvironmentOption = None,
    wait: WaitOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Restore a backup into a database of its own, or put lost data of it back, a row by its primary key.

    Data is put back in one transaction, under the deploy lock; without --yes it is only shown what would be done.
    """
    names, putting_back = tuple(data or ()), bool(lost or data)
    _refuse_mixed(
        {"--into": into is not None, "--replace": replace},
        {"--overwrite": overwrite, "--yes": yes, "--wait": wait is not None},
        putting_back,
    )
    if putting_back:
        again = ("--to", to, *(("--lost",) if lost else ()), *(word for name in names for word in ("--data", name)))
        again += ("--overwrite",) if overwrite else ()
        again += () if config is None else ("--config", str(config))
        _put_back(to, names, lost, overwrite, yes, env, wait, format_, config, verbose, again)
        return
    from erm_alembic.backup.commands import restore as restore_whole
    from erm_alembic.config.loader import load_settings
    from erm_alembic.render.restored import restored_json, restored_text

    with showing(verbose=verbose) as shown, console.stdout_reserved():
        found = restore_whole(env, to, into=into, replace=replace, config=config, progress=shown)
        environment = load_settings(env, config).environment
    paint = console.painter(sys.stdout)
    console.write(restored_json(found) if format_ is Format.json else restored_text(found, environment, paint))


def _put_back(
    to: str,
    names: tuple[str, ...],
    lost: bool,
    overwrite: bool,
    yes: bool,
    env: str | None,
    wait: str | None,
    format_: Format,
    config: Path | None,
    verbose: bool,
    again: tuple[str, ...],
) -> None:
    from erm_alembic.backup.commands import put_back
    from erm_alembic.config.loader import load_settings
    from erm_alembic.render.restored import put_back_json, put_back_text

    seconds = None if wait is None else wait_seconds(wait)
    with showing(verbose=verbose) as shown, console.stdout_reserved():
        found = put_back(
            env,
            to,
            names=names,
            lost=lost,
            overwrite=overwrite,
            really=yes,
            wait=seconds,
            config=config,
            progress=shown,
        )
        environment = load_settings(env, config).environment
    paint = console.painter(sys.stdout)
    console.write(put_back_json(found) if format_ is Format.json else put_back_text(found, environment, again, paint))


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("restore", epilog=EXAMPLES)(restore)
