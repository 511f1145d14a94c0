"""`erm doctor`: whether a project, its database and its replicas are set up so that they will work."""

from __future__ import annotations

import logging
import sys

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import ConfigOption, EnvironmentOption, Format, FormatOption, VerboseOption
from erm_alembic.cli.signals import leave_at_next_signal

__all__ = ["doctor", "register"]

EXAMPLES = """\b
Examples:
  erm doctor --env prod
  erm doctor --env prod --format json
"""


def doctor(
    env: EnvironmentOption = None,
    format_: FormatOption = Format.text,
    config: ConfigOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Check secrets, roles, rights, replicas, slots, policies. Exit code 1 when something must be mended."""
    from erm_alembic.doctor.examination import examine
    from erm_alembic.opening import configured
    from erm_alembic.render.doctor import doctor_json, doctor_text

    if not verbose:
        # What the monitor logs of servers that it cannot reach is among the findings.
        logging.getLogger("erm_alembic.routing").setLevel(logging.CRITICAL)
    leave_at_next_signal()
    settings = configured(env, config)
    found = examine(settings)
    if format_ is Format.json:
        console.write(doctor_json(found))
    else:
        console.write_prose(doctor_text(found, paint=console.painter(sys.stdout)))
    if not found.healthy:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command to `erm`."""
    app.command("doctor", epilog=EXAMPLES)(doctor)
