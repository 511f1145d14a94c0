"""Two databases against each other; those of servers of two major versions as one server has them both."""

from __future__ import annotations

from erm_alembic.drift.database import DatabaseDrift, Live, as_drift, said_by
from erm_alembic.drift.loaded import as_loaded
from erm_alembic.drift.roles import as_if_migrated_by, most_common_owner
from erm_alembic.drift.scope import others_left_out
from erm_alembic.errors import ProjectError, ShadowUnavailable
from erm_alembic.planning.comparison import Comparison
from erm_alembic.postgres.snapshot import FAMILIES, NOT_DUMPED, OF_DATABASE, Snapshot, differences, take_snapshot
from erm_alembic.shadow.opened import Shadow

__all__ = ["compare_live"]


def compare_live(one: Live, other: Live, shadows: tuple[Shadow, Shadow]) -> DatabaseDrift:
    """Compare two databases.

    Args:
        one: the one that is looked at.
        other: the one that has the schema which is expected.
        shadows: of the one and of the other, on the same server, that of the newer major version; used only where the
            major versions differ.

    Returns:
        The differences; an `unknown` comparison with its reason where the shadow's server cannot have both schemas.

    Raises:
        TargetError: one of them cannot be read.
    """
    same = one.target.major == other.target.major
    notes: tuple[str, ...] = ()
    if same:
        there, here = _read(other), _read(one)
    else:
        versions = f"One is PostgreSQL {one.target.server_version}, the other PostgreSQL {other.target.server_version}"
        try:
            oldest = min(one.target.major, other.target.major, shadows[0].major)
            here, there = (
                as_loaded(live.target, live.position, shadow, oldest, (*NOT_DUMPED, *OF_DATABASE))
                for live, shadow in zip((one, other), shadows, strict=True)
            )
            notes = (f"{versions}: both schemas were loaded into PostgreSQL {shadows[0].major} and compared there.",)
        except (ShadowUnavailable, ProjectError) as error:
            return DatabaseDrift((), Comparison("database", "unknown", f"{versions}. {said_by(error)}"))
    found = others_left_out(here, Snapshot({}), one.position.version_table)
    expected = others_left_out(there, Snapshot({}), other.position.version_table)
    expected = as_if_migrated_by(most_common_owner(expected), expected, found)
    # A schema that was dumped and loaded has empty materialised views.
    told = differences(expected, found, filling=same)
    drift = tuple(as_drift(each, expected, found) for each in told)
    return DatabaseDrift(
        drift, Comparison("database", "differs" if drift else "same", notes=notes), told, expected, found
    )


def _read(live: Live) -> Snapshot:
    """The catalog of a live database, and what belongs to the database as a whole."""
    with live.target.reading("erm drift") as cursor:
        position = live.position
        left_out = (position.ledger_schema,), (position.version_table,)
        return take_snapshot(cursor, *left_out, families=(*FAMILIES, *OF_DATABASE))
