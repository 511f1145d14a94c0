"""Replicas that fall behind or cannot be read, slots that keep the log, a server that is away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from erm_alembic.config.sizes import about
from erm_alembic.observing.model import Gap, Worsened
from erm_alembic.observing.rules.view import Rule, View, said, span

__all__ = ["REPLICA_AWAY", "REPLICA_LAG", "SERVER_AWAY", "SLOT_KEEPS_LOG", "gaps_told"]


def _lag(view: View) -> Iterator[Worsened]:
    limit = view.limits.max_lag.total_seconds()
    for replica in view.now.replicas:
        if replica.seconds is not None and replica.seconds > limit:
            behind = "" if replica.size is None else f" ({about(replica.size)} of log)"
            least = "at least " if replica.at_least else ""
            yield said(
                replica.name,
                replica.seconds,
                f"{replica.name} is {least}{span(replica.seconds)} behind{behind}: what is read there is as old.",
                "`erm replicas` shows what holds it up: a long query there, a slow disk, a paused replay.",
            )


def _away(view: View) -> Iterator[Worsened]:
    formerly = {replica.name: replica.problem for replica in view.before.replicas}
    for replica in view.now.replicas:
        if replica.problem and not formerly.get(replica.name):
            yield said(
                replica.name,
                0.0,
                f"{replica.name} cannot be read from: {replica.problem.rstrip('.')}.",
                "Reads go to the other replicas and the primary until it is back.",
            )
    there = {replica.name for replica in view.now.replicas}
    for name in formerly:
        if name not in there:
            yield said(
                name,
                0.0,
                f"{name} no longer follows the server.",
                "Start it again, or drop its slot: the server keeps the log for it.",
            )


def _slots(view: View) -> Iterator[Worsened]:
    formerly = {slot.name: slot for slot in view.before.slots}
    for slot in view.now.slots:
        before = formerly.get(slot.name)
        lost = slot.wal_status in ("lost", "unreserved") or slot.invalidation_reason is not None
        if lost and not (before and (before.wal_status == slot.wal_status or before.invalidation_reason)):
            yield said(
                slot.name,
                float(slot.held_bytes or 0),
                f"The replication slot {slot.name} is lost, or about to be: whoever follows it must be made anew.",
                "Let its consumer catch up, or drop the slot.",
            )
        elif (slot.held_bytes or 0) > view.limits.max_slot and not slot.active:
            yield said(
                slot.name,
                float(slot.held_bytes or 0),
                f"The replication slot {slot.name}, which nobody uses, keeps {about(slot.held_bytes or 0)} of log: "
                "the disk fills up.",
                f"Start its consumer, or drop it: SELECT pg_drop_replication_slot('{slot.name}')",
                "warning",
            )
        elif (slot.held_bytes or 0) > view.limits.max_slot:
            yield said(
                slot.name,
                float(slot.held_bytes or 0),
                f"The consumer of the replication slot {slot.name} is {about(slot.held_bytes or 0)} behind.",
                "Find out what slows it down; the server keeps all of that on its disk.",
                "warning",
            )


def gaps_told(gaps: Iterable[Gap], now: datetime) -> Iterator[Worsened]:
    """The times in which nothing was seen.

    Args:
        gaps: those.
        now: what stands for the end of one that lasts.
    """
    for gap in gaps:
        seconds = gap.seconds(now)
        if gap.kind == "silence":
            message = f"The server did not answer for {span(seconds)}: {gap.why.rstrip('.')}."
        else:
            message = f"{gap.why.rstrip('.')}, within {span(seconds)}."
        found = said(f"{gap.since:%Y-%m-%d %H:%M:%S.%f}", seconds, message, "The server's log says why.")
        yield replace(found, is_over=gap.until is not None)


def _server_away(view: View) -> Iterator[Worsened]:
    return gaps_told(view.gaps, view.now.taken_at)


REPLICA_LAG = Rule("replica-lag", "error", _lag)
REPLICA_AWAY = Rule("replica-away", "error", _away)
SLOT_KEEPS_LOG = Rule("slot-keeps-log", "error", _slots)
SERVER_AWAY = Rule("server-away", "error", _server_away)
