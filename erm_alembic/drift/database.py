"""Drift of the database: the live catalog against that of a shadow in which the same revisions were replayed."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.drift.roles import as_if_migrated_by, most_common_owner
from erm_alembic.drift.scope import others_left_out
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.planning.comparison import Comparison
from erm_alembic.planning.model import Drift, HalfDoneRevision
from erm_alembic.postgres.catalog import session_role
from erm_alembic.postgres.snapshot import Difference, ObjectKey, Snapshot, differences, take_snapshot
from erm_alembic.shadow.opened import Shadow
from erm_alembic.target import Target

__all__ = ["DatabaseDrift", "Live", "Position", "as_drift", "compare_database", "compare_live", "made_at", "tips"]

ABSENT = "absent"


@dataclass(frozen=True)
class Position:
    """Where a database stands in its history, and what does not count in it.

    Args:
        current: the revisions that it records.
        afterwards: those that it would record once what is pending has run; the same where nothing is.
        version_table: Alembic's version table, with its schema.
        ledger_schema: the schema of erm's ledger.
        half_done: the revisions of which only a part is committed.
        parents: what each revision of the project builds or depends on.
    """

    current: tuple[str, ...]
    afterwards: tuple[str, ...]
    version_table: str
    ledger_schema: str
    half_done: tuple[HalfDoneRevision, ...] = ()
    parents: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True)
class Made:
    """What a history makes.

    Args:
        snapshot: the catalog of the shadow.
        replayer: the role that replayed the history, quoted where it must be.
        notes: what is not as on the target.
    """

    snapshot: Snapshot
    replayer: str
    notes: tuple[str, ...] = ()

    def beside(self, found: Snapshot) -> Snapshot:
        """The snapshot as if whoever migrates a live database had replayed the history.

        Args:
            found: the live database.
        """
        return as_if_migrated_by(self.replayer, self.snapshot, found)


@dataclass(frozen=True)
class DatabaseDrift:
    """What is otherwise in the database.

    Args:
        drift: the differences, nothing left out yet.
        comparison: how the comparison ended.
        differences: the same as the snapshots tell them.
        expected: what the revisions make; None where that is not known, or where nothing differs.
        found: what the database has.
    """

    drift: tuple[Drift, ...]
    comparison: Comparison
    differences: tuple[Difference, ...] = ()
    expected: Snapshot | None = None
    found: Snapshot | None = None


def compare_database(target: Target, shadow: Shadow, position: Position) -> DatabaseDrift:
    """Compare a database with what its recorded revisions make.

    Args:
        target: the database.
        shadow: its shadow.
        position: where it stands in its history.

    Returns:
        The differences; an `unknown` comparison with its reason where there is no shadow.

    Raises:
        TargetError: the database cannot be read.
    """
    if target.settings.shadow.source == "live":
        return _unknown("shadow.from is live: there is no history that the database could be compared with.")
    try:
        made = made_at(shadow, position.current, position)
        found = others_left_out(_snapshot_of(target, shadow, position), made.snapshot, position.version_table)
        expected = made.beside(found)
        told = differences(expected, found)
        told = _without_half_done(told, made, shadow, position)
        adopted = _adopted(told, found, shadow, position)
    except ShadowUnavailable as error:
        return _unknown(error.reason if not error.cure else f"{error.reason} {error.cure}")
    drift = tuple(as_drift(each, adopted=each in adopted) for each in told)
    verdict = Comparison("database", "differs" if drift else "same", notes=made.notes)
    return DatabaseDrift(drift, verdict, told, expected, found)


@dataclass(frozen=True)
class Live:
    """A database, and where it stands.

    Args:
        target: the database.
        position: where it stands in its history.
    """

    target: Target
    position: Position


def compare_live(one: Live, other: Live) -> DatabaseDrift:
    """Compare two databases.

    Args:
        one: the one that is looked at.
        other: the one that has the schema which is expected.

    Raises:
        TargetError: one of them cannot be read.
    """
    if one.target.major != other.target.major:
        return _unknown(
            f"One is PostgreSQL {one.target.server_version}, the other PostgreSQL {other.target.server_version}."
        )
    found = others_left_out(_read(one), Snapshot({}), one.position.version_table)
    expected = others_left_out(_read(other), Snapshot({}), other.position.version_table)
    expected = as_if_migrated_by(most_common_owner(expected), expected, found)
    told = differences(expected, found)
    drift = tuple(as_drift(each) for each in told)
    return DatabaseDrift(drift, Comparison("database", "differs" if drift else "same"), told, expected, found)


def made_at(shadow: Shadow, revisions: Collection[str], position: Position) -> Made:
    """Replay a history in the shadow, and look at what it makes.

    Args:
        shadow: the shadow.
        revisions: how far the history goes.
        position: what does not count.

    Raises:
        ShadowUnavailable: it cannot be had.
    """
    left_out = (position.ledger_schema,), (position.version_table,)
    with (
        shadow.at(revisions) as database,
        contextlib.closing(database.connect()) as connection,
        connection.cursor(cursor_factory=PlainCursor) as cursor,
    ):
        replayer = session_role(cursor)
        connection.rollback()
        return Made(take_snapshot(cursor, *left_out), replayer, database.notes)


def _snapshot_of(target: Target, shadow: Shadow, position: Position) -> Snapshot:
    if not shadow.exact_major:
        raise ShadowUnavailable(
            f"The shadow is PostgreSQL {shadow.major} and the target is PostgreSQL {target.server_version}.",
            cure="Install PostgreSQL of the target's major version, or name such a server in `shadow.url`.",
        )
    return _read(Live(target, position))


def _read(live: Live) -> Snapshot:
    """The catalog of a live database."""
    with (
        live.target.reported(),
        contextlib.closing(live.target.connect_read_only("erm drift")) as connection,
        connection.cursor(cursor_factory=PlainCursor) as cursor,
    ):
        return take_snapshot(cursor, (live.position.ledger_schema,), (live.position.version_table,))


def _without_half_done(
    told: tuple[Difference, ...], made: Made, shadow: Shadow, position: Position
) -> tuple[Difference, ...]:
    """Without what a half-done revision has begun to change: the ledger records that, it is no drift."""
    for half in position.half_done if told else ():
        there = _beyond(half, position)
        if there is None:
            continue
        further = made_at(shadow, there, position).snapshot
        touched = {(each.kind, each.object) for each in differences(made.snapshot, further)}
        parents = {**further.parents, **made.snapshot.parents}
        told = tuple(each for each in told if not _belongs(each, touched, parents))
    return told


def _beyond(half: HalfDoneRevision, position: Position) -> tuple[str, ...] | None:
    """Where the history would be with the half-done revision wholly done."""
    if half.obstacle == "file-gone" or position.parents is None:
        return None
    if half.direction == "upgrade":
        return tips({*position.current, half.revision}, position.parents)
    return tips({*position.current, *position.parents.get(half.revision, ())} - {half.revision}, position.parents)


def tips(revisions: Collection[str], parents: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Those of some revisions that none of the others builds on, directly or not.

    Args:
        revisions: the revisions.
        parents: what each revision builds or depends on.

    Example:
        >>> tips(["a", "b", "d"], {"b": ["a"], "c": ["b"], "d": ["c"]})
        ('d',)
    """
    below: set[str] = set()
    ahead = [parent for revision in revisions for parent in parents.get(revision, ())]
    while ahead:
        revision = ahead.pop()
        if revision not in below:
            below.add(revision)
            ahead.extend(parents.get(revision, ()))
    return tuple(sorted(set(revisions) - below))


