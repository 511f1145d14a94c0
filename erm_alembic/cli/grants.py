"""`erm grants`: the least SQL that a role needs for this project; it is printed, and never run."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    ConfigOption,
    EnvironmentOption,
    SectionOption,
    TagOption,
    VerboseOption,
    XOption,
)

if TYPE_CHECKING:
    from erm_alembic.granting import Purpose

__all__ = ["GrantsFormat", "PurposeName", "grants", "register"]

EXAMPLES = """\b
Examples:
  erm grants --env prod --role migrator
  erm grants --env prod --role migrator --format sql > migrator.sql
  erm grants --env prod --role migrator --check
  erm grants --env prod --role watcher --purpose plan --purpose observe
"""


class PurposeName(StrEnum):
    """What a role is to do."""

    migrate = "migrate"
    smoke = "smoke"
    plan = "plan"
    observe = "observe"
    backup = "backup"
    application = "application"


class GrantsFormat(StrEnum):
    """How the statements are printed."""

    text = "text"
    sql = "sql"
    json = "json"


def grants(
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="NAME", help="The role; it need not exist. Default: the one that logs in."),
    ] = None,
    env: EnvironmentOption = None,
    purpose: Annotated[
        list[PurposeName] | None,
        typer.Option(
            "--purpose",
            metavar="<migrate|smoke|plan|observe|backup|application>",
            help="What it is to do; repeat it for several. Default: migrate and smoke.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Print what is missing only; exit code 1 when something is.")
    ] = False,
    format_: Annotated[
        GrantsFormat, typer.Option("--format", help="How to print the result; sql is a script for an administrator.")
    ] = GrantsFormat.text,
    config: ConfigOption = None,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Print the least SQL that a role needs for this project. Nothing is run; the revisions are tried in a shadow."""
    from erm_alembic.granting import DEFAULT, least_grants
    from erm_alembic.render.grants import grants_json, grants_sql, grants_text
    from erm_alembic.revisions.project import AlembicOptions

    purposes = cast("list[Purpose]", [each.value for each in purpose or ()]) or list(DEFAULT)
    options = AlembicOptions(tuple(x or ()), name, tag)
    report = least_grants(role, env=env, purposes=purposes, config=config, options=options)
    if format_ is GrantsFormat.json:
        console.write(grants_json(report))
    elif format_ is GrantsFormat.sql:
        console.write(grants_sql(report, only_missing=check))
    else:
        console.write_prose(grants_text(report, paint=console.painter(sys.stdout), only_missing=check))
    if check and not report.complete:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("grants", epilog=EXAMPLES)(grants)
