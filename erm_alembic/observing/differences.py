"""By how much counters grew between two samples: they may have been reset, and another server may count anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from erm_alembic.observing.model import Sample
from erm_alembic.postgres.health.statements import Statements, StatementTotal

__all__ = ["added", "grown", "statements_grown", "with_statements"]

# How many statements are kept at least.
KEPT = 2_000


def grown(last: Sample, now: Sample) -> Mapping[str, int]:
    """By how much each counter grew.

    After a reset, or a crash, counters begin at nothing: what they have now has grown since. After a failover they are
    another server's, and say nothing of the time before.

    Args:
        last: the sample before.
        now: this one.
    """
    if not now.server.is_same_history(last.server):
        return {}
    before, after = last.counters.counted, now.counters.counted
    was_reset = now.counters.reset_at != last.counters.reset_at or any(
        value < before.get(name, 0) for name, value in after.items()
    )
    return {name: value if was_reset else value - before.get(name, value) for name, value in after.items()}


def statements_grown(last: Sample, now: Sample) -> Mapping[str, StatementTotal]:
    """What each statement took between two samples; those that did not run are not there.

    Args:
        last: the sample before.
        now: this one.
    """
    if now.statements is None or last.statements is None or not now.server.is_same_history(last.server):
        return {}
    was_reset = _was_reset(last.statements, now.statements)
    before = {} if was_reset else last.statements.totals
    found = {}
    for query, total in now.statements.totals.items():
        formerly = before.get(query)
        # One that made place for others, and came back, counts from nothing too.
        if formerly is None or formerly.calls > total.calls:
            formerly = StatementTotal(0, 0.0)
            # Of a long list, one that was below its end has a past that nobody noted.
            if not was_reset and not last.statements.complete:
                continue
        calls = total.calls - formerly.calls
        if calls > 0:
            found[query] = StatementTotal(calls, max(0.0, total.total_ms - formerly.total_ms))
    return found


def added(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    """The sums of two sets of counters.

    Args:
        one: the one.
        other: the other one.
    """
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def with_statements(
    one: Mapping[str, StatementTotal], other: Mapping[str, StatementTotal]
) -> Mapping[str, StatementTotal]:
    """What statements took in two times together.

    Args:
        one: the one.
        other: the other one.
    """
    found = dict(one)
    for query, total in other.items():
        known = found.get(query)
        found[query] = (
            total
            if known is None
            else replace(known, calls=known.calls + total.calls, total_ms=known.total_ms + total.total_ms)
        )
    if len(found) <= 2 * KEPT:
        return found
    # Where ids come and go, those that take no time are forgotten.
    return dict(sorted(found.items(), key=lambda each: each[1].total_ms, reverse=True)[:KEPT])


def _was_reset(last: Statements, now: Statements) -> bool:
    if last.reset_at is not None or now.reset_at is not None:
        return last.reset_at != now.reset_at
    # Until PostgreSQL 13 nobody says when: where most of those that both have count less, it was.
    both = [query for query in now.totals if query in last.totals]
    fewer = sum(now.totals[query].calls < last.totals[query].calls for query in both)
    return fewer * 2 > len(both)
