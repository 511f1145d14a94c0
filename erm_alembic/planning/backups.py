"""What a plan says of backups: whether its run must have one, of what, and which ones hold what it is to lose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from erm_alembic.ledger.backups import LostObject

__all__ = ["HeldBackup", "PlannedBackup"]


@dataclass(frozen=True)
class HeldBackup:
    """A backup that stood behind the run that applied a revision which is now to be taken back.

    Args:
        id: the backup.
        place: where it is.
        started: when it was begun, with time zone.
        revision: the revision.
        holds: what that run was to lose, and this backup has.
        command: what brings it back once the revision is taken back; None where erm cannot read rows from it.
    """

    id: str
    place: str
    started: datetime
    revision: str
    holds: tuple[LostObject, ...]
    command: str | None


@dataclass(frozen=True)
class PlannedBackup:
    """What a plan says of backups.

    Args:
        demanded: whether its run must have one before its first step.
        before: what the profile says: `destructive`, `every` or `never`.
        method: what takes it.
        at_risk: what the run may lose, as far as that can be told.
        tables: the tables that a backup of its own holds; None for all.
        estimated_bytes: its size at most, before it is compressed; None where that is not known.
        fresh: the backup that is fresh enough, so that none is taken; None where there is none.
        held: of a rollback, the backups that hold what applying its revisions has lost.
        command: of a rollback, what brings back what it loses itself; None where no backup will hold that.
        notes: the backups that would be fresh enough, and are damaged.
    """

    demanded: bool
    before: str
    method: str
    at_risk: tuple[LostObject, ...] = ()
    tables: tuple[str, ...] | None = None
    estimated_bytes: int | None = None
    fresh: str | None = None
    held: tuple[HeldBackup, ...] = ()
    command: str | None = None
    notes: tuple[str, ...] = ()
