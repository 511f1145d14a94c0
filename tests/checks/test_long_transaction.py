"""long-transaction: whoever holds a table for long is named before an apply waits for him."""

from __future__ import annotations

from datetime import UTC, datetime

from erm_alembic.checks.long_transaction import CHECK
from erm_alembic.planning.model import Statement
from erm_alembic.planning.rehearsal import Observed, ObservedLock
from erm_alembic.postgres.activity import Held, Session
from tests.checks.building import judged, table

PSQL = Session(
    *(4711, "psql", "ann", "10.0.0.7", "client backend", "idle in transaction"),
    *(datetime(2026, 3, 1, 12, 0, tzinfo=UTC), 1_200.0, "SELECT * FROM orders WHERE mail = 'x@y'", False, None),
)
HELD = (Held("public", "orders", PSQL),)
ADD = "ALTER TABLE orders ADD COLUMN note text"


def test_who_holds_the_table_is_named_with_the_statement_that_ends_it() -> None:
    """The session is shown without values, once a table."""
    (finding,) = judged(CHECK, ADD, ADD, tables=[table("orders")], held=HELD)
    assert (finding.rule, finding.severity, finding.line) == ("long-transaction", "warning", 10)
    assert finding.message == (
        "This takes ACCESS EXCLUSIVE on public.orders, which pid 4711 (psql, ann from 10.0.0.7) has locked now: it is "
        "idle in a transaction since 2026-03-01 12:00:00 UTC (20m); its last statement: SELECT * FROM orders WHERE "
        "mail = '...'. It waits until that ends, and everybody who comes after it waits behind it."
    )
    assert "SELECT pg_terminate_backend(4711);" in finding.help


def test_another_table_or_a_weaker_lock_is_not_objected_to() -> None:
    """What the rehearsal saw it lock is what counts."""
    assert judged(CHECK, ADD, tables=[table("orders")]) == []
    assert judged(CHECK, "ALTER TABLE items ADD a int", tables=[table("orders"), table("items")], held=HELD) == []
    share = ObservedLock("public.orders", "ShareUpdateExclusiveLock", "public.orders")
    weaker = Statement(ADD, observed=Observed((share,)))
    assert judged(CHECK, weaker, tables=[table("orders")], held=HELD) == []
