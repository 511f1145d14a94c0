"""The line by which a bot knows its own comment again: seen by nobody, and the first of the comment.

A plan in Markdown begins with such a line already, one for each environment; other texts get one.
"""

from __future__ import annotations

import re

from erm_alembic.errors import UsageError

__all__ = ["begins_with", "marked", "marker"]

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
OF_A_REPORT = re.compile(r"<!-- erm-[a-z]+(?:: [^\s>]+)?(?: [a-z]+=[^\s>]+)* -->")


def marker(key: str) -> str:
    """The hidden line of a comment.

    Args:
        key: what the comment is about, where one pull request has several.

    Raises:
        UsageError: it could end the line, or hide something of the comment.

    Example:
        >>> marker("smoke")
        '<!-- erm-comment: smoke -->'
    """
    # Two hyphens would end the hidden line for some readers, and not for others.
    if not KEY.fullmatch(key) or "--" in key or key.endswith("-"):
        raise UsageError(
            f"{key!r} cannot tell one comment from another.",
            effect="Nothing was sent.",
            cure="Give --key letters, digits, dots, slashes, underscores and single hyphens: --key smoke",
        )
    return f"<!-- erm-comment: {key} -->"


def marked(body: str, key: str | None) -> tuple[str, str]:
    """A comment that begins with a hidden line, and that line.

    Args:
        body: what is shown; a report of erm has a line of its own.
        key: what the comment is about; None takes the report's own line, else `text`.

    Example:
        >>> marked("All is well.", "smoke")
        ('<!-- erm-comment: smoke -->\\nAll is well.', '<!-- erm-comment: smoke -->')
        >>> marked("<!-- erm-plan: prod -->\\nNothing is pending.", None)[1]
        '<!-- erm-plan: prod -->'
    """
    first = body.partition("\n")[0].strip()
    if key is None and OF_A_REPORT.fullmatch(first):
        return body, first
    line = marker(key or "text")
    return f"{line}\n{body}", line


def begins_with(body: str, line: str) -> bool:
    """Whether a comment begins with a hidden line: one that quotes another comment only has it further down.

    Args:
        body: a comment, as the platform gives it.
        line: the hidden line.
    """
    return body.lstrip("\ufeff\r\n ").partition("\n")[0].strip() == line
