"""foreign-key-without-index: nothing finds the rows that refer to a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

if TYPE_CHECKING:
    from erm_alembic.checks.reading import ReadStatement
    from erm_alembic.postgres.existing_tables import ExistingTable
    from erm_alembic.postgres.text.change import Change

__all__ = ["CHECK"]

RULE = "foreign-key-without-index"


def _check(context: CheckContext) -> Iterator[Finding]:
    if context.going_down:
        return
    statements = context.statements
    gone = {change.table[-1] for each in statements for change in each.changes if change.kind == "drop-table"}
    made = _made_indexes(statements)
    told: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    for each in statements:
        for change in each.changes:
            if change.kind != "foreign-key" or not change.columns or change.table[-1] in gone:
                continue
            key = (change.table, change.columns)
            if key not in told and not _is_indexed(change, each.table(change), made):
                told.add(key)
                yield _finding(each, change)


def _made_indexes(statements: tuple[ReadStatement, ...]) -> dict[str, list[Change]]:
    """What the plan makes that finds rows by columns, by the table's own name."""
    found: dict[str, list[Change]] = {}
    for each in statements:
        for change in each.changes:
            if change.kind in ("index", "key") and not change.partial:
                found.setdefault(change.table[-1], []).append(change)
    return found


def _is_indexed(key: Change, table: ExistingTable | None, made: dict[str, list[Change]]) -> bool:
    """Whether the columns lead an index, in any order, once the plan has run."""
    indexes = list(table.indexes) if table is not None else []
    indexes += [change.columns for change in made.get(key.table[-1], ()) if _same(key.table, change.table)]
    wanted = set(key.columns)
    return any(set(columns[: len(wanted)]) == wanted for columns in indexes)


def _same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two names may mean one table: a schema counts where both have one."""
    return one[-1] == other[-1] and (len(one) == 1 or len(other) == 1 or one == other)


def _finding(each: ReadStatement, change: Change) -> Finding:
    table, columns = ".".join(change.table), ", ".join(change.columns)
    plural = len(change.columns) > 1
    return each.finding(
        RULE,
        "warning",
        f"The foreign key {table} ({columns}) has no index: each DELETE of a row that it refers to, and each UPDATE of "
        f"its key, reads all of {table} and holds its locks meanwhile.",
        f"Add an index that begins with {'these columns' if plural else columns}: "
        f"`index=True` on the column, or op.create_index(..., postgresql_concurrently=True) where {table} has rows.",
    )


CHECK = Check(RULE, "warning", _check, ignorable=True)
