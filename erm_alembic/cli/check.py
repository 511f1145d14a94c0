"""`erm check`: what can be checked without a database, and one check by itself, fast enough for pre-commit.

Neither Alembic nor SQLAlchemy is imported on this way: the revision files are read as text.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import (
    CheckFormatOption,
    ConfigOption,
    EnvironmentOption,
    SectionOption,
    VerboseOption,
    refuse_options_before,
    refused,
)
from erm_alembic.cli.reports import findings_report

__all__ = ["app"]

EXAMPLES = """\b
Examples:
  erm check downgrades
  erm check downgrades migrations/versions/4f2a_orders.py
  erm check downgrades --format json
"""

ALL_EXAMPLES = """\b
Examples:
  erm check
  erm check --since 4f2a91c07d3e
  erm check --list
  erm check --format github                        in a workflow
"""

app = typer.Typer(name="check", rich_markup_mode=None)


@app.callback(invoke_without_command=True, epilog=ALL_EXAMPLES)
def check(
    context: typer.Context,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="REV", help="Leave out this revision and its ancestors. Default: check all."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the rules, and how loud each is here.")] = False,
    env: EnvironmentOption = None,
    format_: CheckFormatOption = "text",
    name: SectionOption = "alembic",
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Check the revision files and the configuration. No database is needed; exit code 1 when something is an error."""
    if context.invoked_subcommand is not None:
        refuse_options_before(context)
        return
    from erm_alembic.config.loader import load_settings

    if list_ and format_ not in ("text", "json"):
        raise refused(f"--list shows rules, and --format {format_} findings.", "Leave one out.", "Nothing was checked.")
    settings = load_settings(env, config, require_url=False)
    if list_:
        from erm_alembic.checks import CheckContext, verify_rules
        from erm_alembic.checks.listing import listed_rules
        from erm_alembic.render.project_check import rules_json, rules_text

        rules = listed_rules(settings.safety.rules)
        console.write(rules_json(rules) if format_ == "json" else rules_text(rules))
        verify_rules(settings.safety.rules, CheckContext(settings=settings))  # at last: the list is what cures it
        return
    from erm_alembic.checks.without_target import check_project
    from erm_alembic.findings import blocking
    from erm_alembic.render.project_check import project_check_json, project_check_text

    found = check_project(settings, since=since, section=name)
    if format_ == "json":
        console.write(project_check_json(found))
    elif format_ == "text":
        console.write(project_check_text(found, paint=console.painter(sys.stdout)))
    else:
        findings_report(format_, "check", found.findings, settings)
    if blocking(found.findings):
        raise typer.Exit(1)


@app.command("downgrades", epilog=EXAMPLES)
def downgrades(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Revision files or folders. Default: all of the project's."),
    ] = None,
    env: EnvironmentOption = None,
    format_: CheckFormatOption = "text",
    name: SectionOption = "alembic",
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Check that every revision can be rolled back. No database is needed; exit code 1 when one cannot."""
    from erm_alembic.checks.without_target import check_downgrades
    from erm_alembic.config.loader import load_settings
    from erm_alembic.findings import blocking
    from erm_alembic.render.check import check_json, check_text

    settings = load_settings(env, config, require_url=False)
    found = check_downgrades(settings, paths or (), name)
    if format_ == "json":
        console.write(check_json(found))
    elif format_ == "text":
        console.write(check_text(found, paint=console.painter(sys.stdout)))
    else:
        findings_report(format_, "check", found.findings, settings)
    if blocking(found.findings):
        raise typer.Exit(1)
