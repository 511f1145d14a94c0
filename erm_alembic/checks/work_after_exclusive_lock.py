"""work-after-exclusive-lock: long work in a transaction that keeps everybody away from a table already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.planning.surroundings import is_small
from erm_alembic.postgres.text.words import name_parts

if TYPE_CHECKING:
    from erm_alembic.checks.reading import ReadStatement
    from erm_alembic.postgres.existing_tables import ExistingTable

__all__ = ["CHECK"]

RULE = "work-after-exclusive-lock"
HELP = (
    "Move it into a revision of its own, which is a transaction of its own; or let it come first, where what it needs "
    "is there already."
)
# What reads or writes a whole table; the rest only changes the catalogs.
WORKS = frozenset({"index", "constraint", "not-null-check", "set-not-null", "validate", "foreign-key", "key"})
LONG_MS = 1_000


def _check(context: CheckContext) -> Iterator[Finding]:
    if context.going_down:
        return
    held: dict[tuple[int, int], list[tuple[ReadStatement, ExistingTable]]] = {}
    told: set[tuple[int, int]] = set()
    for each in context.statements:
        if each.statement.autocommit:
            continue
        transaction = (id(each.step), each.transaction)
        before = held.setdefault(transaction, [])
        elsewhere = [(first, table) for first, table in before if not is_small(table)]
        if elsewhere and transaction not in told and (what := _long_work(each, tuple(table for _, table in elsewhere))):
            told.add(transaction)  # the first one says it for all that follow
            yield _finding(each, *elsewhere[0], what)
        before += [(each, table) for table in each.locked]


def _long_work(each: ReadStatement, locked: tuple[ExistingTable, ...]) -> str | None:
    """What it does for long while the lock is held; None when it does not, or another check tells it."""
    if any(change.kind == "rows" for change in each.changes):
        return None  # data-and-schema-change
    large = {table.key: table for table in each.touched if not is_small(table)}
    worked_on = (large[name] for name in _read_whole(each) if name in large)
    if (table := next(worked_on, None)) is not None:
        return f"goes through all of {table}"
    estimate = each.statement.estimate
    if estimate is not None and estimate.low_ms >= LONG_MS:
        return "works for long"
    waits = [table for table in each.locked_large if table not in locked]
    return f"waits for ACCESS EXCLUSIVE on {waits[0]}, which may be in use," if waits else None


def _read_whole(each: ReadStatement) -> list[tuple[str, ...]]:
    """The tables that it reads, or writes anew, from one end to the other: as was seen, else as its words say."""
    seen = each.statement.observed
    if seen is not None:
        indexed = [change.table for change in each.changes if change.kind == "index"] if seen.builds else []
        names = [name_parts(relation) for relation in (*seen.rewrites, *seen.scans)]
    else:
        indexed = [change.table for change in each.changes if change.kind in WORKS and change.valid and not change.new]
        names = []
    tables = (each.around.table(name) for name in indexed)
    return [*names, *(table.key for table in tables if table is not None)]


def _finding(each: ReadStatement, first: ReadStatement, table: ExistingTable, what: str) -> Finding:
    line = "" if first.statement.line is None else f" since line {first.statement.line}"
    return each.finding(
        RULE,
        "warning",
        f"This {what} while the transaction holds ACCESS EXCLUSIVE on {table}{line}: nobody reads or writes {table} "
        "until it commits.",
        HELP,
    )


CHECK = Check(RULE, "warning", _check, ignorable=True)
