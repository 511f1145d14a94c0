"""set-not-null-without-check: SET NOT NULL reads a large table while nobody else may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.planning.surroundings import is_small

if TYPE_CHECKING:
    from erm_alembic.checks.reading import ReadStatement
    from erm_alembic.postgres.existing_tables import ExistingTable

__all__ = ["CHECK"]

RULE = "set-not-null-without-check"


def _check(context: CheckContext) -> Iterator[Finding]:
    if context.going_down:
        return
    proven: set[tuple[tuple[str, str], str]] = set()
    unproven: dict[tuple[tuple[str, str], str], str] = {}
    for each in context.statements:
        for change in each.changes:
            table = each.table(change)
            if table is None:
                continue
            key = (table.schema, table.name)
            unproven.update({(key, check): column for check, column in table.unproven if (key, check) not in unproven})
            if change.kind == "not-null-check" and change.valid:
                proven.add((key, change.columns[0]))
            elif change.kind == "not-null-check" and change.name is not None:
                unproven[key, change.name] = change.columns[0]
            elif change.kind == "validate" and (key, change.name or "") in unproven:
                proven.add((key, unproven[key, change.name or ""]))
            elif change.kind == "set-not-null" and change.columns:
                column = change.columns[0]
                if column not in table.never_null and (key, column) not in proven and not is_small(table):
                    yield _finding(each, table, column)


def _finding(each: ReadStatement, table: ExistingTable, column: str) -> Finding:
    return each.finding(
        RULE,
        "warning",
        f"SET NOT NULL on {table}.{column} takes ACCESS EXCLUSIVE and reads all of {table} to look for a null: nobody "
        "reads or writes it meanwhile.",
        f"Let a check prove it first, without keeping anybody away: in one revision add CHECK ({column} IS NOT NULL) "
        "NOT VALID, in the next one VALIDATE CONSTRAINT, then SET NOT NULL, which reads nothing.",
    )


CHECK = Check(RULE, "warning", _check, ignorable=True)
