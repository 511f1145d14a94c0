"""The oldest Alembic that erm works with: pip keeps to it, unless a project's own pin is installed afterwards."""

from __future__ import annotations

import re

from erm_alembic.errors import ProjectError

__all__ = ["OLDEST", "too_old"]

# The first whose plugins keep the ledger's schema out of autogenerate; those of 1.18 and 1.19 end every command.
OLDEST = "1.20.1"


def too_old(installed: str) -> ProjectError | None:
    """What is wrong with an Alembic that is too old; None of one that is not.

    Args:
        installed: its version.

    Example:
        >>> too_old("1.16.5").what
        'Alembic 1.16.5 is installed, and erm needs 1.20.1 or a newer one.'
        >>> too_old("1.20.1") is None, too_old("1.21.0.dev0") is None
        (True, True)
    """
    if _numbers(installed) >= _numbers(OLDEST):
        return None
    return ProjectError(
        f"Alembic {installed} is installed, and erm needs {OLDEST} or a newer one.",
        effect="Nothing was planned or run.",
        cure=f"Raise it where the project pins it, in requirements.txt or so: pip install 'alembic>={OLDEST},<2'",
    )


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: 1.20.1 of 1.20.1rc1."""
    begins = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, begins[0].split("."))) if begins else ()
