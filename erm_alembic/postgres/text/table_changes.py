"""What CREATE TABLE and ALTER TABLE say of columns, constraints and keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from erm_alembic.postgres.text.change import Change
from erm_alembic.postgres.text.words import Words

__all__ = ["altered_table", "leading_columns", "table_elements"]

CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE")
SERIAL = ("SERIAL", "SERIAL2", "SERIAL4", "SERIAL8", "SMALLSERIAL", "BIGSERIAL")


def table_elements(table: tuple[str, ...], words: Words) -> Iterator[Change]:
    """The columns' and the table's own constraints of a CREATE TABLE.

    Args:
        table: the table's name.
        words: the statement, read up to the parenthesis.
    """
    elements = words.enclosed()
    for element in elements.parts() if elements is not None else ():
        if element.peek() in CONSTRAINTS:
            found: Iterator[Change] = _constraint(table, element)
        elif element.peek() == "LIKE":
            continue
        else:
            found = _column(table, element)
        yield from (replace(change, new=True) for change in found)


def altered_table(words: Words) -> Iterator[Change]:
    """What an ALTER TABLE does.

    Args:
        words: the statement, read up to the table's name.
    """
    words.take_if_exists()
    words.take("ONLY")
    table = words.name()
    words.take("*")
    if not table:
        return
    if words.take("RENAME"):
        yield from _renamed(table, words)
    elif words.take("SET", "SCHEMA"):
        yield Change("rename-table", table, name=".".join(words.name()))
    else:
        for action in words.parts():
            yield from tuple(_action(table, action)) or (Change("alter-table", table),)


def _renamed(table: tuple[str, ...], words: Words) -> Iterator[Change]:
    if words.take("CONSTRAINT"):
        yield Change("alter-table", table)
        return
    if words.take("TO"):
        yield Change("rename-table", table, name=".".join(words.name()))
        return
    words.take("COLUMN")
    column = words.name()
    if words.take("TO"):
        yield Change("rename-column", table, column, name=".".join(words.name()))


def _action(table: tuple[str, ...], words: Words) -> Iterator[Change]:
    if words.take("ADD"):
        if words.peek() in CONSTRAINTS:
            yield from _constraint(table, words)
            return
        words.take("COLUMN")
        words.take_if_exists()
        for place, change in enumerate(_column(table, words)):
            yield replace(change, new=place > 0)
    elif words.take("DROP"):
        if words.take("CONSTRAINT"):
            return
        explicit = words.take("COLUMN")
        words.take_if_exists()
        column = words.name()
        if len(column) == 1 and (explicit or column[0] not in ("expression", "identity")):
            yield Change("drop-column", table, column)
    elif words.take("VALIDATE", "CONSTRAINT"):
        yield Change("validate", table, name=".".join(words.name()))
    elif words.take("ALTER"):
        words.take("COLUMN")
        column = words.name()
        if words.take("SET", "NOT", "NULL"):
            yield Change("set-not-null", table, column)
        elif words.take("TYPE") or words.take("SET", "DATA", "TYPE"):
            yield Change("retype-column", table, column)


def _column(table: tuple[str, ...], words: Words) -> Iterator[Change]:
    """A column's definition: itself, and what is said of it."""
    column = words.name()
    if len(column) != 1:
        return
    yield Change("add-column", table, column, needed=any(map(_needs_a_value, words.parts())))
    while words.skip_to("PRIMARY", "UNIQUE", "REFERENCES"):
        if words.take("KEY") or words.was("UNIQUE"):
            yield Change("key", table, column)
        elif words.was("REFERENCES"):
            yield Change("foreign-key", table, column)


def _needs_a_value(definition: Words) -> bool:
    """Whether a column's definition refuses NULL and says nothing of a value: no default, nothing generated."""
    if definition.peek() in SERIAL or definition.says_anywhere("DEFAULT", "GENERATED"):
        return False
    while definition.skip_to("NOT", "PRIMARY"):
        if definition.take("NULL") or definition.take("KEY"):
            return True
    return False


def _constraint(table: tuple[str, ...], words: Words) -> Iterator[Change]:
    name = ".".join(words.name()) if words.take("CONSTRAINT") else None
    valid = not words.ends_with("NOT", "VALID")
    if words.take("FOREIGN", "KEY"):
        columns = words.enclosed()
        yield Change("foreign-key", table, leading_columns(columns) if columns else (), name, valid=valid)
    elif words.take("PRIMARY", "KEY") or words.take("UNIQUE"):
        # Of an index that stands there already: its columns are known from it.
        _ = words.take("NULLS", "NOT", "DISTINCT") or words.take("NULLS", "DISTINCT")
        elements = words.enclosed()
        yield Change("key", table, leading_columns(elements) if elements else (), name)
    elif words.take("NOT", "NULL"):
        yield Change("not-null-check", table, words.name(), name, valid=valid)
    elif words.take("CHECK"):
        condition = words.enclosed()
        column = _never_null(condition) if condition is not None else ()
        yield Change("not-null-check" if column else "constraint", table, column, name, valid=valid)
    else:
        yield Change("constraint", table, name=name, valid=valid)


def _never_null(condition: Words) -> tuple[str, ...]:
    """The column of which a CHECK says only that it is not null; empty for any other."""
    inner = condition.enclosed() or condition
    column = inner.name()
    return column if len(column) == 1 and inner.take("IS", "NOT", "NULL") and not inner.peek() else ()


def leading_columns(elements: Words) -> tuple[str, ...]:
    """The whole columns that lead an index or a key, up to the first expression.

    Args:
        elements: what stands in its parentheses.
    """
    columns: list[str] = []
    for element in elements.parts():
        column = element.name()
        if len(column) != 1 or element.peek() == "(":
            break
        columns += column
    return tuple(columns)
