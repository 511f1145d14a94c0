"""The summary that GitHub shows of a job: what is written for people where nothing can be written on a pull request."""

from __future__ import annotations

import os
from pathlib import Path

from erm_alembic.errors import ErmError

__all__ = ["in_summary", "summarise"]

# What GitHub shows of a step's summary, in bytes; a character has four at most.
LARGEST_SUMMARY = 1024 * 1024


def summarise(text: str) -> bool:
    """Add the text to the summary that GitHub shows of a job's step; False where there is none.

    Args:
        text: Markdown; the end of what is longer than GitHub shows is left out.

    Raises:
        ErmError: it cannot be written.
    """
    from erm_alembic.forge.comments import fitting

    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return False
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(fitting(text, LARGEST_SUMMARY // 4) + "\n")
    except OSError as error:
        raise ErmError(
            f"The summary of the job cannot be written: {error.strerror}.",
            effect="Nothing was sent.",
            cure="Check GITHUB_STEP_SUMMARY.",
        ) from None
    return True


def in_summary(line: str) -> bool:
    """Whether a line stands in the summary of the job's step already.

    Args:
        line: the line, such as the hidden one that a report begins with.
    """
    try:
        text = Path(os.environ.get("GITHUB_STEP_SUMMARY", "")).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return line in text.splitlines()
