"""no-lock-timeout: nobody waits for a lock without end."""

from __future__ import annotations

import pytest

from erm_alembic.checks.no_lock_timeout import CHECK
from tests.checks.building import judged, outside

ADD = "ALTER TABLE orders ADD COLUMN note text"


@pytest.mark.parametrize(
    "sql",
    [
        "SET lock_timeout = 0",
        "set local LOCK_TIMEOUT to '0s'",
        'SET SESSION "lock_timeout" = DEFAULT',
        "RESET lock_timeout",
        "RESET ALL",
        "SELECT set_config('lock_timeout', '0', true)",
    ],
)
def test_a_timeout_that_is_taken_away_before_work_is_told(sql: str) -> None:
    """In each of the ways to write it."""
    (finding,) = judged(CHECK, sql, ADD)
    assert (finding.rule, finding.severity, finding.line) == ("no-lock-timeout", "warning", 10)
    assert finding.message.startswith("This takes lock_timeout away: the statements after it wait for a lock without")


@pytest.mark.parametrize(
    "sql",
    [
        "SET lock_timeout = '10s'",
        "SET LOCAL lock_timeout = 100",
        "SET statement_timeout = 0",
        "SELECT 'SET lock_timeout = 0'",
        "SELECT set_config('lock_timeout', '1s', true)",
    ],
)
def test_a_timeout_that_ends_is_not_objected_to(sql: str) -> None:
    """Neither is another setting."""
    assert judged(CHECK, sql, ADD) == []


def test_it_may_be_taken_away_where_nothing_waits_afterwards() -> None:
    """At the end of a revision, or for a concurrent build."""
    assert judged(CHECK, ADD, "RESET lock_timeout") == []
    assert judged(CHECK, "SET lock_timeout = 0", outside("CREATE INDEX CONCURRENTLY i ON t (a)")) == []
