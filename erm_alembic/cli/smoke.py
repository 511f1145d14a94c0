"""`erm smoke`: tests on a database in use, in transactions that are rolled back."""

from __future__ import annotations

import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import ConfigOption, EnvironmentOption, Format, FormatOption, VerboseOption
from erm_alembic.errors import UsageError

__all__ = ["limit", "register", "smoke"]

EXAMPLES = """\b
Examples:
  erm smoke --env prod
  erm smoke --env prod tests/smoke/test_orders.py -k totals
  erm smoke --env prod --on reporting-east --format json
"""


def limit(option: str, text: str | None) -> timedelta | None:
    """How long something may take.

    Args:
        option: the option that says so.
        text: a duration; None where it was not given.

    Raises:
        UsageError: it is no duration, or nothing.

    Example:
        >>> limit("--timeout", "1m"), limit("--timeout", None)
        (datetime.timedelta(seconds=60), None)
    """
    from erm_alembic.config.durations import parse_duration

    if text is None:
        return None
    try:
        found = parse_duration(text)
        if not timedelta(0) < found < timedelta(days=24):
            raise ValueError(f"{text} is no limit; it is longer than nothing, and shorter than 24 days")
    except ValueError as error:
        raise UsageError(
            f"{option}: {error}.", effect="No test was run.", cure=f"Write it as in: {option} 15s"
        ) from None
    return found


def smoke(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]...", help="Files, folders or ids of tests. Default: smoke.paths."),
    ] = None,
    env: EnvironmentOption = None,
    keyword: Annotated[
        str | None, typer.Option("-k", metavar="EXPRESSION", help="Only tests whose names match, as pytest has it.")
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="DURATION", help="How long each statement may run. Default: 15s."),
    ] = None,
    run_timeout: Annotated[
        str | None, typer.Option("--run-timeout", metavar="DURATION", help="How long all of it may take. Default: 10m.")
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", metavar="REPLICA", help="Run on this replica instead of the primary.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write pytest's report as JUnit XML there.")
    ] = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Run the tests marked erm_smoke on a database in use: they only read unless they say so, and are rolled back."""
    from erm_alembic.config.loader import load_settings
    from erm_alembic.testing.smoke.run import SmokeRequest, run_smoke_tests
    from erm_alembic.testing.smoke.words import pytest_line, smoke_json, smoke_text

    is_text = format_ is Format.text
    request = SmokeRequest(
        paths=tuple(paths or ()),
        keyword=keyword,
        timeout=limit("--timeout", timeout),
        run_timeout=limit("--run-timeout", run_timeout),
        replica=on,
        junit=None if junit is None else Path.cwd() / junit,
        verbose=verbose,
        colour=is_text and console.wants_colour(sys.stdout),
        width=shutil.get_terminal_size().columns,
    )

    def show(line: str) -> None:
        if is_text:
            console.write(f"{pytest_line(line, colour=request.colour)}\n")
        elif verbose:
            console.note(line)

    report = run_smoke_tests(load_settings(env, config), request, show)
    console.write(smoke_text(report, paint=console.painter(sys.stdout)) if is_text else smoke_json(report))
    if not report.passed:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("smoke", epilog=EXAMPLES)(smoke)