def _belongs(difference: Difference, touched: Collection[ObjectKey], parents: Mapping[ObjectKey, ObjectKey]) -> bool:
    key: ObjectKey | None = (difference.kind, difference.object)
    while key is not None:
        if key in touched:
            return True
        key = parents.get(key)
    return False


def _adopted(
    told: tuple[Difference, ...], found: Snapshot, shadow: Shadow, position: Position
) -> frozenset[Difference]:
    """The differences that are none any more once what is pending has run: a revision carries the hot fix already."""
    if not told or set(position.afterwards) == set(position.current):
        return frozenset()
    afterwards = made_at(shadow, position.afterwards, position).beside(found)
    still = differences(afterwards, found)
    parents = {**afterwards.parents, **found.parents}
    return frozenset(
        each for each in told if not any(_belongs(other, {(each.kind, each.object)}, parents) for other in still)
    )


def as_drift(difference: Difference, *, adopted: bool = False) -> Drift:
    """A difference of two snapshots as drift of the database.

    Args:
        difference: the difference.
        adopted: whether the pending revisions make it as it is found.
    """
    return Drift(
        kind=difference.kind,
        object=difference.object,
        source="database",
        expected=ABSENT if difference.expected is None else difference.expected,
        found=ABSENT if difference.found is None else difference.found,
        adopted=adopted,
    )


def _unknown(reason: str) -> DatabaseDrift:
    return DatabaseDrift((), Comparison("database", "unknown", reason))
