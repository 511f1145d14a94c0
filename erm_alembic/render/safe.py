"""Text that may be shown: names and messages of a database or a revision file must not steer a terminal.

A table can be called `"a\\x1b[2Jb"` and a revision's message can carry a newline: shown as they are, they
could hide a statement from a reviewer or forge a line of the plan; in the log of a workflow, a line could be
taken for a command. Everything that erm did not write itself passes through here.
"""

from __future__ import annotations

import unicodedata
from typing import Protocol

__all__ = ["Paint", "block", "clip", "no_command", "one_line", "plain"]

# Cc: control characters, Cf: invisible format characters (bidirectional overrides among them), Cs: lone
# surrogates, Zl and Zp: separators that some terminals treat as a new line.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# What a runner of GitHub's workflows takes for a command: the one at the start of a line, the other one anywhere.
_COMMAND, _OLD_COMMAND = "::", "##["

# Cf characters that words and emoji need, and that reorder nothing: zero-width joiner and non-joiner.
_HARMLESS = frozenset("\u200d\u200c")


class Paint(Protocol):
    """Gives a text its colour for a role: `good`, `bad`, `warn`, `dim` or `strong`."""

    def __call__(self, text: str, role: str) -> str:
        """Return the text with the role's colour around it."""


def plain(text: str, role: str) -> str:
    """The paint of files and pipes: no colour at all.

    Example:
        >>> plain("done", "good")
        'done'
    """
    return text


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def _is_hidden(character: str) -> bool:
    return character not in _HARMLESS and unicodedata.category(character) in _HIDDEN


def one_line(text: str) -> str:
    r"""The text on one line, with every character visible that could move the cursor.

    Example:
        >>> one_line("a\nb\x1b[31m")
        'a\\nb\\x1b[31m'
    """
    if not text.isprintable():  # it knows fewer characters than may be shown
        text = "".join(_escaped(character) if _is_hidden(character) else character for character in text)
    return text.replace(_OLD_COMMAND, "##\\x5b") if _OLD_COMMAND in text else text


def block(text: str) -> list[str]:
    r"""The lines of a text that may have several, each of them made visible like `one_line`.

    Example:
        >>> block("SELECT 1\r\nFROM\tt\x07")
        ['SELECT 1', 'FROM    t\\x07']
        >>> block("::error::made up")
        ['\\x3a:error::made up']
    """
    lines = text.replace("\r\n", "\n").split("\n")
    return [no_command(one_line(line.expandtabs(8)).rstrip()) for line in lines]


def no_command(line: str) -> str:
    """The line, with its first colon by its code where a runner of workflows would take it for a command.

    Args:
        line: one line, which may have colour.
    """
    return line.replace(":", "\\x3a", 1) if line.lstrip().startswith(_COMMAND) else line


def clip(text: str, width: int) -> str:
    """The text, cut to `width` characters with `...` at its end when it is longer.

    Example:
        >>> clip("CREATE TABLE orders", 12)
        'CREATE TA...'
    """
    return text if len(text) <= width else text[: width - 3].rstrip() + "..."
