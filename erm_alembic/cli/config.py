"""`erm config`: what is configured, where it came from, and whether the file is right."""

from __future__ import annotations

from pathlib import Path

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import ConfigOption, EnvironmentOption, Format, FormatOption, VerboseOption
from erm_alembic.errors import ConfigurationError, ProjectError
from erm_alembic.render.safe import one_line

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show what is configured, and where it came from.",
)

SHOW_EXAMPLES = """\b
Examples:
  erm config show --env prod
  erm config show --env prod --format json
"""
SOURCES_EXAMPLES = """\b
Examples:
  erm config sources --env prod
  erm config sources --env prod --format json
"""
CHECK_EXAMPLES = """\b
Examples:
  erm config check
  erm --config deploy/erm.yaml config check
"""
SCHEMA_EXAMPLES = """\b
Examples:
  erm config schema > erm.schema.json
"""


@app.command("show", short_help="Show every setting and where it came from.", epilog=SHOW_EXAMPLES)
def show(
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show every setting in force and where it came from; secrets are hidden, and none is fetched."""
    from erm_alembic.config.loader import load_settings
    from erm_alembic.render.settings import settings_json, settings_text

    settings = load_settings(env, config, require_url=False)
    for line in settings.notes:
        console.note(line)
    console.write(settings_json(settings) if format_ is Format.json else settings_text(settings))


@app.command("sources", short_help="Open every secret, and show whose it is and how long.", epilog=SOURCES_EXAMPLES)
def sources(
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Open every address and login of an environment, and show where each comes from, whose it is and when it runs
    out; no database is asked, and no secret is shown.
    """
    from erm_alembic.config.loader import load_settings
    from erm_alembic.config.sources import open_sources
    from erm_alembic.render.sources import sources_json, sources_text

    settings = load_settings(env, config, require_url=False)
    for line in settings.notes:
        console.note(line)
    found = open_sources(settings)
    render = sources_json if format_ is Format.json else sources_text
    console.write(render(settings.environment, found))
    if any(source.problem is not None for source in found):
        raise typer.Exit(2)


@app.command("check", short_help="Report every problem of erm.yaml.", epilog=CHECK_EXAMPLES)
def check(
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Report every problem of erm.yaml at once, each with its line: also rules, files and revisions it misnames."""
    from erm_alembic.checks.rules import known_rules
    from erm_alembic.config.loader import check_file
    from erm_alembic.config.review import Surroundings
    from erm_alembic.drift.severity import known_kinds

    around = Surroundings(known_rules(), known_kinds(), _judge_exemption)
    path = check_file(config, around=around)
    console.write(f"{one_line(str(path))} is right.\n" if path else "There is no erm.yaml here or above.\n")


def _judge_exemption(root: Path, ini: Path | None, directory: Path | None, since: str) -> str | None:
    """What is wrong with `downgrades_since`; None where the project itself cannot be read, as others tell."""
    from erm_alembic.revisions.source.files import exempt_revisions, files_of, read_revision_files
    from erm_alembic.revisions.source.place import find_place

    try:
        place = find_place(root, ini=ini, directory=directory, elsewhere=Path.cwd())
        revisions = read_revision_files(files_of(place), root)
    except ProjectError:
        return None
    try:
        exempt_revisions(revisions, since)
    except ConfigurationError as error:
        return error.what.removeprefix("safety.downgrades_since: ").rstrip(".")
    return None


@app.command("schema", short_help="Print the JSON Schema of erm.yaml.", epilog=SCHEMA_EXAMPLES)
def schema(verbose: VerboseOption = False) -> None:
    """Print the JSON Schema of erm.yaml, which editors complete it by."""
    from erm_alembic.config.schema import shipped_schema

    console.write(shipped_schema())
