"""`erm status`: where a database stands."""

from __future__ import annotations

import sys

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
    typed_again,
)

__all__ = ["register", "status"]

EXAMPLES = """\b
Examples:
  erm status --env prod
  erm status --env prod --format json
"""


def status(
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    x: XOption = None,
    name: SectionOption = "alembic",
    tag: TagOption = None,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show where a database stands: current and head revisions, what is pending or half done, the last run."""
    from erm_alembic import inspection
    from erm_alembic.render.status import status_json, status_text

    with console.stdout_reserved():
        options = inspection.AlembicOptions(x=tuple(x or ()), name=name, tag=tag)
        facts = inspection.status(env, config=config, options=options)
    if format_ is Format.json:
        console.write(status_json(facts))
    else:
        console.write(
            status_text(facts, arguments=typed_again(config, x, name, tag), paint=console.painter(sys.stdout))
        )


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("status", epilog=EXAMPLES)(status)
