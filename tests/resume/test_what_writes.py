"""What a statement outside a transaction does is told by all of its words: what wrote is not sent twice."""

from __future__ import annotations

import pytest

from tests.resume.stopping import Stopping, in_autocommit, stop_at

FILL = "CREATE FUNCTION fill() RETURNS void LANGUAGE sql AS 'INSERT INTO t VALUES (7)'"


@pytest.mark.parametrize(
    "statement",
    [
        "WITH b AS (SELECT n FROM t WHERE n < 5 FOR UPDATE SKIP LOCKED) UPDATE t SET n = t.n * 3 FROM b",
        "WITH l AS (SELECT pg_advisory_xact_lock(1)) INSERT INTO t SELECT 7 FROM l",
        "SELECT fill() FROM t WHERE n = 1 FOR SHARE",
        "SELECT pg_advisory_xact_lock(1), fill()",
    ],
)
def test_a_write_that_locks_too(stopping: Stopping, statement: str) -> None:
    """A lock among its words makes no session command of a statement that writes."""
    stopping.rows("CREATE TABLE t (n int)")
    stopping.rows("INSERT INTO t VALUES (1)")
    stopping.rows(FILL)
    stopping.revision("a1", in_autocommit(f'op.execute("{statement}")\n{stop_at("x")}'))
    stopping.apply("x")
    before = stopping.rows("SELECT n FROM t ORDER BY n")
    assert before != [(1,)]
    stopping.apply()
    assert stopping.rows("SELECT n FROM t ORDER BY n") == before


def test_a_write_without_a_transaction_id(stopping: Stopping) -> None:
    """What is no read is noted although the server gave it no transaction id, as with rows of a foreign table."""
    stopping.rows("CREATE TABLE t (n int)")
    lines = 'op.execute("UPDATE t SET n = 2")\nop.execute("SELECT count(*) FROM t")\n'
    stopping.revision("a1", in_autocommit(f"{lines}{stop_at('x')}"))
    stopping.apply("x")
    assert stopping.noted() == [("done", "UPDATE", 0)]


def test_what_a_function_did_may_stay(stopping: Stopping) -> None:
    """Where a function was called outside a transaction, a failure does not claim that nothing of it stays."""
    stopping.revision("a1", in_autocommit(f"op.execute(\"SELECT pg_notify('a', 'b')\")\n{stop_at('x')}"))
    outcome = stopping.apply("x")
    assert "nothing of it stays" not in (outcome.effect or "")
    assert "may stay" in (outcome.effect or "")
