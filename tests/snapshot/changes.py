"""One change by hand for each thing that a snapshot sees, and what the snapshot has to tell of it.

Each is applied to the schema of schema.sql.
"""

from __future__ import annotations

from tests.snapshot.change import Change
from tests.snapshot.changes_of_code import CODE
from tests.snapshot.changes_of_corners import CORNERS
from tests.snapshot.changes_of_language import LANGUAGE
from tests.snapshot.changes_of_parts import PARTS
from tests.snapshot.changes_of_tables import TABLES

__all__ = ["BATCHES", "CHANGES"]

CHANGES = (*TABLES, *PARTS, *CODE, *LANGUAGE, *CORNERS)


def _batches(greatest: int = 16) -> tuple[tuple[Change, ...], ...]:
    """The changes, several together where none is about what another is about: a snapshot a change is slow."""
    batches: list[list[Change]] = []
    for change in CHANGES:
        room = None if change.alone else next((batch for batch in batches if _fits(change, batch, greatest)), None)
        if room is None:
            batches.append([change])
        else:
            room.append(change)
    return tuple(tuple(batch) for batch in batches)


def _fits(change: Change, batch: list[Change], greatest: int) -> bool:
    objects = {name for other in batch for _, name, _ in other.told}
    return len(batch) < greatest and not batch[0].alone and objects.isdisjoint(name for _, name, _ in change.told)


BATCHES = _batches()
