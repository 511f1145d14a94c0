"""data-and-schema-change: rows of a large table are changed in the transaction that changes the schema."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.planning.surroundings import FEW_ROWS, is_small

if TYPE_CHECKING:
    from erm_alembic.checks.reading import ReadStatement
    from erm_alembic.postgres.existing_tables import ExistingTable

__all__ = ["CHECK"]

RULE = "data-and-schema-change"


def _check(context: CheckContext) -> Iterator[Finding]:
    if context.going_down:
        return
    inside = (each for each in context.statements if not each.statement.autocommit)
    for _, group in groupby(inside, key=lambda each: (id(each.step), each.transaction)):
        together = list(group)
        locking = next(((each, table) for each in together for table in each.locked), None)
        if locking is None:
            continue
        first, table = locking
        told: set[ExistingTable] = set()
        for each in together:
            changed = _changed(each)
            if changed is not None and changed not in told:
                told.add(changed)
                yield _finding(each, changed, first, table)


def _changed(each: ReadStatement) -> ExistingTable | None:
    """The large table of which it changes rows; None where it changes none, or few."""
    seen = each.statement.observed
    if seen is not None and seen.rows is not None and seen.rows > FEW_ROWS:
        return next(iter(each.touched), None)
    # An INSERT adds what stands in the revision; the others may touch every row that is there.
    tables = (each.table(change) for change in each.changes if change.kind == "rows")
    if each.adds_given_rows:
        return None
    return next((table for table in tables if table is not None and not is_small(table)), None)


def _finding(each: ReadStatement, changed: ExistingTable, first: ReadStatement, locked: ExistingTable) -> Finding:
    line = "" if first.statement.line is None else f" of line {first.statement.line}"
    return each.finding(
        RULE,
        "warning",
        f"This changes rows of {changed} in the transaction that changes the schema of {locked}: the ACCESS EXCLUSIVE "
        f"lock{line} is held until all of them are written, and nobody reads or writes {locked} meanwhile.",
        "Make three revisions of it: the schema is widened, then the rows are changed (in batches, where there are "
        "many), then the schema is tightened.",
    )


CHECK = Check(RULE, "warning", _check, ignorable=True)
