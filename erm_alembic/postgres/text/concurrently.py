"""What a statement that works concurrently is about: the one table and index that it names, as it names them."""

from __future__ import annotations

from dataclasses import dataclass

from erm_alembic.postgres.text.lexer import Token, split_statements
from erm_alembic.postgres.text.nature import WHOLE

__all__ = ["ConcurrentIndex", "Detached", "Rebuilt", "concurrent_index", "detached", "rebuilt"]


@dataclass(frozen=True)
class ConcurrentIndex:
    """What a CREATE INDEX CONCURRENTLY names.

    Args:
        index: the index's name as the server folds it; None when the server chooses it.
        table: the table as the statement names it.
    """

    index: str | None
    table: str


@dataclass(frozen=True)
class Rebuilt:
    """What a REINDEX names.

    Args:
        kind: `INDEX`, `TABLE`, `SCHEMA`, `DATABASE` or `SYSTEM`.
        name: it, as the statement names it; empty where it names none.
    """

    kind: str
    name: str


@dataclass(frozen=True)
class Detached:
    """What a DETACH PARTITION names, as the statement names it.

    Args:
        parent: the partitioned table.
        partition: the partition.
    """

    parent: str
    partition: str


def concurrent_index(sql: str) -> ConcurrentIndex | None:
    """What a CREATE INDEX CONCURRENTLY names; None when the text is none, or cannot be read.

    Example:
        >>> concurrent_index('CREATE INDEX CONCURRENTLY IF NOT EXISTS "I" ON ONLY s.t USING gin (a)')
        ConcurrentIndex(index='I', table='s.t')
    """
    words = _only(sql, "CREATE")
    after = [position for position, token in enumerate(words) if token.says("CONCURRENTLY")]
    if not after:
        return None
    rest = words[after[0] + 1 :]
    if len(rest) > 2 and rest[0].says("IF"):
        rest = rest[3:]
    named = None if not rest or rest[0].says("ON") else rest.pop(0)
    if not rest or not rest.pop(0).says("ON"):
        return None
    table = _dotted(_without(rest, "ONLY"))
    return ConcurrentIndex(None if named is None else named.name, table) if table else None


def rebuilt(sql: str) -> Rebuilt | None:
    """What a REINDEX names; None when the text is none, or cannot be read.

    Example:
        >>> rebuilt("REINDEX (VERBOSE) TABLE CONCURRENTLY s.t"), rebuilt("REINDEX DATABASE")
        (Rebuilt(kind='TABLE', name='s.t'), Rebuilt(kind='DATABASE', name=''))
    """
    words = _only(sql, "REINDEX")
    closed = [position for position, token in enumerate(words) if token.text == ")"]
    rest = words[closed[0] + 1 :] if closed and words[1].text == "(" else words[1:]
    if not rest or not rest[0].says("INDEX", "TABLE", *WHOLE):
        return None
    return Rebuilt(rest[0].text.upper(), _dotted(_without(rest[1:], "CONCURRENTLY")))


def detached(sql: str) -> Detached | None:
    """What a DETACH PARTITION names; None when the text is none, or cannot be read.

    Example:
        >>> detached("ALTER TABLE IF EXISTS s.p DETACH PARTITION p1 CONCURRENTLY")
        Detached(parent='s.p', partition='p1')
    """
    words = _only(sql, "ALTER")
    after = [position for position, token in enumerate(words) if token.says("DETACH")]
    if not after or len(words) < 3:
        return None
    rest = words[2:]
    if rest[0].says("IF"):
        rest = rest[2:]
    parent, partition = _dotted(_without(rest, "ONLY")), _dotted(words[after[0] + 2 :])
    return Detached(parent, partition) if parent and partition else None


def _only(sql: str, keyword: str) -> list[Token]:
    """The tokens of a text that is one statement which begins with a keyword; else none."""
    statements = split_statements(sql)
    return statements[0] if len(statements) == 1 and statements[0][0].says(keyword) else []


def _without(rest: list[Token], keyword: str) -> list[Token]:
    return rest[1:] if rest and rest[0].says(keyword) else rest


def _dotted(rest: list[Token]) -> str:
    parts = []
    while rest and rest[0].kind in ("word", "quoted"):
        parts.append(rest[0].text)
        if len(rest) < 2 or rest[1].text != ".":
            break
        rest = rest[2:]
    return ".".join(parts)
