"""What a pipeline adds to a comment: which commit it is about, and that a plan could not be made."""

from __future__ import annotations

import re

from erm_alembic.forge.comments import fitting
from erm_alembic.planning.model import Plan
from erm_alembic.render.markdown.inert import code
from erm_alembic.render.markdown.marker import comment_marker
from erm_alembic.render.presentation import Presentation

__all__ = ["could_not_be_made", "of_commit"]

LINK = re.compile(r"https?://[\w.:/~%-]+", re.ASCII)


def of_commit(text: str, sha: str, limit: int) -> str:
    """A comment that says which commit it is about, so that nobody approves an older one by it.

    Args:
        text: the comment.
        sha: the commit; empty where it is not known.
        limit: the most characters of the whole.

    Example:
        >>> of_commit("Nothing is pending.\\n", "c0ffee0123456789", 100)
        'Nothing is pending.\\n\\nOf commit `c0ffee0123`.\\n'
    """
    if not sha:
        return text
    end = f"\n\nOf commit `{sha[:10]}`.\n"
    return fitting(text, limit - len(end)).rstrip("\n") + end


def could_not_be_made(environment: str, how: Presentation, job_url: str | None) -> str:
    """The comment in place of a plan that could not be made: what stood there is not true any more.

    Args:
        environment: the profile.
        how: where the project stands in its repository.
        job_url: where the log of the job is.

    Example:
        >>> print(could_not_be_made("prod", Presentation(), "https://ci.example/runs/7"), end="")
        <!-- erm-plan: prod -->
        ### Plan for `prod`: could not be made
        <BLANKLINE>
        The [log of the job](https://ci.example/runs/7) says why. What stood here before was about an earlier commit.
    """
    marker = comment_marker(Plan(environment, "", "", "upgrade", (), (), ()), how)
    log = f"[log of the job]({job_url})" if job_url and LINK.fullmatch(job_url) else "log of the job"
    says = f"The {log} says why. What stood here before was about an earlier commit."
    return f"{marker}\n### Plan for {code(environment)}: could not be made\n\n{says}\n"
