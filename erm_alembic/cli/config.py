"""`erm config`: what is configured, where it came from, and whether the file is right."""

from __future__ import annotations

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import ConfigOption, EnvironmentOption, Format, FormatOption, VerboseOption
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
CHECK_EXAMPLES = """\b
Examples:
  erm config check
  erm --config deploy/erm.yaml config check
"""
SCHEMA_EXAMPLES = """\b
Examples:
  erm config schema > erm.schema.json
"""


@app.command("show", epilog=SHOW_EXAMPLES)
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


@app.command("check", epilog=CHECK_EXAMPLES)
def check(
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Report every problem of erm.yaml at once, each with its line."""
    from erm_alembic.config.loader import check_file

    path = check_file(config)
    console.write(f"{one_line(str(path))} is right.\n" if path else "There is no erm.yaml here or above.\n")


@app.command("schema", epilog=SCHEMA_EXAMPLES)
def schema(verbose: VerboseOption = False) -> None:
    """Print the JSON Schema of erm.yaml, which editors complete it by."""
    from erm_alembic.config.schema import shipped_schema

    console.write(shipped_schema())
