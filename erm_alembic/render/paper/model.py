"""A page, before anybody has decided how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Paper", "Section", "Table"]

Role = Literal["good", "warn", "bad"]


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        head: what stands above its columns.
        rows: its rows; foreign text is made harmless where it is shown.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A section of a page; of its parts, those are shown that there are.

    Args:
        title: what it is about.
        prose: sentences, in which what stands between backticks is code.
        table: a table.
        items: a list.
        code: lines of commands or of SQL.
        language: what the lines of `code` are.
    """

    title: str
    prose: tuple[str, ...] = ()
    table: Table | None = None
    items: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    language: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not (self.prose or self.items or self.code or (self.table is not None and self.table.rows))


@dataclass(frozen=True)
class Paper:
    """A page.

    Args:
        title: what it is.
        verdict: the word on it, in a few words.
        role: good news or bad.
        facts: labels, each with what is to be known.
        sections: the rest; an empty one is not shown.
        more: what the verdict comes from, in a sentence.
    """

    title: str
    verdict: str
    role: Role
    facts: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = ()
    more: str = ""

    @property
    def shown(self) -> tuple[Section, ...]:
        """The sections that have something in them."""
        return tuple(each for each in self.sections if not each.is_empty)
