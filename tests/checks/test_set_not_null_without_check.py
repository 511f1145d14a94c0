"""set-not-null-without-check: no scan of a large table while nobody may read it."""

from __future__ import annotations

from erm_alembic.checks.set_not_null_without_check import CHECK
from tests.checks.building import SMALL, judged, table

SET = 'ALTER TABLE orders ALTER COLUMN "Cur" SET NOT NULL'
CHECKED = 'ALTER TABLE orders ADD CONSTRAINT c CHECK ("Cur" IS NOT NULL)'


def test_a_scan_under_access_exclusive_is_told_with_the_way_around_it() -> None:
    """The help has the three revisions."""
    (finding,) = judged(CHECK, SET, tables=[table("orders")])
    assert (finding.rule, finding.severity, finding.line) == ("set-not-null-without-check", "warning", 10)
    assert finding.message == (
        "SET NOT NULL on public.orders.Cur takes ACCESS EXCLUSIVE and reads all of public.orders to look for a null: "
        "nobody reads or writes it meanwhile."
    )
    assert "NOT VALID, in the next one VALIDATE CONSTRAINT" in finding.help


def test_a_check_that_is_not_validated_proves_nothing() -> None:
    """Neither one of the catalog nor one of the plan."""
    assert len(judged(CHECK, SET, tables=[table("orders", unproven=(("c", "Cur"),))])) == 1
    assert len(judged(CHECK, f"{CHECKED} NOT VALID", SET, tables=[table("orders")])) == 1


def test_a_proof_makes_it_a_matter_of_a_moment() -> None:
    """One of the catalog, one that the plan validates before, one that it adds as valid."""
    assert judged(CHECK, SET, tables=[table("orders", never_null=frozenset({"Cur"}))]) == []
    validate = "ALTER TABLE orders VALIDATE CONSTRAINT c"
    assert judged(CHECK, validate, SET, tables=[table("orders", unproven=(("c", "Cur"),))]) == []
    assert judged(CHECK, f"{CHECKED} NOT VALID", validate, SET, tables=[table("orders")]) == []
    assert judged(CHECK, CHECKED, SET, tables=[table("orders")]) == []


def test_a_small_or_a_new_table_is_not_objected_to() -> None:
    """Reading it takes no time."""
    assert judged(CHECK, SET, tables=[table("orders", **SMALL)]) == []
    assert judged(CHECK, "CREATE TABLE orders (a int)", SET) == []
