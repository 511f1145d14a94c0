"""The line by which a bot knows its own comment again: seen by nobody, and the first of the comment."""

from __future__ import annotations

import re

from erm_alembic.errors import UsageError

__all__ = ["begins_with", "marked", "marker"]

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


def marker(key: str) -> str:
    """The hidden line of a comment.

    Args:
        key: what the comment is about, where one pull request has several, such as the environment.

    Raises:
        UsageError: it could end the line, or hide something of the comment.

    Example:
        >>> marker("prod")
        '<!-- erm-comment: prod -->'
    """
    # Two hyphens would end the hidden line for some readers, and not for others.
    if not KEY.fullmatch(key) or "--" in key or key.endswith("-"):
        raise UsageError(
            f"{key!r} cannot tell one comment from another.",
            effect="Nothing was sent.",
            cure="Give --key letters, digits, dots, slashes, underscores and single hyphens: --key prod",
        )
    return f"<!-- erm-comment: {key} -->"


def marked(body: str, key: str) -> str:
    """A comment with its hidden line before it.

    Args:
        body: what is shown.
        key: what the comment is about.

    Example:
        >>> marked("Nothing is pending.", "prod")
        '<!-- erm-comment: prod -->\\nNothing is pending.'
    """
    return f"{marker(key)}\n{body}"


def begins_with(body: str, key: str) -> bool:
    """Whether a comment begins with the hidden line: one that quotes another comment only has it further down.

    Args:
        body: a comment, as the platform gives it.
        key: what it is about.
    """
    return body.lstrip("\ufeff\r\n ").startswith(marker(key))
