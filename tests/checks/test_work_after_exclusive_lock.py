"""work-after-exclusive-lock: what goes on while everybody is kept away from a table."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks.work_after_exclusive_lock import CHECK
from erm_alembic.planning.model import Statement
from erm_alembic.planning.rehearsal import Observed, ObservedLock
from tests.checks.building import SMALL, judged, outside, table

ADD = "ALTER TABLE orders ADD COLUMN note text"
INDEX = "CREATE INDEX ix ON orders (placed_at)"
ORDERS = table("orders")


def test_an_index_build_after_an_added_column_is_told_with_lock_table_and_line() -> None:
    """The lock is named, the table, since when it is held, and what goes on meanwhile."""
    (finding,) = judged(CHECK, ADD, INDEX, tables=[ORDERS])
    assert (finding.rule, finding.severity, finding.path, finding.line) == (
        "work-after-exclusive-lock",
        "warning",
        "versions/b2.py",
        11,
    )
    assert finding.message == (
        "This goes through all of public.orders while the transaction holds ACCESS EXCLUSIVE on public.orders since "
        "line 10: nobody reads or writes public.orders until it commits."
    )


def test_the_first_such_statement_speaks_for_the_others() -> None:
    """One finding a transaction."""
    scan = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)"
    assert [each.line for each in judged(CHECK, ADD, INDEX, scan, INDEX, tables=[ORDERS])] == [11]


def test_a_second_lock_is_waited_for_while_the_first_is_held() -> None:
    """The other table may be in use, and then both are blocked."""
    (finding,) = judged(CHECK, ADD, "ALTER TABLE items ADD a int", tables=[ORDERS, table("items")])
    assert finding.message.startswith("This waits for ACCESS EXCLUSIVE on public.items, which may be in use, while ")


def test_safe_ways_are_not_objected_to() -> None:
    """The work first, no work at all, a small table, a new one, one outside of the transaction."""
    assert judged(CHECK, INDEX, ADD, tables=[ORDERS]) == []
    assert (
        judged(CHECK, ADD, "ALTER TABLE orders ADD COLUMN b int", "COMMENT ON TABLE orders IS 'x'", tables=[ORDERS])
        == []
    )
    assert judged(CHECK, ADD, INDEX, tables=[table("orders", **SMALL)]) == []
    assert judged(CHECK, "CREATE TABLE orders (a int)", ADD, INDEX) == []
    assert judged(CHECK, ADD, outside("CREATE INDEX CONCURRENTLY ix ON orders (a)"), tables=[ORDERS]) == []
    valid_later = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID"
    assert judged(CHECK, ADD, valid_later, tables=[ORDERS]) == []


def test_what_was_observed_beats_what_the_words_say() -> None:
    """A statement that took no such lock holds none; one whose words say nothing may."""
    quick = Statement(ADD, observed=Observed((ObservedLock("public.orders", "ShareLock", "public.orders"),)))
    assert judged(CHECK, quick, INDEX, tables=[ORDERS]) == []
    lock = ObservedLock("public.orders", "AccessExclusiveLock", "public.orders")
    hidden = Statement("DO $$ ... $$", observed=Observed((lock,)))
    reads = Statement(
        "SELECT check_orders()",
        observed=Observed(scans=("public.orders",), locks=(replace(lock, mode="AccessShareLock"),)),
    )
    (finding,) = judged(CHECK, hidden, reads, tables=[ORDERS])
    assert finding.line == 11
