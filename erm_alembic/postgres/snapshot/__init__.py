"""The catalog snapshot: everything that a schema is made of, as values that can be compared, kept and fingerprinted.

Each family of objects is one SQL text, one file, one line in `families.FAMILIES`. `take_snapshot` fetches its rows, and
`catalog_fingerprint` has the server hash the same rows: what the one sees, the other sees.
"""

from __future__ import annotations

from erm_alembic.postgres.snapshot.compare import differences, seen_from_the_other_side
from erm_alembic.postgres.snapshot.families import FAMILIES, NOT_DUMPED, OF_DATABASE
from erm_alembic.postgres.snapshot.fingerprint import catalog_fingerprint
from erm_alembic.postgres.snapshot.model import (
    KINDS,
    Difference,
    Kind,
    ObjectKey,
    Snapshot,
    belongs_to_environment,
)
from erm_alembic.postgres.snapshot.read import take_snapshot
from erm_alembic.postgres.snapshot.store import snapshot_from_json, snapshot_to_json

__all__ = [
    "FAMILIES",
    "KINDS",
    "NOT_DUMPED",
    "OF_DATABASE",
    "Difference",
    "Kind",
    "ObjectKey",
    "Snapshot",
    "belongs_to_environment",
    "catalog_fingerprint",
    "differences",
    "seen_from_the_other_side",
    "snapshot_from_json",
    "snapshot_to_json",
    "take_snapshot",
]
