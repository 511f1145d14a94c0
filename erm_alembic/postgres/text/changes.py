"""What the statements of a SQL text change in a schema, as far as their words tell it with certainty.

Read where there is no rehearsal to ask: names, and what is done to them. What cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from erm_alembic.postgres.text.change import Change
from erm_alembic.postgres.text.lexer import Token, split_statements
from erm_alembic.postgres.text.table_changes import altered_table, leading_columns, table_elements
from erm_alembic.postgres.text.words import Words

__all__ = ["changes_in"]

BY_EQUALITY = (("btree",), ("hash",))


# Of a history of some thousand statements each is looked at by several checks.
@lru_cache(maxsize=4096)
def changes_in(sql: str) -> tuple[Change, ...]:
    """What a text changes, in order.

    Args:
        sql: one or more statements, with or without placeholders.

    Example:
        >>> [(each.kind, each.table, each.columns) for each in changes_in('ALTER TABLE s.t DROP COLUMN "C"')]
        [('drop-column', ('s', 't'), ('C',))]
        >>> [(each.kind, each.columns) for each in changes_in("CREATE INDEX i ON t (a, lower(b), c)")]
        [('index', ('a',))]
    """
    return tuple(change for statement in split_statements(sql) for change in _changes(statement))


def _changes(statement: list[Token]) -> Iterator[Change]:
    words = Words(statement)
    if words.take("CREATE"):
        yield from _created(words)
    elif words.take("ALTER", "TABLE"):
        yield from altered_table(words)
    elif words.take("ALTER", "TYPE"):
        yield from _altered_type(words)
    elif words.take("DROP"):
        yield from _dropped(words)
    elif words.take("TRUNCATE"):
        words.take("TABLE")
        yield from (Change("truncate", table) for table in _names(words))
    else:
        yield from _changed_rows(words)


def _created(words: Words) -> Iterator[Change]:
    _ = words.take("GLOBAL") or words.take("LOCAL")
    temporary = words.take("TEMPORARY") or words.take("TEMP")
    words.take("UNLOGGED")
    if words.take("TABLE"):
        words.take_if_exists()
        table = words.name()
        if table:
            yield Change("create-table", table, partial=temporary)
            yield from table_elements(table, words)
    elif words.take("UNIQUE", "INDEX") or words.take("INDEX"):
        yield from _index(words)
    elif words.take("TYPE"):
        name = words.name()
        if words.take("AS", "ENUM"):
            yield Change("create-enum", name)


def _index(words: Words) -> Iterator[Change]:
    concurrently = words.take("CONCURRENTLY")
    words.take_if_exists()
    name = None if words.peek() == "ON" else ".".join(words.name())
    if not words.take("ON"):
        return
    words.take("ONLY")
    table = words.name()
    by_equality = not words.take("USING") or words.name() in BY_EQUALITY
    elements = words.enclosed()
    columns = leading_columns(elements) if elements is not None else ()
    partial = words.skip_to("WHERE") or not by_equality
    yield Change("index", table, columns, name, partial=partial, concurrently=concurrently)


def _altered_type(words: Words) -> Iterator[Change]:
    name = words.name()
    if words.take("ADD", "VALUE"):
        words.take_if_exists()
        value = words.string()
        if value is not None:
            yield Change("enum-value", name, name=value)


def _dropped(words: Words) -> Iterator[Change]:
    if words.take("TABLE"):
        words.take_if_exists()
        yield from (Change("drop-table", table) for table in _names(words))
    elif words.take("INDEX"):
        concurrently = words.take("CONCURRENTLY")
        words.take_if_exists()
        yield from (Change("drop-index", index, concurrently=concurrently) for index in _names(words))


def _names(words: Words) -> Iterator[tuple[str, ...]]:
    while True:
        words.take("ONLY")
        name = words.name()
        if name:
            yield name
        words.take("*")
        if not name or not words.take(","):
            return


def _changed_rows(words: Words) -> Iterator[Change]:
    """A statement that changes rows and begins with the table that it changes."""
    copies = words.take("COPY")
    named = ("INSERT", "INTO"), ("MERGE", "INTO"), ("DELETE", "FROM"), ("UPDATE",)
    if not copies and not any(words.take(*beginning) for beginning in named):
        return
    words.take("ONLY")
    table = words.name()
    if copies:
        words.enclosed()
    if table and (not copies or words.take("FROM")):
        yield Change("rows", table)
