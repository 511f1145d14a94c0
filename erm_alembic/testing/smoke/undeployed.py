"""Tests that fail because nothing was deployed where they ran: said in one line, which no traceback says."""

from __future__ import annotations

import contextlib
import sys

from erm_alembic.config.env_option import env_option
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ErmError
from erm_alembic.planning.standing import read_standing
from erm_alembic.revisions.project import find_project
from erm_alembic.target import Target

__all__ = ["nothing_deployed"]


def nothing_deployed(settings: Settings, target: Target) -> str | None:
    """What to say of a database that records no revision of the project; None of one that does, or where nobody knows.

    Args:
        settings: what is in force.
        target: where the tests ran.
    """
    # env.py says which table records them, and may print.
    with contextlib.suppress(ErmError), contextlib.redirect_stdout(sys.stderr), target.reported():
        standing = read_standing(target, find_project(settings))
        if standing.heads and not standing.current:
            deploy = f"erm migrate{env_option(settings.environment)}"
            return f"No revision is recorded on this database, so that its tables may be missing. To deploy: {deploy}"
    return None
