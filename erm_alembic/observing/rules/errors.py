"""What the server counts as gone wrong: transactions rolled back, deadlocks, conflicts, files on disk, checksums."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.config.sizes import about
from erm_alembic.observing.model import Worsened
from erm_alembic.observing.rules.view import Rule, View, said

__all__ = ["CHECKSUM_FAILURES", "DEADLOCKS", "RECOVERY_CONFLICTS", "ROLLBACKS", "TEMPORARY_FILES"]

TRANSACTIONS = ("xact_commit", "xact_rollback")
# In bytes: below that nobody minds files.
MUCH = 64 * 1024**2


def _rollbacks(view: View) -> Iterator[Worsened]:
    found = view.share("xact_rollback", *TRANSACTIONS)
    if found is None:
        return
    before, now = found
    if now - before > view.limits.more_errors:
        number = view.totals.get("xact_rollback", 0)
        yield said(
            "",
            now,
            f"{now:.1%} of the transactions are rolled back ({number}); before it were {before:.1%}.",
            "The logs of the application and of the server say with which errors.",
        )


def _deadlocks(view: View) -> Iterator[Worsened]:
    number = view.totals.get("deadlocks", 0)
    if not number:
        return
    counted = view.before.counters.counted
    since = sum(view.totals.get(name, 0) for name in TRANSACTIONS)
    formerly = counted.get("deadlocks", 0) / max(1, sum(counted.get(name, 0) for name in TRANSACTIONS))
    if number / max(1, since) > view.limits.slower_than * formerly:
        yield said(
            "",
            float(number),
            f"{number} deadlock{'s' if number > 1 else ''}: the server has ended a transaction each time.",
            "The server's log names the statements of both sides.",
        )


def _conflicts(view: View) -> Iterator[Worsened]:
    if number := view.totals.get("conflicts", 0):
        yield said("", float(number), f"Replay has cancelled {number} queries on this standby.", CONFLICT_HELP)
    first = {replica.name: replica.conflicts for replica in view.first.replicas}
    for replica in view.now.replicas:
        formerly = first.get(replica.name)
        if replica.conflicts is None or formerly is None:
            continue
        # What is less than before was reset meanwhile.
        number = replica.conflicts - formerly if replica.conflicts >= formerly else replica.conflicts
        if number:
            message = f"Replay has cancelled {number} queries on {replica.name}."
            yield said(replica.name, float(number), message, CONFLICT_HELP)


def _temporary_files(view: View) -> Iterator[Worsened]:
    size = view.totals.get("temp_bytes", 0)
    if size < MUCH:
        return
    counted = view.before.counters.counted
    since = max(1, sum(view.totals.get(name, 0) for name in TRANSACTIONS))
    formerly = counted.get("temp_bytes", 0) / max(1, sum(counted.get(name, 0) for name in TRANSACTIONS))
    if size / since > view.limits.slower_than * formerly:
        files = view.totals.get("temp_files", 0)
        yield said(
            "",
            float(size),
            f"Statements have written {about(size)} into {files} temporary files: their memory does not suffice.",
            "Look for a sort or a join that an index used to spare, or raise work_mem for it.",
        )


def _checksum_failures(view: View) -> Iterator[Worsened]:
    if number := view.totals.get("checksum_failures", 0):
        yield said(
            "",
            float(number),
            f"{number} pages have a wrong checksum: data on the disk is damaged.",
            "Stop what writes, fail over to a standby that is whole, and look at the disk.",
        )


CONFLICT_HELP = "Raise max_standby_streaming_delay, or set hot_standby_feedback, on the standby."

ROLLBACKS = Rule("more-rollbacks", "error", _rollbacks)
DEADLOCKS = Rule("deadlocks", "error", _deadlocks)
RECOVERY_CONFLICTS = Rule("recovery-conflicts", "warning", _conflicts)
TEMPORARY_FILES = Rule("temporary-files", "warning", _temporary_files)
CHECKSUM_FAILURES = Rule("checksum-failures", "error", _checksum_failures)
