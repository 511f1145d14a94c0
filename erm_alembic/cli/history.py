"""`erm history`: what was run on a database; `erm history restore` writes a lost revision file back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    ConfigOption,
    EnvironmentOption,
    Format,
    FormatOption,
    VerboseOption,
    out_option,
    refuse_options_before,
)
from erm_alembic.errors import UsageError
from erm_alembic.render.safe import one_line

__all__ = ["app"]

RESTORE_EXAMPLES = """\b
Examples:
  erm history restore 3f9a1c --env prod
  erm history restore 3f9a1c --env prod --out /tmp/3f9a1c.py
"""

EXAMPLES = """\b
Examples:
  erm history --env prod --limit 5
  erm history --env prod --limit 1 -v     with what hooks said
  erm history --env prod --format json > runs.json
  erm history restore 3f9a1c --env prod
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def history(
    context: typer.Context,
    env: EnvironmentOption = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", help="Only the newest N runs, and the newest N of smoke tests since. Default: all."
        ),
    ] = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show the runs that the ledger has of a database: who, when, which revisions, how they ended."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context, "--env")
        return
    if limit is not None and limit < 1:
        raise UsageError(
            f"--limit {limit} shows nothing.", effect="Nothing was read.", cure="Give a number from 1 upwards."
        )
    from erm_alembic import inspection
    from erm_alembic.render.runs import history_json, history_text

    with console.stdout_reserved():
        found = inspection.full_history(env, config=config, limit=limit)
    if format_ is Format.json:
        console.write(history_json(found))
    else:
        console.write(history_text(found, verbose=verbose, paint=console.painter(sys.stdout)))


@app.command("restore", short_help="Write a lost revision file back.", epilog=RESTORE_EXAMPLES)
def restore(
    context: typer.Context,
    revision: Annotated[str, typer.Argument(metavar="REV", help="The revision whose file is lost.")],
    env: EnvironmentOption = None,
    out: Annotated[Path | None, out_option("Where to write it. Default: where it was.")] = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Write a lost revision file back, as it was when applied; an existing file is never overwritten."""
    from erm_alembic import inspection

    before = context.parent.params.get("env") if context.parent is not None else None
    with console.stdout_reserved():
        path = inspection.restore(env or before, revision, config=config, out=out)
    console.write(f"Wrote {one_line(str(path))}\n")
