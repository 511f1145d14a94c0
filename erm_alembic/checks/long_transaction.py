"""long-transaction: a table that the plan locks is held by a transaction that has run for long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

if TYPE_CHECKING:
    from erm_alembic.checks.reading import ReadStatement
    from erm_alembic.postgres.activity import Held

__all__ = ["CHECK"]

RULE = "long-transaction"


def _check(context: CheckContext) -> Iterator[Finding]:
    held = {(each.schema, each.name): each for each in reversed(context.around.held)}
    told: set[tuple[str, str]] = set()
    for each in context.statements if held else ():
        for table in each.locked:
            key = (table.schema, table.name)
            if key in held and key not in told:
                told.add(key)
                yield _finding(each, held[key])


def _finding(each: ReadStatement, held: Held) -> Finding:
    table = f"{held.schema}.{held.name}"
    return each.finding(
        RULE,
        "warning",
        f"This takes ACCESS EXCLUSIVE on {table}, which {held.session.who} has locked now: it is "
        f"{held.session.doing}. It waits until that ends, and everybody who comes after it waits behind it.",
        f"Wait for its end, or end it: {held.session.cure} Where it stays, apply gives up after execution.lock_timeout "
        "and tries again.",
    )


CHECK = Check(RULE, "warning", _check)
