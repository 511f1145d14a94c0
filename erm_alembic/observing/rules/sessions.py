"""Locks that are waited for, transactions that stay open, connections that run out."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.observing.model import Worsened
from erm_alembic.observing.rules.view import Rule, View, said, span

__all__ = ["CONNECTIONS", "LOCK_WAIT", "LONG_TRANSACTION", "LOST_SESSIONS"]

# So few sessions are lost at any time: a network is never quiet.
FEW = 3


def _lock_waits(view: View) -> Iterator[Worsened]:
    limit = view.limits.max_lock_wait.total_seconds()
    waits = [wait for wait in view.now.waits if not wait.is_advisory]  # whose purpose may be to be waited for
    late = [wait for wait in waits if wait.seconds is not None and wait.seconds > limit]
    if not late:
        return
    worst = max(late, key=lambda wait: wait.seconds or 0.0)
    seconds = worst.seconds or 0.0
    others = f" {view.now.waiting} sessions wait in all." if view.now.waiting > 1 else ""
    by = f" In the way is {worst.blockers[0]}." if worst.blockers else ""
    yield said(
        "",
        seconds,
        f"pid {worst.pid} has waited {span(seconds)} for {worst.lock}.{others}{by}",
        f"Let what is in the way come to its end, or end it: SELECT pg_blocking_pids({worst.pid}) says who that is.",
    )


def _long_transactions(view: View) -> Iterator[Worsened]:
    limit = view.limits.max_transaction.total_seconds()
    for open_one in view.now.transactions[:1]:
        if open_one.seconds > limit:
            yield said(
                "",
                open_one.seconds,
                f"A transaction has been open for {span(open_one.seconds)}: {open_one.who}. "
                "No row that it might still see can be cleaned up, and what it locked stays locked.",
                "Find out whether it is still wanted, and let it commit or end it.",
            )


def _connections(view: View) -> Iterator[Worsened]:
    found = view.now.connections
    if found is None or found.limit <= 0:
        return
    share = found.used / found.limit
    if share > view.limits.max_connections:
        yield said(
            "",
            share,
            f"{found.used} of {found.limit} connections are in use ({share:.0%}): soon nobody else gets one.",
            "Look for sessions that are idle in a transaction, for a pool that is too large, for clients that retry.",
        )


def _lost_sessions(view: View) -> Iterator[Worsened]:
    kinds = ("sessions_abandoned", "sessions_fatal", "sessions_killed")
    lost = {kind: view.totals.get(kind, 0) for kind in kinds}
    number, begun = sum(lost.values()), view.totals.get("sessions", 0)
    if number <= FEW:
        return
    before = view.before.counters.counted
    formerly = sum(before.get(kind, 0) for kind in kinds) / max(1, before.get("sessions", 0))
    if number / max(1, begun) > view.limits.slower_than * formerly:
        told = ", ".join(f"{lost[kind]} {kind.removeprefix('sessions_')}" for kind in kinds if lost[kind])
        yield said(
            "",
            float(number),
            f"{number} sessions did not end by themselves: {told}.",
            "The server's log has the reasons: clients that went away, fatal errors, an administrator.",
            "warning",
        )


LOCK_WAIT = Rule("lock-wait", "error", _lock_waits)
LONG_TRANSACTION = Rule("long-transaction", "warning", _long_transactions)
CONNECTIONS = Rule("connections-used-up", "error", _connections)
LOST_SESSIONS = Rule("lost-sessions", "warning", _lost_sessions)
