"""What `migrate`, `check` and `drift` tell a format of `--format`: the terminal, the repository, what was typed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from erm_alembic.cli import console
from erm_alembic.cli.repository import places_of
from erm_alembic.render.places import Places
from erm_alembic.render.presentation import Presentation, Typed

if TYPE_CHECKING:
    from erm_alembic.config.settings import Settings
    from erm_alembic.findings import Finding

__all__ = ["findings_report", "presentation"]


def presentation(
    command: str, settings: Settings | None = None, *, verbose: bool = False, typed: Typed | None = None
) -> Presentation:
    """How a report is shown on stdout.

    Args:
        command: the command that shows it.
        settings: what is in force; None for a format that names no files.
        verbose: whether `-v` was given.
        typed: what was typed and belongs into the next command too.
    """
    return Presentation(
        command,
        environment="" if settings is None or command != "drift" else settings.environment,
        verbose=verbose,
        typed=typed or Typed(),
        watched=sys.stdout.isatty() and sys.stderr.isatty(),
        paint=console.painter(sys.stdout),
        places=Places() if settings is None else places_of(settings),
    )


def findings_report(format_: str, command: str, findings: tuple[Finding, ...], settings: Settings) -> None:
    """Write findings by themselves in one of the formats that take them as they are.

    Args:
        format_: the format.
        command: the command that found them.
        findings: what it found.
        settings: what is in force.
    """
    from erm_alembic.render.formats import render

    console.write(render(format_, None, findings, None, presentation(command, settings)))
