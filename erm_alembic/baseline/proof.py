"""The proof of a baseline: replayed in the shadow, it makes what the live database has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from erm_alembic.drift.database import compare_database
from erm_alembic.drift.left_out import leave_out
from erm_alembic.drift.position import Position
from erm_alembic.drift.severity import severity_of
from erm_alembic.opening import Opened, interruptible
from erm_alembic.planning.baselines import Proof
from erm_alembic.shadow.opened import open_shadow
from erm_alembic.under_way import under_way

__all__ = ["prove"]


def prove(opened: Opened, revisions: Sequence[str], version_table: str) -> Proof:
    """Compare the live database with what revisions make in the shadow.

    Args:
        opened: the settings, the target and the project, which has the revisions.
        revisions: the revisions that a database records which has this schema.
        version_table: Alembic's version table, with its schema.

    Raises:
        TargetError: the database cannot be read.
    """
    settings, target = opened.settings, opened.target
    if settings.shadow.source == "live":  # which compares a database with itself
        settings = replace(settings, shadow=replace(settings.shadow, source="history"))
        target = replace(target, settings=settings)
    heads = tuple(sorted(revisions))
    position = Position(heads, heads, version_table, settings.ledger.schema)
    under_way("replaying the revision in a shadow")
    with open_shadow(settings, opened.project, target) as shadow:
        found = interruptible(target, lambda: compare_database(target, shadow, position, whole=True))
    comparison = found.comparison
    if comparison.verdict == "unknown":
        return Proof("unknown", comparison.reason, notes=comparison.notes)
    kept, _ = leave_out(found.drift, settings.drift.ignore, (settings.routing.heartbeat,))
    wrong = tuple(each for each in kept if severity_of(each.kind, settings.drift) == "error")
    other = tuple(each for each in kept if each not in wrong and severity_of(each.kind, settings.drift) != "off")
    return Proof("differs" if kept else "same", None, wrong, other, comparison.notes)
