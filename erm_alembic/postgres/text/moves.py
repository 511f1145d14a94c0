"""What a statement makes, renames or moves, so that a name that comes later is known for what it stands for now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from erm_alembic.postgres.text.lexer import Token
from erm_alembic.postgres.text.words import Words

__all__ = ["Move", "moves_of"]

# ALTER TABLE renames views too, and ALTER INDEX renamed tables before PostgreSQL 15.
RELATIONS = (("FOREIGN", "TABLE"), ("MATERIALIZED", "VIEW"), ("TABLE",), ("VIEW",), ("INDEX",), ("SEQUENCE",))


@dataclass(frozen=True)
class Move:
    """What a statement does to a name.

    Args:
        kind: `table` is made, or an `enum`; a table is `renamed`, or goes to another `schema`; a schema is
            `schema-renamed`; a column is `column-renamed`, or added (`column`); another table is `attached` as a
            partition or an heir, or `detached`.
        name: the parts of the name of the table, the type or the schema.
        to: the new name, the schema, or the added column; as given.
        column: the column that is renamed.
        other: the parts of the name of the table that is attached or detached.
        temporary: whether the table that is made ends with its session.
        unless_there: whether it is made only where nothing of that name is there.
    """

    kind: Literal[
        "table", "enum", "renamed", "schema", "schema-renamed", "column-renamed", "column", "attached", "detached"
    ]
    name: tuple[str, ...]
    to: str = ""
    column: str = ""
    other: tuple[str, ...] = ()
    temporary: bool = False
    unless_there: bool = False


def moves_of(statement: Sequence[Token]) -> list[Move]:
    """What one statement does to names.

    Args:
        statement: its tokens.

    Example:
        >>> from erm_alembic.postgres.text.lexer import split_statements
        >>> [(move.kind, move.name, move.to) for move in moves_of(split_statements("ALTER TABLE a RENAME TO b")[0])]
        [('renamed', ('a',), 'b')]
    """
    words = Words(statement)
    if words.take("CREATE"):
        return _made(words)
    if words.take("SELECT"):
        return _selected_into(words)
    if words.take("ALTER", "SCHEMA"):
        name = words.name()
        return [Move("schema-renamed", name, _last(words))] if name and words.take("RENAME", "TO") else []
    if words.take("ALTER") and any(words.take(*relation) for relation in RELATIONS):
        return _altered(words)
    return []


def _made(words: Words) -> list[Move]:
    _ = words.take("GLOBAL") or words.take("LOCAL")
    temporary = words.take("TEMPORARY") or words.take("TEMP")
    words.take("UNLOGGED")
    if words.take("TABLE"):
        unless_there = words.take("IF", "NOT", "EXISTS")
        name = words.name()
        return [Move("table", name, temporary=temporary, unless_there=unless_there)] if name else []
    if words.take("TYPE"):
        name = words.name()
        return [Move("enum", name)] if name and words.take("AS", "ENUM") else []
    return []


def _selected_into(words: Words) -> list[Move]:
    if not words.skip_to("INTO"):
        return []
    temporary = words.take("TEMPORARY") or words.take("TEMP")
    _ = words.take("UNLOGGED"), words.take("TABLE")
    name = words.name()
    return [Move("table", name, temporary=temporary)] if name else []


def _altered(words: Words) -> list[Move]:
    words.take_if_exists()
    words.take("ONLY")
    table = words.name()
    words.take("*")
    if not table:
        return []
    if words.take("RENAME"):
        return _renamed(table, words)
    if words.take("SET", "SCHEMA"):
        return [Move("schema", table, _last(words))]
    return [move for action in words.parts() for move in _action(table, action)]


def _renamed(table: tuple[str, ...], words: Words) -> list[Move]:
    if words.take("TO"):
        return [Move("renamed", table, _last(words))]
    if words.take("CONSTRAINT"):
        return []
    words.take("COLUMN")
    column = words.name()
    return [Move("column-renamed", table, _last(words), column[-1])] if column and words.take("TO") else []


def _action(table: tuple[str, ...], words: Words) -> list[Move]:
    if words.take("ATTACH", "PARTITION"):
        return [Move("attached", table, other=words.name())]
    if words.take("DETACH", "PARTITION"):
        return [Move("detached", table, other=words.name())]
    if words.take("INHERIT"):
        return [Move("attached", words.name(), other=table)]
    if words.take("NO", "INHERIT"):
        return [Move("detached", words.name(), other=table)]
    if words.take("ADD") and words.peek() not in ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE"):
        words.take("COLUMN")
        unless_there = words.take("IF", "NOT", "EXISTS")
        name = words.name()
        return [Move("column", table, name[0], unless_there=unless_there)] if len(name) == 1 else []
    return []


def _last(words: Words) -> str:
    return (words.name() or ("",))[-1]
