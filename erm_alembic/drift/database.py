"""Drift of the database: the live catalog against that of a shadow in which the same revisions were replayed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from erm_alembic.drift.loaded import as_loaded
from erm_alembic.drift.memory import Memory
from erm_alembic.drift.other_tools import history_of
from erm_alembic.drift.own_name import with_name_of
from erm_alembic.drift.position import Position, tips
from erm_alembic.drift.roles import as_if_migrated_by
from erm_alembic.drift.scope import others_left_out
from erm_alembic.drift.versions import as_of_major
from erm_alembic.errors import ErmError, ProjectError, ShadowUnavailable
from erm_alembic.planning.comparison import Comparison
from erm_alembic.planning.model import ABSENT, Drift, HalfDoneRevision
from erm_alembic.postgres.snapshot import (
    Difference,
    ObjectKey,
    Snapshot,
    catalog_fingerprint,
    differences,
    take_snapshot,
)
from erm_alembic.shadow.catalogs import CatalogAt
from erm_alembic.shadow.opened import Shadow
from erm_alembic.target import Target

__all__ = ["DatabaseDrift", "Live", "as_drift", "compare_database", "read_fingerprint", "said_by"]


@dataclass(frozen=True)
class DatabaseDrift:
    """What is otherwise in the database.

    Args:
        drift: the differences, nothing left out yet.
        comparison: how the comparison ended.
        differences: the same as the snapshots tell them.
        expected: what the revisions make; None where that is not known, or where nothing differs.
        found: what the database has.
        equal: whether it is known that nothing at all is otherwise, neither in what was left out.
    """

    drift: tuple[Drift, ...]
    comparison: Comparison
    differences: tuple[Difference, ...] = ()
    expected: Snapshot | None = None
    found: Snapshot | None = None
    equal: bool = False


def compare_database(
    target: Target, shadow: Shadow, position: Position, *, live: str | None = None, whole: bool = False
) -> DatabaseDrift:
    """Compare a database with what its recorded revisions make.

    Args:
        target: the database.
        shadow: its shadow.
        position: where it stands in its history.
        live: the fingerprint of its catalog, where that is known already.
        whole: whether the snapshots are wanted, for a way out, although the fingerprints may settle it.

    Returns:
        The differences; an `unknown` comparison with its reason where there is no shadow.

    Raises:
        TargetError: the database cannot be read.
    """
    if target.settings.shadow.source == "live":
        return _unknown("shadow.from is live: there is no history that the database could be compared with.")
    try:
        # While a thread still makes what is expected, what is there is read.
        early = _read(Live(target, position)) if shadow.is_busy and shadow.exact_major else None
        made = _made_at(shadow, position.current, position)
        memory = Memory.of(target, shadow, position, made, live or read_fingerprint(Live(target, position)))
        if not whole and (known := memory.recall()) is not None:
            return DatabaseDrift(known, _comparison(known, made))
        everything = early if early is not None else _found(target, shadow, position)
        found = others_left_out(everything, made.snapshot, position.version_table)
        expected = _as_told(as_if_migrated_by(made.role, made.snapshot, found), target, shadow)
        # A live schema that was dumped and loaded, because of its major version, has empty materialised views.
        told = differences(expected, found, filling=shadow.exact_major)
        if told:
            expected = with_name_of(target.database, expected)
            told = differences(expected, found, filling=shadow.exact_major)
        told = _without_half_done(told, made, shadow, position)
        adopted = _adopted(told, found, target, shadow, position)
    except (ShadowUnavailable, ProjectError) as error:
        return _unknown(said_by(error))
    drift = tuple(as_drift(each, expected, found, adopted=each in adopted) for each in told)
    memory.keep(drift)
    equal = not drift and len(found.objects) == len(everything.objects)
    return DatabaseDrift(drift, _comparison(drift, made), told, expected, found, equal)


def _comparison(drift: tuple[Drift, ...], made: CatalogAt) -> Comparison:
    return Comparison("database", "differs" if drift else "same", notes=made.notes)


@dataclass(frozen=True)
class Live:
    """A database, and where it stands.

    Args:
        target: the database.
        position: where it stands in its history.
    """

    target: Target
    position: Position


def read_fingerprint(live: Live) -> str:
    """The fingerprint of a live database's catalog: one query.

    Args:
        live: the database.

    Raises:
        TargetError: it cannot be read.
    """
    with live.target.reading("erm drift") as cursor:
        return catalog_fingerprint(cursor, (live.position.ledger_schema,), (live.position.version_table,))


def _made_at(shadow: Shadow, revisions: Collection[str], position: Position) -> CatalogAt:
    """What a history makes."""
    return shadow.catalog_at(revisions, (position.ledger_schema,), (position.version_table,))


def _found(target: Target, shadow: Shadow, position: Position) -> Snapshot:
    """What the database has; as the shadow's server has it, where that is of another major version."""
    if shadow.exact_major:
        return _read(Live(target, position))
    return as_loaded(target, position, shadow, min(target.major, shadow.major))


