"""foreign-key-without-index: the rows that refer to a row can be found."""

from __future__ import annotations

import pytest

from erm_alembic.checks.foreign_key_without_index import CHECK
from tests.checks.building import judged, outside, table

NEW = "CREATE TABLE orders (id int PRIMARY KEY, customer_id int, FOREIGN KEY(customer_id) REFERENCES customers (id))"
ADDED = 'ALTER TABLE "s p".orders ADD CONSTRAINT fk FOREIGN KEY(a, "B") REFERENCES x (a, b)'


def test_a_key_without_an_index_is_told_with_its_columns() -> None:
    """Of a new table and of one that is there."""
    (finding,) = judged(CHECK, NEW)
    assert (finding.rule, finding.severity, finding.line) == ("foreign-key-without-index", "warning", 10)
    assert finding.message == (
        "The foreign key orders (customer_id) has no index: each DELETE of a row that it refers to, and each UPDATE of "
        "its key, reads all of orders and holds its locks meanwhile."
    )
    (finding,) = judged(CHECK, ADDED, tables=[table("orders", "s p", indexes=(("a", "c"), ("c", "a", "B")))])
    assert "s p.orders (a, B)" in finding.message
    assert len(judged(CHECK, "ALTER TABLE t ADD COLUMN a int REFERENCES b", tables=[table("t")])) == 1


@pytest.mark.parametrize(
    "index",
    [
        "CREATE INDEX ix ON orders (customer_id, id)",
        "CREATE UNIQUE INDEX ix ON public.orders (customer_id)",
        outside("CREATE INDEX CONCURRENTLY ix ON orders (customer_id DESC) INCLUDE (id)"),
        "ALTER TABLE orders ADD UNIQUE (customer_id)",
    ],
)
def test_an_index_that_the_plan_makes_is_enough(index: str) -> None:
    """Wherever in the plan it is made, also by a constraint."""
    assert judged(CHECK, NEW, index) == []


@pytest.mark.parametrize(
    "index",
    [
        "CREATE INDEX ix ON orders (id, customer_id)",
        "CREATE INDEX ix ON orders (customer_id) WHERE id > 3",
        "CREATE INDEX ix ON orders USING gin (customer_id)",
        "CREATE INDEX ix ON other.orders_old (customer_id)",
        "CREATE INDEX ix ON orders (lower(customer_id))",
    ],
)
def test_an_index_that_does_not_find_every_row_is_not_enough(index: str) -> None:
    """One that the columns do not lead, a partial one, another method, another table, an expression."""
    assert len(judged(CHECK, NEW, index)) == 1


def test_an_index_that_is_there_is_enough_in_any_order() -> None:
    """The live catalog tells it; a table that the plan drops again needs none."""
    assert judged(CHECK, ADDED, tables=[table("orders", "s p", indexes=(("B", "a", "z"),))]) == []
    assert judged(CHECK, NEW, "DROP TABLE orders") == []
