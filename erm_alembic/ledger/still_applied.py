"""Where the ledger says that a database stands, for when the database itself no longer says it."""

from __future__ import annotations

from collections.abc import Sequence

from erm_alembic.ledger.model import RunRecord

__all__ = ["still_applied"]


def still_applied(runs: Sequence[RunRecord]) -> tuple[str, ...]:
    """The revisions that were applied and not taken back since, in the order in which they were applied.

    Args:
        runs: all runs of the ledger, latest first.

    Example:
        >>> still_applied(())
        ()
    """
    applied: dict[str, None] = {}
    for run in reversed(runs):
        for record in run.revisions:
            if record.outcome == "done":
                applied.pop(record.revision, None)
                if record.direction == "upgrade":
                    applied[record.revision] = None
    return tuple(applied)
