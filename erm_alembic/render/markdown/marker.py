"""The line by which a comment is found again, so that the next plan takes its place. Readers do not see it."""

from __future__ import annotations

import hashlib
import os.path
from pathlib import PurePath
from urllib.parse import quote

from erm_alembic.planning.model import Plan
from erm_alembic.render.presentation import Presentation

__all__ = ["comment_marker"]

LONG, SHORT = 100, 32


def comment_marker(plan: Plan | None, how: Presentation) -> str:
    """The first line of a comment: one for each environment of each project, and one for rollbacks.

    Args:
        plan: the plan that the comment is about; None for findings alone.
        how: how it is shown: the command, and where the project stands in its repository.

    Example:
        >>> comment_marker(Plan("prod", "", "15.18", "upgrade", (), (), ()), Presentation())
        '<!-- erm-plan: prod -->'
        >>> comment_marker(Plan("a --> b", "", "15.18", "downgrade", (), (), ()), Presentation())
        '<!-- erm-rollback: a%20%2D%2D%3E%20b -->'
        >>> comment_marker(None, Presentation("drift", "prod"))
        '<!-- erm-drift: prod -->'
        >>> comment_marker(None, Presentation("check"))
        '<!-- erm-check -->'
    """
    environment = how.environment if plan is None else plan.environment
    kind = how.command
    if plan is not None:
        kind = "rollback" if plan.direction == "downgrade" else "plan"
    words = [f"erm-{kind}: {_word(environment)}" if environment else f"erm-{kind}"]
    project, root = how.places.project, how.places.root
    if project is not None and root is not None and project != root:
        words.append(f"project={_word(PurePath(os.path.relpath(project, root)).as_posix())}")
    return f"<!-- {' '.join(words)} -->"


def _word(text: str) -> str:
    """A name that ends no comment, has no space, and is not as long as a page."""
    shown = quote(text, safe="/", errors="backslashreplace").replace("--", "%2D%2D")
    if len(shown) <= LONG:
        return shown
    return f"{shown[:SHORT]}.{hashlib.sha256(shown.encode()).hexdigest()[:SHORT]}"
