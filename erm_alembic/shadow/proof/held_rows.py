"""The rows that tables hold, and which of their values another state has lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg2
from psycopg2 import sql

from erm_alembic.postgres.seeding import SqlType, TableColumn, TableFacts

__all__ = ["HeldRows", "lost_between", "read_rows", "seen_as", "written_since"]

Row = tuple[str | None, ...]
# A longer value is compared by its hash.
LONG = 80


@dataclass(frozen=True)
class HeldRows:
    """The rows of one table, as text.

    Args:
        table: the table.
        columns: the columns whose values the rows hold, in this order.
        rows: the values.
    """

    table: TableFacts
    columns: tuple[TableColumn, ...]
    rows: tuple[Row, ...]


def read_rows(cursor: Any, tables: Iterable[TableFacts]) -> dict[str, HeldRows]:
    """The rows of tables, by the tables' names.

    Args:
        cursor: a plain cursor.
        tables: the tables; the rows of a partitioned one stand in its partitions.
    """
    held = {}
    for table in tables:
        columns = tuple(column for column in table.columns if not column.generated)
        texts = sql.SQL(", ").join(_text(column) for column in columns) if columns else sql.SQL("NULL")
        place = sql.SQL(f" FROM {'' if table.partitioned else 'ONLY '}{table.name}")
        cursor.execute(sql.Composed([sql.SQL("SELECT "), texts, place]).as_string(cursor))
        held[table.name] = HeldRows(table, columns, tuple(row[: len(columns)] for row in cursor.fetchall()))
    return held


def _text(column: TableColumn) -> sql.Composed:
    name = sql.Identifier(column.name)
    hashed = "CASE WHEN pg_catalog.length({0}::text) > {1} THEN pg_catalog.md5({0}::text) ELSE {0}::text END"
    return sql.SQL(hashed).format(name, sql.Literal(LONG))


def lost_between(expected: Mapping[str, HeldRows], found: Mapping[str, HeldRows]) -> tuple[str, ...]:
    """What values of one state another does not have: `public.users` for rows, `public.users.email` for values.

    A value that stands where NULL was is no loss.

    Args:
        expected: the rows as they were.
        found: the rows as they are.
    """
    lost: list[str] = []
    for name, held in expected.items():
        if held.rows:
            lost += _lost_in(held, found.get(name))
    return tuple(dict.fromkeys(lost))


def _lost_in(held: HeldRows, found: HeldRows | None) -> list[str]:
    if found is None:
        return [held.table.name]
    places = {column.name: place for place, column in enumerate(found.columns)}
    common = [(place, places[column.name]) for place, column in enumerate(held.columns) if column.name in places]
    gone = set(range(len(held.columns))) - {place for place, _ in common}
    lost = {place for place in gone if any(row[place] is not None for row in held.rows)}
    aligned = _aligned(held, found, places)
    if aligned is not None:
        lost |= {
            place
            for place, there in common
            if any(was[place] is not None and was[place] != now[there] for was, now in aligned)
        }
    else:
        differing = {place for place, there in common if _values(held.rows, place) - _values(found.rows, there)}
        same = [(place, there) for place, there in common if place not in differing]
        if not same or not _includes(found.rows, held.rows, same):
            return [held.table.name]
        lost |= differing
    return [f"{held.table.name}.{held.columns[place].quoted}" for place in sorted(lost)]


def _aligned(held: HeldRows, found: HeldRows, places: Mapping[str, int]) -> list[tuple[Row, Row]] | None:
    """Each row with the one of the same key; None where keys do not tell which is which."""
    key = [column.name for column in held.table.key]
    own = {column.name: place for place, column in enumerate(held.columns)}
    if not key or not all(name in places and name in own for name in key):
        return None
    by_key = {tuple(row[places[name]] for name in key): row for row in found.rows}
    pairs = [(row, by_key.get(tuple(row[own[name]] for name in key))) for row in held.rows]
    together = [(was, now) for was, now in pairs if now is not None]
    return together if len(together) == len(pairs) else None


def _values(rows: Sequence[Row], place: int) -> Counter[str]:
    return Counter(value for row in rows if (value := row[place]) is not None)


def _includes(found: Sequence[Row], held: Sequence[Row], places: Sequence[tuple[int, int]]) -> bool:
    """Whether each row is among those that were found, as far as these columns go."""
    there = Counter(tuple(row[place] for _, place in places) for row in found)
    return not Counter(tuple(row[place] for place, _ in places) for row in held) - there


def written_since(after: Mapping[str, HeldRows], before: Mapping[str, HeldRows]) -> dict[str, HeldRows]:
    """The rows that were written between two readings of the same tables.

    Args:
        after: the later reading.
        before: the earlier one.
    """
    written = {}
    for name, held in after.items():
        former = Counter(before[name].rows) if name in before else Counter[Row]()
        written[name] = replace(held, rows=tuple((Counter(held.rows) - former).elements()))
    return written


def seen_as(cursor: Any, found: Mapping[str, HeldRows], expected: Mapping[str, HeldRows]) -> dict[str, HeldRows]:
    """Rows under the names and types that the same tables and columns had in another state of the database.

    Args:
        cursor: of the database in which the rows are, its connection in autocommit mode.
        found: the rows.
        expected: the rows of the other state.
    """
    by_oid = {held.table.oid: held for held in found.values()}
    seen = {}
    for name, other in expected.items():
        held = by_oid.get(other.table.oid)
        if held is not None:
            columns = {column.number: column for column in other.columns}
            kept = [place for place, column in enumerate(held.columns) if column.number in columns]
            values = [
                _recast(cursor, [row[place] for row in held.rows], held.columns[place].type, columns[number].type)
                for place in kept
                for number in [held.columns[place].number]
            ]
            rows = tuple(zip(*values, strict=True)) if values else tuple(() for _ in held.rows)
            named = tuple(columns[held.columns[place].number] for place in kept)
            seen[name] = replace(held, columns=named, rows=rows)
    return seen


def _recast(cursor: Any, values: Sequence[str | None], type: SqlType, other: SqlType) -> Sequence[str | None]:
    """Values as another type writes them; as they are where it does not read them."""
    if type == other:
        return values
    told: list[str | None] = []
    for value in values:
        question = sql.SQL("SELECT {}::{}::text").format(sql.Literal(value), sql.SQL(other.name))
        try:
            cursor.execute(question.as_string(cursor))
            told.append(cursor.fetchone()[0])
        except psycopg2.Error:
            told.append(value)
    return told
