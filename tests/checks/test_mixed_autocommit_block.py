"""mixed-autocommit-block: what works outside a transaction stands alone in its revision."""

from __future__ import annotations

from erm_alembic.checks.mixed_autocommit_block import CHECK
from tests.checks.building import judged, outside

ADD = "ALTER TABLE orders ADD COLUMN note text"
BUILD = outside("CREATE INDEX CONCURRENTLY ix ON orders (note)")


def test_a_block_beside_other_statements_is_told_at_its_own_line() -> None:
    """The message names the line of what would be committed before a failure."""
    (finding,) = judged(CHECK, ADD, BUILD)
    assert (finding.rule, finding.severity, finding.line) == ("mixed-autocommit-block", "warning", 11)
    assert "has other statements (line 10): autocommit_block() commits what came before it" in finding.message
    assert len(judged(CHECK, BUILD, ADD)) == 1


def test_a_block_that_stands_alone_is_not_objected_to() -> None:
    """Several statements in it, and settings of the session, are no others."""
    assert judged(CHECK, BUILD, BUILD) == []
    assert judged(CHECK, "SET lock_timeout = '2s'", BUILD) == []
    assert judged(CHECK, ADD) == []
