"""drop-of-mapped-column: a column, or a table, goes or is renamed that the models of the last release still map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

if TYPE_CHECKING:
    from erm_alembic.checks.reading import ReadStatement
    from erm_alembic.ledger.mapping import Mapped
    from erm_alembic.postgres.text.change import Change

__all__ = ["CHECK"]

RULE = "drop-of-mapped-column"
HELP = (
    "Take it out of the models first, and release that; let it go in the release after. What is to be renamed is added "
    "under its new name, written to both, and read from there, before the old one goes."
)
DOES = {
    "drop-column": "drops",
    "rename-column": "renames",
    "drop-table": "drops",
    "rename-table": "renames",
}


def _check(context: CheckContext) -> Iterator[Finding]:
    mapped, plan = context.around.mapped, context.plan
    # In dev the application and its database change together.
    if mapped is None or plan is None or plan.direction == "downgrade" or plan.environment == "dev":
        return
    told: set[tuple[str, ...]] = set()
    for each in context.statements:
        for change in each.changes:
            name = _mapped(each, change, mapped) if change.kind in DOES else None
            if name is not None and name not in told:
                told.add(name)
                yield _finding(each, change, name, mapped)


def _mapped(each: ReadStatement, change: Change, mapped: Mapped) -> tuple[str, ...] | None:
    """What it takes away, where the last release maps it."""
    table = each.table(change)
    if table is None:
        return None
    columns = mapped.columns(table.schema, table.name)
    if change.kind in ("drop-table", "rename-table"):
        return (table.schema, table.name) if columns else None
    return (table.schema, table.name, change.columns[0]) if change.columns and change.columns[0] in columns else None


def _finding(each: ReadStatement, change: Change, name: tuple[str, ...], mapped: Mapped) -> Finding:
    table = ".".join(name[:2])
    return each.finding(
        RULE,
        "warning",
        f"This {DOES[change.kind]} {'.'.join(name)}, which the models of the last release map (seen by the apply of "
        f"{mapped.since:%Y-%m-%d %H:%M %Z}): until the last process of that release has ended, each of its queries on "
        f"{table} fails.",
        HELP,
    )


CHECK = Check(RULE, "warning", _check, ignorable=True)