def _as_told(made: Snapshot, target: Target, shadow: Shadow) -> Snapshot:
    """What a history makes, as far as both major versions can tell of it."""
    return made if shadow.exact_major else as_of_major(made, min(target.major, shadow.major))


def _read(live: Live) -> Snapshot:
    """The catalog of a live database."""
    with live.target.reading("erm drift") as cursor:
        return take_snapshot(cursor, (live.position.ledger_schema,), (live.position.version_table,))


def _without_half_done(
    told: tuple[Difference, ...], made: CatalogAt, shadow: Shadow, position: Position
) -> tuple[Difference, ...]:
    """Without what a half-done revision has begun to change: the ledger records that, it is no drift."""
    for half in position.half_done if told else ():
        there = _beyond(half, position)
        if there is None:
            continue
        further = _made_at(shadow, there, position).snapshot
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


def _belongs(difference: Difference, touched: Collection[ObjectKey], parents: Mapping[ObjectKey, ObjectKey]) -> bool:
    key: ObjectKey | None = (difference.kind, difference.object)
    while key is not None:
        if key in touched:
            return True
        key = parents.get(key)
    return False


def _adopted(
    told: tuple[Difference, ...], found: Snapshot, target: Target, shadow: Shadow, position: Position
) -> frozenset[Difference]:
    """The differences that are none any more once what is pending has run: a revision carries the hot fix already."""
    if not told or set(position.afterwards) == set(position.current):
        return frozenset()
    made = _made_at(shadow, position.afterwards, position)
    afterwards = _as_told(as_if_migrated_by(made.role, made.snapshot, found), target, shadow)
    still = differences(afterwards, found)
    parents = {**afterwards.parents, **found.parents}
    return frozenset(
        each for each in told if not any(_belongs(other, {(each.kind, each.object)}, parents) for other in still)
    )


def as_drift(difference: Difference, expected: Snapshot, found: Snapshot, *, adopted: bool = False) -> Drift:
    """A difference of two snapshots as drift of the database.

    Args:
        difference: the difference.
        expected: how it should be.
        found: how it is.
        adopted: whether the pending revisions make it as it is found.
    """
    side = found if difference.expected is None else expected if difference.found is None else None
    of = history_of(difference.object, side) if side is not None and difference.kind == "table" else None
    return Drift(
        kind=difference.kind,
        object=difference.object,
        source="database",
        expected=ABSENT if difference.expected is None else difference.expected,
        found=ABSENT if difference.found is None else difference.found,
        adopted=adopted,
        history_of=of,
    )


def said_by(error: ErmError) -> str:
    """Why something is not known, with what would help, as sentences.

    Args:
        error: what kept it from being known.

    Example:
        >>> said_by(ProjectError("there is no server", cure="Install one."))
        'there is no server. Install one.'
    """
    return " ".join(f"{part.rstrip().rstrip('.')}." for part in (error.what, error.cure) if part)


def _unknown(reason: str) -> DatabaseDrift:
    return DatabaseDrift((), Comparison("database", "unknown", reason))
