"""enum-value-used-at-once: a new enum value is used in the transaction that adds it, which PostgreSQL refuses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.postgres.text.lexer import tokens

if TYPE_CHECKING:
    from erm_alembic.checks.reading import ReadStatement
    from erm_alembic.postgres.text.change import Change

__all__ = ["CHECK"]

RULE = "enum-value-used-at-once"


def _check(context: CheckContext) -> Iterator[Finding]:
    if context.going_down:
        return
    for _, group in groupby(context.statements, key=lambda each: (id(each.step), each.transaction)):
        added: dict[str, tuple[ReadStatement, Change]] = {}
        made: set[str] = set()
        for each in group:
            # A statement that came to its end in the rehearsal is allowed, whatever its words look like.
            used = None if each.statement.observed is not None else _used(each, added)
            if used is not None:
                yield _finding(each, *used)
                del added[used[1].name or ""]
            for change in each.changes:
                if change.kind == "create-enum":
                    made.add(change.table[-1])
                elif change.kind == "enum-value" and change.table[-1] not in made and change.name is not None:
                    added[change.name] = (each, change)


def _used(each: ReadStatement, added: dict[str, tuple[ReadStatement, Change]]) -> tuple[ReadStatement, Change] | None:
    """The new value that a later statement has as a constant, or is sent as a value."""
    if not added or any(change.kind == "enum-value" for change in each.changes):
        return None
    text = each.statement.literal or each.statement.sql
    return next((added[token.text] for token in tokens(text) if token.kind == "string" and token.text in added), None)


def _finding(each: ReadStatement, first: ReadStatement, change: Change) -> Finding:
    line = "" if first.statement.line is None else f", which line {first.statement.line} adds in the same transaction"
    return each.finding(
        RULE,
        "warning",
        f"This uses {change.name} of the enum {'.'.join(change.table)}{line}: PostgreSQL refuses a new value until the "
        "transaction that adds it is committed (unsafe use of new value).",
        "Add the value in a revision of its own, and use it in the next one.",
    )


CHECK = Check(RULE, "warning", _check, ignorable=True)
