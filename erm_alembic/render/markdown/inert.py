"""Foreign text in Markdown: shown as it is, and never a mention, a link, a reference, HTML, or an end of anything.

A forge looks for mentions, references and addresses in the finished page, so that no escape of Markdown or HTML keeps
`@everyone` from telling everyone. It looks in all text but code: whatever is more than plain words stands in code.
"""

from __future__ import annotations

import html
import re

from erm_alembic.render.safe import block, clip, one_line

__all__ = ["code", "fenced", "html_code", "prose"]

LONG = 300

# Words of letters, which nobody takes for more, and numbers.
_PLAIN = re.compile(r"[A-Za-z]+(?:[-'][A-Za-z]+)*|[0-9]+(?:[.,][0-9]+)*")
# What a forge may take for a commit although it is a word.
_COMMIT = re.compile(r"[A-Fa-f0-9]{7,40}")


def _fence(text: str, least: int) -> str:
    """A run of backticks that the text does not have."""
    return "`" * max([least - 1, *(len(run) for run in re.findall("`+", text))], default=0) + "`"


def code(text: str, width: int = LONG) -> str:
    r"""The text as code within a line, also within the cell of a table.

    Args:
        text: any text.
        width: how many characters of it to show.

    Example:
        >>> code("a`b"), code("@everyone"), code("")
        ('``a`b``', '`@everyone`', '`(empty)`')
        >>> code("a||b")
        '`a`&#124;&#124;`b`'
    """
    shown = clip(one_line(text), width) or "(empty)"
    # Within a table no escape of `|` is read alike by all: it stands outside, as a character reference.
    return "&#124;".join(_span(part) if part else "" for part in shown.split("|"))


def _span(text: str) -> str:
    fence = _fence(text, 1)
    # One space on each side is taken away again; a text of nothing but spaces keeps its own.
    apart = " " if text.strip(" ") and (text[0] in "` " or text[-1] in "` ") else ""
    return f"{fence}{apart}{text}{apart}{fence}"


def prose(text: str, width: int = 2000) -> str:
    """A sentence that may quote anything: plain words as they are, the rest as code.

    Args:
        text: the sentence; what stands between backticks is code already.
        width: how many characters of it to show.

    Example:
        >>> prose("Revision 3f9a1c drops public.orders, as @everyone knows: `erm history` (see #12).")
        'Revision `3f9a1c` drops `public.orders`, as `@everyone` knows: `erm history` (see `#12`).'
    """
    shown = clip(" ".join(line.strip() for line in block(text)), width)
    parts = shown.split("`")
    # An odd number of backticks is no quoting of ours.
    quoted = len(parts) % 2 == 1 and all(parts[1:-1])
    if not quoted:
        return _words(shown)
    return "".join(code(part, width) if number % 2 else _words(part) for number, part in enumerate(parts))


def _words(text: str) -> str:
    """The text word by word, with those that are more than words as code."""
    pieces: list[str] = []
    foreign: list[str] = []
    for word in text.split(" "):
        before, inner, after = _apart(" ".join([*foreign, word]))
        if not foreign and (not inner or (_PLAIN.fullmatch(inner) and not _COMMIT.fullmatch(inner))):
            pieces.append(word)
        elif inner.count("(") > inner.count(")") or inner.count('"') % 2:  # which go on in the words that follow
            foreign.append(word)
        else:
            pieces.append(f"{before}{code(inner, len(inner))}{after}")
            foreign.clear()
    if foreign:
        pieces.append(code(" ".join(foreign), len(text)))
    return " ".join(pieces)


def _apart(word: str) -> tuple[str, str, str]:
    """A word without the punctuation around it: what stands before it, it, and what stands behind it."""
    inner = word.lstrip("(")
    before = word[: len(word) - len(inner)]
    bare = inner.rstrip(").,;:")
    # Brackets that were opened within are its own.
    while bare.count("(") > bare.count(")") and len(bare) < len(inner):
        bare = inner[: len(bare) + 1]
    return before, bare, inner[len(bare) :]


def html_code(text: str, width: int = LONG) -> str:
    """The text as code in a line of HTML, such as the title of what is collapsed.

    Args:
        text: any text.
        width: how many characters of it to show.

    Example:
        >>> html_code("</summary>")
        '<code>&lt;/summary&gt;</code>'
    """
    return f"<code>{html.escape(clip(one_line(text), width)) or '(empty)'}</code>"


def fenced(lines: list[str], language: str = "") -> list[str]:
    """Lines as a block of code that none of them ends.

    Args:
        lines: the lines, without anything invisible in them.
        language: what to highlight.

    Example:
        >>> fenced(["```", "</details>"], "sql")
        ['````sql', '```', '</details>', '````']
    """
    fence = _fence("\n".join(lines), 3)
    return [f"{fence}{language}", *lines, fence]
