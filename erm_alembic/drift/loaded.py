"""The live database as a server of another major version has it: its schema dumped and loaded there."""

from __future__ import annotations

from collections.abc import Sequence

from erm_alembic.drift.position import Position
from erm_alembic.drift.versions import as_of_major
from erm_alembic.postgres.snapshot import NOT_DUMPED, Snapshot, take_snapshot
from erm_alembic.postgres.snapshot.family import Family
from erm_alembic.shadow.opened import Shadow
from erm_alembic.target import Target

__all__ = ["as_loaded"]


def as_loaded(
    target: Target, position: Position, shadow: Shadow, major: int, beside: Sequence[Family] = NOT_DUMPED
) -> Snapshot:
    """The catalog of the live database as the shadow's server has it, as far as an older major version can tell of it.

    Args:
        target: the database.
        position: where it stands in its history.
        shadow: its shadow.
        major: the oldest major version of those that are compared.
        beside: what no dump carries, and is read from the database itself.

    Raises:
        ShadowUnavailable: it cannot be dumped, or not loaded.
        TargetError: it cannot be read.
    """
    left_out = (position.ledger_schema,), (position.version_table,)
    loaded = shadow.catalog_of_live(*left_out).snapshot
    with target.reading("erm drift") as cursor:
        read = take_snapshot(cursor, *left_out, families=beside, major=major)
    return as_of_major(Snapshot({**loaded.objects, **read.objects}, {**loaded.parents, **read.parents}), major)
