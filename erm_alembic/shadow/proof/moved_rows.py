"""Rows that a way down leaves where they are, or takes to another table: it kept them, whatever comes later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from erm_alembic.shadow.proof.held_rows import HeldRows

__all__ = ["not_moved", "without_kept"]

Row = tuple[str | None, ...]


def without_kept(written: Mapping[str, HeldRows], seen: Mapping[str, HeldRows]) -> dict[str, HeldRows]:
    """The rows of which a value is not in their own table any more.

    Args:
        written: rows, by table.
        seen: the rows of the same tables in another state, under the same names of columns.
    """
    return {name: _without(held, _as_columns_of(seen.get(name), held)) for name, held in written.items()}


def not_moved(
    gone: Mapping[str, HeldRows], before: Mapping[str, HeldRows], after: Mapping[str, HeldRows]
) -> dict[str, HeldRows]:
    """The rows that have not come to stand in another table, whole and under the same names of columns.

    Rows of two tables may be alike: one that stands elsewhere says nothing by itself. Where others of its table have
    arrived there, it would have arrived, too, had it not been there.

    Args:
        gone: rows that are not in their own table any more.
        before: all the rows as they were.
        after: all the rows as they are.
    """
    were = {held.table.oid: held for held in before.values()}
    left = {}
    for name, held in gone.items():
        for other in after.values():
            if other.table.oid != held.table.oid and held.rows:
                there = _as_columns_of(other, held)
                arrived = there - _as_columns_of(were.get(other.table.oid), held)
                waiting = _without(held, arrived)
                if len(waiting.rows) < len(held.rows):
                    held = replace(held, rows=tuple(row for row in waiting.rows if row not in there))
        left[name] = held
    return left


def _as_columns_of(found: HeldRows | None, held: HeldRows) -> Counter[Row]:
    """Rows as another table's columns have them; none where one of these is lacking."""
    if found is None:
        return Counter()
    places = {column.name: place for place, column in enumerate(found.columns)}
    if not all(column.name in places for column in held.columns):
        return Counter()
    order = [places[column.name] for column in held.columns]
    return Counter(tuple(row[place] for place in order) for row in found.rows)


def _without(held: HeldRows, found: Counter[Row]) -> HeldRows:
    """The rows that are not among others, each of which stands for one."""
    free = Counter(found)
    left: Sequence[Row] = [row for row in held.rows if not _taken(free, row)]
    return replace(held, rows=tuple(left))


def _taken(free: Counter[Row], row: Row) -> bool:
    if free[row] <= 0:
        return False
    free[row] -= 1
    return True
