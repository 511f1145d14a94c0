"""What a change of the schema may leave behind: slower statements, dead rows, invalid indexes, open constraints."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.observing.model import StatementChange, Worsened
from erm_alembic.observing.rules.view import Rule, View, said

__all__ = ["DEAD_ROWS", "INVALID_INDEX", "SLOWER_STATEMENT", "SLOW_NEW_STATEMENT", "UNVALIDATED_CONSTRAINT"]

# Dead rows of a table that is this small are cleaned up in no time.
FEW_ROWS = 10_000
SHOWN = 200


def _slower(view: View) -> Iterator[Worsened]:
    for change in view.changed:
        if change.before_ms is not None:
            ratio = change.now_ms / change.before_ms if change.before_ms else 0.0
            yield said(
                change.query,
                change.now_ms,
                f"A statement takes {_ms(change.now_ms)}, {ratio:.1f} times the {_ms(change.before_ms)} of before "
                f"({change.calls} calls): {_text(change)}",
                "EXPLAIN shows its plan: look for an index that is gone or invalid, and for statistics (ANALYZE).",
            )


def _new(view: View) -> Iterator[Worsened]:
    for change in view.changed:
        if change.before_ms is None:
            yield said(
                change.query,
                change.now_ms,
                f"A statement that was not there before takes {_ms(change.now_ms)} ({change.calls} calls): "
                f"{_text(change)}",
                "EXPLAIN shows its plan: it may want an index.",
            )


def _dead_rows(view: View) -> Iterator[Worsened]:
    formerly = {table.name: table.dead_share for table in view.before.tables}
    for table in view.now.tables:
        share = table.dead_share
        if table.dead < FEW_ROWS or share <= view.limits.max_dead_rows or table.is_vacuumed:
            continue
        if share > formerly.get(table.name, 0.0) + view.limits.max_dead_rows / 2:
            yield said(
                table.name,
                share,
                f"{share:.0%} of the rows of {table.name} are dead ({table.dead}): scans read them all the same.",
                f"VACUUM (ANALYZE) {table.name}; a transaction that is open for long keeps autovacuum from it.",
            )


def _invalid_indexes(view: View) -> Iterator[Worsened]:
    for name in view.now.invalid_indexes:
        if name not in view.before.invalid_indexes:
            yield said(
                name,
                0.0,
                f"The index {name} is invalid: writes keep it up, and no query uses it.",
                f"DROP INDEX CONCURRENTLY {name}, then build it again; or REINDEX INDEX CONCURRENTLY {name}",
            )


def _unvalidated(view: View) -> Iterator[Worsened]:
    for table, constraint in view.now.unvalidated:
        if (table, constraint) not in view.before.unvalidated:
            yield said(
                f"{table}.{constraint}",
                0.0,
                f"The constraint {constraint} of {table} was not checked against the rows that are there.",
                f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}",
            )


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2g} ms"


def _text(change: StatementChange) -> str:
    if not change.text:
        return f"query id {change.query}"
    return change.text if len(change.text) <= SHOWN else f"{change.text[:SHOWN].rstrip()}..."


SLOWER_STATEMENT = Rule("slower-statement", "error", _slower)
SLOW_NEW_STATEMENT = Rule("slow-new-statement", "error", _new)
DEAD_ROWS = Rule("dead-rows", "warning", _dead_rows)
INVALID_INDEX = Rule("invalid-index", "error", _invalid_indexes)
UNVALIDATED_CONSTRAINT = Rule("unvalidated-constraint", "warning", _unvalidated)
