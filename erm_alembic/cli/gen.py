"""`erm gen`: a revision from the difference between the models and the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    ConfigOption,
    DryRunOption,
    EnvironmentOption,
    HeadOption,
    MessageOption,
    SectionOption,
    SqlScriptsOption,
    TagOption,
    VerboseOption,
    VersionPathOption,
    XOption,
)
from erm_alembic.cli.typed import completed, typed_options
from erm_alembic.errors import UsageError
from erm_alembic.render.safe import one_line

if TYPE_CHECKING:
    from erm_alembic.generate import GeneratedSql

__all__ = ["register"]

EXAMPLES = """\b
Examples:
  erm gen -m "add reviews"                 write the revision
  erm gen -m "add reviews" --dry-run       print it instead
  erm gen --diff                           list the differences, a line each
  erm gen --check                          exit 1 when the two disagree
  erm gen -m "add reviews" --sql           write a pair of SQL scripts
"""


def gen(
    message: MessageOption = None,
    env: EnvironmentOption = None,
    dry_run: DryRunOption = False,
    diff: Annotated[bool, typer.Option("--diff", help="List the differences; write nothing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 when there are differences; write nothing.")] = False,
    sql: SqlScriptsOption = False,
    head: HeadOption = None,
    version_path: VersionPathOption = None,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Write the revision that brings the database to the models, with its downgrade.

    The database of --env must stand at the heads of the revision files. With --sql the revision is a pair of SQL
    scripts; where there are no models, or they agree with the database, a pair to be filled in.

    Exit codes: 0 done; 1 refused, or models and revisions disagree (--check); 2 bad usage or configuration.
    """
    from erm_alembic.generate import generate, generate_sql
    from erm_alembic.revisions.project import AlembicOptions

    writes = not (dry_run or diff or check)
    if writes and not (message or "").strip():
        raise UsageError(
            "A revision needs a message.", effect="No revision was written.", cure='erm gen -m "add reviews"'
        )
    arguments: dict[str, Any] = {
        "message": (message or "models").strip(),
        "config": config,
        "head": head,
        "version_path": version_path,
        "write": writes,
        "options": AlembicOptions(x=tuple(x or ()), name=name, tag=tag),
    }
    if sql and not (diff or check):
        with console.stdout_reserved():
            pair = generate_sql(env, **arguments)
        _show_pair(pair, env, config)
        return
    with console.stdout_reserved():
        found = generate(env, **arguments)
    if not found.changes:
        console.note("Models and revisions agree: there is nothing to generate.")
        return
    if dry_run:
        console.write_file(found.source)
    elif found.path is None:
        console.write("".join(f"{one_line(change)}\n" for change in found.changes))
    else:
        console.write(f"{console.typed_path(found.path)}\n")
        console.note(f"Read it before you apply it: {_plan_command(env, config)} shows what it does.")
    if check:
        raise typer.Exit(1)


def _plan_command(env: str | None, config: Path | None) -> str:
    return completed("`erm migrate --mode plan`", typed_options(env, config))


def _show_pair(found: GeneratedSql, env: str | None, config: Path | None) -> None:
    """Tell where the scripts were written, or print them."""
    if found.pair is None:
        console.write_file(f"{found.up}\n-- The way back:\n\n{found.down}" if found.changes else "")
    else:
        for path in (found.pair.up, found.pair.down, found.pair.stub):
            console.write(f"{console.typed_path(path)}\n")
    if found.changes:
        console.note(f"Read them before you apply them: {_plan_command(env, config)} shows what they do.")
    elif found.pair is None:
        console.note("There is nothing to generate: no models, or they agree with the revisions.")
    else:
        console.note("Nothing was generated into them: no models, or they agree with the revisions. Write the SQL.")


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("gen", epilog=EXAMPLES)(gen)
