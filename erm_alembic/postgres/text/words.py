"""A statement that is read from left to right, word by word: keywords taken, names folded, parentheses skipped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from erm_alembic.postgres.text.lexer import Token, tokens
from erm_alembic.postgres.text.passwords import without_passwords

__all__ = ["Words", "name_parts", "written_name"]

PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
DEPTH = {"(": 1, "[": 1, ")": -1, "]": -1}


class Words:
    """A statement's tokens, and how far they have been read.

    Args:
        tokens: the tokens of one statement, or of a part of one.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str:
        """The next token in upper case; empty at the end. A quoted name keeps its quotes, so that it is no keyword."""
        return self._tokens[self._at].text.upper() if self._at < len(self._tokens) else ""

    def take(self, *words: str) -> bool:
        """Read these keywords, all of them or none.

        Args:
            words: keywords or signs, in upper case.
        """
        there = tuple(token.text.upper() for token in self._tokens[self._at : self._at + len(words)])
        if there != words:
            return False
        self._at += len(words)
        return True

    def take_if_exists(self) -> None:
        """Read IF EXISTS or IF NOT EXISTS, where it stands there."""
        _ = self.take("IF", "EXISTS") or self.take("IF", "NOT", "EXISTS")

    def name(self) -> tuple[str, ...]:
        """Read a possibly qualified name, folded as the server folds it; empty when there is none."""
        parts = []
        while self._at < len(self._tokens) and self._tokens[self._at].kind in ("word", "quoted"):
            parts.append(self._tokens[self._at].name)
            self._at += 1
            if not self.take("."):
                break
        return tuple(parts)

    def string(self) -> str | None:
        """Read a string constant as it is written; None when there is none."""
        if self._at == len(self._tokens) or self._tokens[self._at].kind != "string":
            return None
        self._at += 1
        return self._tokens[self._at - 1].text

    def enclosed(self) -> Words | None:
        """Read what stands in parentheses, without them; None when nothing does."""
        if self.peek() != "(":
            return None
        depth, start = 0, self._at + 1
        while self._at < len(self._tokens):
            depth += DEPTH.get(self._tokens[self._at].text, 0)
            self._at += 1
            if depth == 0:
                return Words(self._tokens[start : self._at - 1])
        return Words(self._tokens[start:])

    def skip_to(self, *words: str) -> bool:
        """Read on to the first of these keywords that stands outside of all parentheses, and past it.

        Args:
            words: keywords, in upper case.

        Returns:
            Whether there is one; where there is none, nothing is read.
        """
        depth = 0
        for place in range(self._at, len(self._tokens)):
            token = self._tokens[place]
            if depth == 0 and token.says(*words):
                self._at = place + 1
                return True
            depth += DEPTH.get(token.text, 0)
        return False

    def was(self, word: str) -> bool:
        """Whether the token that was read last is this keyword.

        Args:
            word: a keyword, in upper case.
        """
        return self._at > 0 and self._tokens[self._at - 1].says(word)

    def ends_with(self, *words: str) -> bool:
        """Whether these keywords stand at the end.

        Args:
            words: keywords, in upper case.
        """
        return tuple(token.text.upper() for token in self._tokens[-len(words) :]) == words

    def parts(self) -> list[Words]:
        """What is left, split at the commas that stand outside of parentheses."""
        parts: list[list[Token]] = [[]]
        depth = 0
        for token in self._tokens[self._at :]:
            depth += DEPTH.get(token.text, 0)
            if token.text == "," and depth == 0:
                parts.append([])
            else:
                parts[-1].append(token)
        return [Words(part) for part in parts if part]

    def says_anywhere(self, *words: str) -> bool:
        """Whether one of these keywords stands anywhere in the statement.

        Args:
            words: keywords, in upper case.
        """
        return any(token.says(*words) for token in self._tokens)

    def rest(self, text: str) -> str:
        """The statement's own text from here on.

        Args:
            text: the text that the tokens are of.
        """
        last = self._tokens[-1]
        return text[self._tokens[self._at].start : last.start + len(last.text)]

    def beginning(self) -> str:
        """Its first words, to show which statement it is."""
        return without_passwords(" ".join(token.text for token in self._tokens[:6]))


def name_parts(name: str) -> tuple[str, ...]:
    """The identifiers of a name with dots, folded as the server folds them.

    Args:
        name: the name, its parts quoted where they must be.

    Example:
        >>> name_parts('public."Odd.Name".id')
        ('public', 'Odd.Name', 'id')
    """
    return Words(list(tokens(name))).name()


def written_name(parts: Iterable[str]) -> str:
    """A name with dots that `name_parts` reads again: its parts are quoted where they would be folded or cut.

    Args:
        parts: the identifiers.

    Example:
        >>> written_name(["public", "Odd.Name"])
        'public."Odd.Name"'
    """
    return ".".join(part if PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in parts)
