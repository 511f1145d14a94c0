"""Rows for the tables of a shadow, made from its catalog: what a downgrade may lose is seen by what was there.

Every row respects what its table demands (types, NOT NULL, checks, unique indexes, foreign keys, partitions); the
triggers run as they are. The server judges: a row that it refuses is mended where its error says what is wrong, and
a table that takes none is told with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg2

from erm_alembic.postgres.seeding import ForeignKey, TableFacts
from erm_alembic.shadow.seeds.candidates import Later, TablePlan, plan_table
from erm_alembic.shadow.seeds.rows import RowWriter
from erm_alembic.shadow.server_words import server_words

__all__ = ["Likeness", "Seeded", "has_rows", "seed_rows"]

Likeness = Literal["edges", "plain"]


@dataclass(frozen=True)
class Seeded:
    """What seeding did.

    Args:
        rows: how many rows it wrote, by table.
        refused: why a table has no rows, by table.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def seed_rows(
    cursor: Any,
    tables: Sequence[TableFacts],
    *,
    likeness: Likeness = "edges",
    start: int = 1,
    later: Collection[TableFacts] = (),
) -> Seeded:
    """Write rows into tables, and into those that their foreign keys need, and commit them.

    Args:
        cursor: a plain cursor in a scratch database, its connection in autocommit mode.
        tables: the tables, and those that their foreign keys refer to, as `table_facts` gives them.
        likeness: `edges` writes rows with values at the edges of their types, NULLs and one that repeats another;
            `plain` only ordinary ones.
        start: the number of the first ordinary value: those of another seeding are to be others.
        later: the tables as a revision will make them: a row that would not pass it proves nothing.

    Raises:
        psycopg2.Error: the connection is lost.
    """
    cursor.execute("BEGIN")
    seeder = _Seeder(cursor, tables, likeness, start, Later(later))
    seeder.seed()
    try:
        cursor.execute("COMMIT")
    except psycopg2.Error as error:
        # A constraint trigger that is deferred to the commit: nothing was written.
        reason = server_words(error)
        return Seeded({}, {table.name: reason for table in seeder.tables if table.asked})
    return Seeded(seeder.rows, seeder.refused)


def has_rows(cursor: Any, table: TableFacts) -> bool:
    """Whether a table has any row.

    Args:
        cursor: a plain cursor.
        table: the table.
    """
    cursor.execute(f"SELECT EXISTS (SELECT FROM {table.name})")  # noqa: S608 - quoted by the server
    return bool(cursor.fetchone()[0])


class _Seeder:
    """Fills the tables, those first that others refer to."""

    def __init__(self, cursor: Any, tables: Sequence[TableFacts], likeness: Likeness, start: int, later: Later) -> None:
        self.cursor = cursor
        self.tables = tables
        self.rows: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        self._likeness = likeness
        self._start = start
        self._later = later
        self._by_oid = {table.oid: table for table in tables}

    def seed(self) -> None:
        """Write the rows; a table that takes none is refused."""
        for table, circular in _parents_first(self._by_oid, self._later):
            self._fill(table, circular)

    def _fill(self, table: TableFacts, circular: frozenset[str]) -> None:
        if not table.takes_rows:
            return
        plan = plan_table(self.cursor, table, self._later, circular, self._start)
        writer = RowWriter(self.cursor, plan, self._start, self._by_oid)
        written, reason = 0, ""
        for number, kind in enumerate(_kinds(plan, self._likeness if table.asked else "plain")):
            refusal = writer.write(kind, number)
            written += refusal is None
            reason = reason or refusal or ""
        if written:
            self.rows[table.name] = written
        elif not has_rows(self.cursor, table):
            self.refused[table.name] = reason


def _kinds(plan: TablePlan, likeness: Likeness) -> list[str]:
    """The kinds of row that a table is given, the most ordinary first."""
    if likeness == "plain":
        return ["plain", "plain"]
    return ["plain", *["edge"] * plan.edges, "nulls", "twin"]


def _parents_first(tables: Mapping[int, TableFacts], later: Later) -> list[tuple[TableFacts, frozenset[str]]]:
    """The tables in the order of their foreign keys; with each, those of its keys that close a circle.

    A circle is broken where a reference may be NULL.
    """
    keys = {table.oid: [key for key in later.foreign_keys(table) if key.parent in tables] for table in tables.values()}
    needed = {
        oid: {key.parent for key in found if not _may_be_null(tables[oid], key, later)} for oid, found in keys.items()
    }
    ordered: list[tuple[TableFacts, frozenset[str]]] = []
    done: set[int] = set()

    def visit(oid: int, above: frozenset[int]) -> None:
        done.add(oid)
        circular = set()
        above |= {oid}
        for key in sorted(keys[oid], key=lambda key: key.parent not in needed[oid]):
            if key.parent == oid:
                continue
            if key.parent in above or (key.parent not in done and above & _all_needed(key.parent, needed)):
                circular.add(key.name)
            elif key.parent not in done:
                visit(key.parent, above)
        ordered.append((tables[oid], frozenset(circular)))

    for oid in tables:
        if oid not in done:
            visit(oid, frozenset())
    return ordered


def _may_be_null(table: TableFacts, key: ForeignKey, later: Later) -> bool:
    return any(column.number in key.columns and not later.not_null(table, column) for column in table.columns)


def _all_needed(oid: int, needed: Mapping[int, set[int]]) -> set[int]:
    """The tables that must have rows before a table can have one."""
    found: set[int] = set()
    waiting = [oid]
    while waiting:
        for parent in needed[waiting.pop()] - found:
            found.add(parent)
            waiting.append(parent)
    return found
