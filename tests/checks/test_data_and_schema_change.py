"""data-and-schema-change: rows and schema of large tables are not changed in one transaction."""

from __future__ import annotations

from erm_alembic.checks.data_and_schema_change import CHECK
from erm_alembic.planning.model import Statement
from erm_alembic.planning.rehearsal import Observed, ObservedLock
from tests.checks.building import SMALL, judged, outside, table

ADD = "ALTER TABLE orders ADD COLUMN currency varchar(3)"
FILL = "UPDATE orders SET currency = %(currency)s"
ORDERS = table("orders")


def test_rows_that_are_changed_under_a_schema_change_are_told_with_both_tables() -> None:
    """Whichever comes first, and once a table."""
    (finding,) = judged(CHECK, ADD, FILL, FILL, tables=[ORDERS])
    assert (finding.rule, finding.severity, finding.line) == ("data-and-schema-change", "warning", 11)
    assert finding.message == (
        "This changes rows of public.orders in the transaction that changes the schema of public.orders: the ACCESS "
        "EXCLUSIVE lock of line 10 is held until all of them are written, and nobody reads or writes public.orders "
        "meanwhile."
    )
    assert [each.line for each in judged(CHECK, FILL, ADD, tables=[ORDERS])] == [10]


def test_what_the_words_hide_is_seen_in_the_rehearsal() -> None:
    """A function that touched many rows counts."""
    lock = ObservedLock("public.orders", "RowExclusiveLock", "public.orders")
    many, few = (Statement("SELECT fill()", observed=Observed((lock,), rows=rows)) for rows in (50_000, 5))
    (finding,) = judged(CHECK, ADD, many, tables=[ORDERS])
    assert finding.message.startswith("This changes rows of public.orders in the transaction that changes")
    assert judged(CHECK, ADD, few, tables=[ORDERS]) == []


def test_safe_ways_are_not_objected_to() -> None:
    """Rows alone, a schema alone, few rows, a new table, rows that stand in the revision, batches outside."""
    assert judged(CHECK, FILL, tables=[ORDERS]) == []
    assert judged(CHECK, ADD, tables=[ORDERS]) == []
    assert judged(CHECK, ADD, FILL, tables=[table("orders", **SMALL)]) == []
    assert judged(CHECK, "CREATE TABLE orders (a int)", "INSERT INTO orders SELECT 1", tables=[]) == []
    assert judged(CHECK, ADD, "INSERT INTO orders (id) VALUES (%(id)s)", tables=[ORDERS]) == []
    assert judged(CHECK, ADD, outside(FILL), tables=[ORDERS]) == []
