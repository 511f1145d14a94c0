"""Lines that are wider than a terminal, broken between words, so that the rest stands below where the text begins.

Only what is read is broken. A command stays on one line, since it is copied.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["fold", "width_of"]

COLOUR = re.compile(r"\x1b\[[\d;]*m")
# What is copied: a command, alone or behind what it is for.
COMMAND = re.compile(r"(?:^|: |  ) *erm [a-z]")
# What stands before a text whose further lines stand below it.
LABEL = re.compile(
    r"\s*(?:(?:help|note|error|effect|cure|expected|found|overridden):\s+|[A-Z][a-z]+ {2,}|\d+\.? {1,2}|- {2})?"
)
# A word; what stands in backticks is one, unless it is long, and so is a number with its unit.
WORD = re.compile(r"`[^`\s]*(?: [^`\s]+){0,6}`\S*|\d[\d.,]* (?:ms|s|min|kB|MB|GB)\b\S*|\S+")
# What is wrong and where, above the words on it: further in than they are.
HEAD = re.compile(r" {2}(?=(?:error|warning|info) )")
NARROWEST, FURTHER = 20, 4


def fold(text: str, columns: int) -> str:
    """The text with no line wider than a terminal, as far as that can be had between words.

    Args:
        text: several lines, with colours or without.
        columns: how wide the terminal is.

    Example:
        >>> print(fold("  help: Use `concurrently` to avoid that others wait.", 34))
          help: Use `concurrently` to
                avoid that others wait.
    """
    return "\n".join(part for line in text.split("\n") for part in _folded(line, columns))


def width_of(text: str) -> int:
    """How many columns a text takes.

    Args:
        text: one line, with colours or without.

    Example:
        >>> width_of("\\x1b[1mab\\x1b[0m"), width_of("日本")
        (2, 4)
    """
    shown = COLOUR.sub("", text)
    return len(shown) if shown.isascii() else sum(map(_columns, shown))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or character in "\u200d\u200c":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _folded(line: str, columns: int) -> Iterator[str]:
    shown = COLOUR.sub("", line)
    if width_of(line) <= columns or COMMAND.search(shown):
        yield line
        return
    label, head = LABEL.match(shown), HEAD.match(shown)
    indent = head.end() + FURTHER if head is not None else label.end() if label is not None else 0
    if columns - indent < NARROWEST:
        indent = 0
    current, open_colour = "", ""
    for gap, word in _words(line):
        if current.strip() and width_of(current + gap + word) > columns:
            yield current + ("\x1b[0m" if open_colour else "")
            current = " " * indent + open_colour + word
        else:
            current += gap + word
        for code in COLOUR.findall(word):
            open_colour = "" if code == "\x1b[0m" else code
    yield current


def _words(line: str) -> Iterator[tuple[str, str]]:
    """The words, each with the spaces before it."""
    end = 0
    for found in WORD.finditer(line):
        yield line[end : found.start()], found[0]
        end = found.end()
