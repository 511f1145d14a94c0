"""The line by which a comment is found again, so that the next plan takes its place. Readers do not see it."""

from __future__ import annotations

import os.path
from pathlib import PurePath
from urllib.parse import quote

from erm_alembic.planning.model import Plan
from erm_alembic.render.presentation import Presentation

__all__ = ["comment_marker", "is_comment_of"]


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
        >>> comment_marker(None, Presentation("check"))
        '<!-- erm-check -->'
    """
    if plan is None:
        words = [f"erm-{how.command}"]
    else:
        words = [f"erm-{'rollback' if plan.direction == 'downgrade' else 'plan'}: {_word(plan.environment)}"]
    project, root = how.places.project, how.places.root
    if project is not None and root is not None and project != root:
        words.append(f"project={_word(PurePath(os.path.relpath(project, root)).as_posix())}")
    return f"<!-- {' '.join(words)} -->"


def is_comment_of(body: str, marker: str) -> bool:
    """Whether a comment is the one of a marker: it begins with it, and what it quotes makes no difference.

    Args:
        body: the comment's text, as the forge has it.
        marker: the marker.

    Example:
        >>> is_comment_of("<!-- erm-plan: prod -->\\r\\n### Plan", "<!-- erm-plan: prod -->")
        True
        >>> is_comment_of("Look: <!-- erm-plan: prod -->", "<!-- erm-plan: prod -->")
        False
    """
    first, *_ = body.splitlines() or [""]
    return first.strip() == marker


def _word(text: str) -> str:
    """A name that ends no comment and has no space."""
    shown = quote(text, safe="/", errors="backslashreplace")
    return shown.replace("--", "%2D%2D") if "--" in shown else shown
