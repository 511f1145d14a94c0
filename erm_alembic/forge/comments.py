"""A comment of a bot on a pull request: there once, and brought up to date in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from erm_alembic.errors import ForgeError
from erm_alembic.forge.http import Uncertain
from erm_alembic.forge.marker import begins_with, marked
from erm_alembic.render.markdown.page import size

__all__ = ["Comment", "Forge", "Gone", "Posted", "ReadOnlyToken", "fitting", "put_comment"]

TRIES = 3
CUT = "\n\n*The rest is left out: the platform takes no longer comment.*\n"


class ReadOnlyToken(ForgeError):
    """The token may read and not write, as that of a pull request from a fork."""


class Gone(Exception):
    """A comment was deleted before it could be changed."""


@dataclass(frozen=True)
class Comment:
    """A comment on a pull request.

    Args:
        number: by which the platform knows it.
        body: its text.
        url: where people see it; empty where the platform does not say.
        author: who wrote it.
    """

    number: int
    body: str
    url: str
    author: str


@dataclass(frozen=True)
class Posted:
    """What became of a comment.

    Args:
        action: what was done; `summarised` where it stands in the summary of a job instead.
        url: where people see it.
    """

    action: Literal["created", "updated", "unchanged", "summarised"]
    url: str


class Forge(Protocol):
    """A pull request on a platform."""

    limit: int

    def comments(self) -> Iterator[Comment]:
        """Its comments, the oldest first."""

    def is_own(self, comment: Comment) -> bool:
        """Whether the token's own user wrote a comment."""

    def create(self, body: str) -> Comment:
        """Write a comment."""

    def update(self, comment: Comment, body: str) -> Comment:
        """Change a comment."""

    def remove(self, comment: Comment) -> None:
        """Delete a comment; one that is gone already is none."""

    def rest(self, why: str) -> None:
        """Wait a moment."""


def put_comment(forge: Forge, body: str, key: str | None = None) -> Posted:
    """Write a comment, or bring it up to date where it stands already.

    Somebody else's comment is left alone, whatever it begins with. Where a server fails before it has said whether it
    has written the comment, that is looked up. Of two that were written at once the older one stays.

    Args:
        forge: the pull request.
        body: what is shown; the end of what is too long is left out.
        key: which of several comments it is; None goes by the hidden line that a report begins with.

    Raises:
        ForgeError: the platform refuses, or cannot be reached.
    """
    whole, line = marked(body, key)
    text = fitting(whole, forge.limit)
    why = ""
    for tried in range(1, TRIES + 1):
        found = next(_own(forge, line), None)
        try:
            if found is None:
                return _alone(forge, line, forge.create(text), text)
            if _same(found.body, text):
                return Posted("unchanged", found.url)
            return Posted("updated", forge.update(found, text).url)
        except Gone:
            why = "the comment is deleted each time it is to be changed"
        except Uncertain as lost:
            why = lost.why
        if tried < TRIES:
            forge.rest(why)
    raise ForgeError(
        f"The comment could not be written: {why}.",
        effect="It is not known whether it is there.",
        cure="Run the command again later; it writes no second one.",
    )


def _own(forge: Forge, line: str) -> Iterator[Comment]:
    """The own comments with the hidden line, the oldest first."""
    return (each for each in forge.comments() if begins_with(each.body, line) and forge.is_own(each))


def _alone(forge: Forge, line: str, written: Comment, text: str) -> Posted:
    """Look whether another job has written one at the same time: each would update the older one for ever after."""
    first, *others = sorted(_own(forge, line), key=lambda each: each.number) or [written]
    if not others:
        return Posted("created", written.url)
    for each in others:
        forge.remove(each)
    return Posted("updated", forge.update(first, text).url)


def fitting(text: str, limit: int) -> str:
    """A text that is no longer than the platform takes, cut at the end of a line.

    Args:
        text: the text.
        limit: the most characters, as `size` counts them.

    Example:
        >>> fitting("one\\ntwo", 100)
        'one\\ntwo'
        >>> fitting("one\\n" + "two" * 100, 80).splitlines()[0]
        'one'
    """
    if size(text) <= limit:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (limit - size(CUT))].decode("utf-16-le", "ignore")
    return kept[: kept.rfind("\n") + 1].rstrip() + CUT


def _same(there: str, wanted: str) -> bool:
    """Whether a comment says the same already: platforms change the ends of lines, and the last one."""
    return there.replace("\r\n", "\n").rstrip() == wanted.replace("\r\n", "\n").rstrip()
