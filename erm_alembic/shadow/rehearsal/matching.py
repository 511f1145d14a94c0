"""Which statement of the plan a statement of the rehearsal is: a revision may send another number of them there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import PurePath

from erm_alembic.planning.model import Statement
from erm_alembic.shadow.rehearsal.told import SeenStatement

__all__ = ["with_observed"]

Key = tuple[str, int | None, str | None]
# Past this, sequences that differ are compared from their two ends only: a match in the middle costs the square.
MANY = 2_000


def with_observed(statements: Sequence[Statement], seen: Sequence[SeenStatement]) -> tuple[Statement, ...]:
    """The planned statements of a revision, each with what the rehearsal saw of the same text on the same line.

    Args:
        statements: as they were recorded.
        seen: as they were sent in the shadow.

    Example:
        >>> from erm_alembic.planning.rehearsal import Observed
        >>> planned = [Statement("SELECT 1", 1), Statement("DROP TABLE a", 2)]
        >>> seen = [SeenStatement("DROP TABLE a", 2, None, False, Observed(rows=0))]
        >>> [each.observed is None for each in with_observed(planned, seen)]
        [True, False]
    """
    planned = [_key(each.sql, each.line, each.path) for each in statements]
    sent = [_key(each.sql, each.line, each.file) for each in seen]
    found = {position: seen[other].observed for position, other in _pairs(planned, sent)}
    return tuple(replace(each, observed=found.get(position)) for position, each in enumerate(statements))


def _key(sql: str, line: int | None, path: str | None) -> Key:
    return sql, line, None if path is None else PurePath(path).name


def _pairs(planned: list[Key], sent: list[Key]) -> Iterator[tuple[int, int]]:
    """The positions of what is the same on both sides, both growing."""
    start = next(
        (i for i, (a, b) in enumerate(zip(planned, sent, strict=False)) if a != b), min(len(planned), len(sent))
    )
    yield from ((i, i) for i in range(start))
    rest, others = planned[start:], sent[start:]
    if not rest or not others:
        return
    if max(len(rest), len(others)) <= MANY:
        for block in SequenceMatcher(None, rest, others, autojunk=False).get_matching_blocks():
            yield from ((start + block.a + i, start + block.b + i) for i in range(block.size))
        return
    yield from ((len(planned) - 1 - i, len(sent) - 1 - i) for i in range(_alike(rest[::-1], others[::-1])))


def _alike(planned: list[Key], sent: list[Key]) -> int:
    """How many are the same from the beginning on."""
    pairs = enumerate(zip(planned, sent, strict=False))
    return next((position for position, (one, other) in pairs if one != other), min(len(planned), len(sent)))
