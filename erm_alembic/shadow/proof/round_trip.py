"""The catalog's round trip: after the way down it must be as before, and after the second way up as after the first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.postgres.proving import enum_labels
from erm_alembic.postgres.snapshot import Difference, catalog_fingerprint, differences, take_snapshot
from erm_alembic.shadow.server_words import failure_words

__all__ = [
    "LeftOut",
    "Place",
    "Returned",
    "Revision",
    "Run",
    "WayDownFails",
    "cursor_in",
    "differs_on_top",
    "return_trip",
]


class Place(Protocol):
    """A scratch database."""

    def connect(self) -> Any:
        """A new psycopg2 connection to it, outside a transaction; whoever asked for it closes it."""

    def copy(self) -> AbstractContextManager[Place]:
        """A copy of it as it is, dropped at the end. Nobody is connected to it meanwhile."""


class Run(Protocol):
    """Runs one direction of a revision in a scratch database."""

    def __call__(self, place: Place, *, watched: bool = False) -> Collection[str]:
        """Run it, record it there as Alembic does, and leave no connection behind.

        Args:
            place: the scratch database.
            watched: whether its locks are asked for.

        Returns:
            The relations that it locked for more than reading, by their names in the shadow, with their schemas.

        Raises:
            Exception: whatever the revision raises.
        """


@dataclass(frozen=True)
class LeftOut:
    """What does not count in a proof.

    Args:
        schemas: names of schemas, unquoted: the ledger's.
        tables: names of tables, with their schemas and quoted where they must be: Alembic's version table.
    """

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Revision:
    """The revision that is proven.

    Args:
        up: its way up.
        down: its way down.
        keeps: the enum values that it declares to stay, such as `public.mood.'happy'`.
        left_out: what does not count.
    """

    up: Run
    down: Run
    keeps: Collection[str] = ()
    left_out: LeftOut = LeftOut()

    def fingerprint(self, cursor: Any) -> str:
        """The fingerprint of the catalog, without what does not count."""
        # One connection is asked before and after each way of every revision.
        return catalog_fingerprint(cursor, self.left_out.schemas, self.left_out.tables, prepared=True)

    def differences(self, expected: Any, found: Any) -> tuple[Difference, ...]:
        """What differs between the catalogs of two databases, given by their cursors."""
        snapshots = (take_snapshot(each, self.left_out.schemas, self.left_out.tables) for each in (expected, found))
        return differences(*snapshots)


@dataclass(frozen=True)
class Returned:
    """What a way up and down made of the catalog.

    Args:
        top: the fingerprint after the way up.
        differences: what is not as before, for a human.
        notes: what no downgrade can restore.
        locked: the relations that were locked for more than reading.
    """

    top: str
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    locked: frozenset[str] = frozenset()


class WayDownFails(Exception):
    """The way down fails where there is nothing that it could fail on."""


@contextlib.contextmanager
def cursor_in(place: Place) -> Iterator[Any]:
    """A plain cursor in a scratch database, in autocommit mode; its connection is closed at the end."""
    with contextlib.closing(place.connect()) as connection:
        connection.autocommit = True
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            yield cursor


def return_trip(
    revision: Revision,
    database: Place,
    trial: Place,
    cursor: Any,
    look: Callable[[Collection[str]], None],
    start: str = "",
) -> Returned:
    """Go up and down.

    Args:
        revision: the revision.
        database: the database before it, which is left as it is.
        trial: a copy of it, in which the revision runs.
        cursor: of the copy.
        look: called when the way up is over, with what it locked.
        start: the fingerprint before it, where that is known.

    Raises:
        WayDownFails: with the reason.
        Exception: whatever the way up raises.
    """
    start = start or revision.fingerprint(cursor)
    locked = frozenset(revision.up(trial, watched=True))
    look(locked)
    top = revision.fingerprint(cursor)
    try:
        locked |= frozenset(revision.down(trial, watched=True))
    except Exception as error:
        raise WayDownFails(failure_words(error)) from error
    if revision.fingerprint(cursor) == start:
        return Returned(top, locked=locked)
    schemas = revision.left_out.schemas
    with cursor_in(database) as before:
        found = revision.differences(before, cursor)
        values = _added_values(enum_labels(before, schemas), enum_labels(cursor, schemas), revision.keeps)
    told, notes = _told(found, "After the way down", values)
    return Returned(top, told, notes, locked)


def differs_on_top(
    revision: Revision, database: Place, cursor: Any, top: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is otherwise after the second way up than after the first, and what of that is only to know.

    Args:
        revision: the revision.
        database: the database before it, which is left as it is.
        cursor: of the copy that has gone up twice.
        top: the fingerprint after the first way up.
    """
    if revision.fingerprint(cursor) == top:
        return (), ()
    with database.copy() as fresh:
        revision.up(fresh)
        with cursor_in(fresh) as once:
            found = revision.differences(once, cursor)
    return _told(found, "After the second way up")


@dataclass(frozen=True)
class _EnumValues:
    """The enum values that were not there before, by the name of their type; the order of the others is as it was.

    Args:
        declared: those that the revision declares to stay.
        left: the others.
    """

    declared: Mapping[str, tuple[str, ...]]
    left: Mapping[str, tuple[str, ...]]


def _added_values(
    before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]], keeps: Collection[str]
) -> _EnumValues:
    declared, left = {}, {}
    for name, labels in after.items():
        former = before.get(name, ())
        more = [_value(name, label) for label in labels if label not in former]
        if more and tuple(label for label in labels if label in former) == former:
            declared[name] = tuple(value for value in more if value in keeps)
            left[name] = tuple(value for value in more if value not in keeps)
    return _EnumValues(declared, left)


def _value(name: str, label: str) -> str:
    quoted = label.replace("'", "''")
    return f"{name}.'{quoted}'"


def _told(
    found: Collection[Difference], when: str, values: _EnumValues | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The differences that count, and those that are only to know, in words."""
    told: list[str] = []
    notes: list[str] = []
    for each in found:
        if each.kind == "column-order":
            notes.append(f"The columns of {each.object} stand in another order: {each.found}, not {each.expected}.")
        elif each.kind == "extension" and each.expected is None:
            # What other revisions, schemas and people may use by then is not a way down's to drop.
            notes.append(f"Extension {each.object} stays: other things may use it by then.")
        elif values and each.kind == "enum" and each.property == "labels" and each.object in values.declared:
            told += [f"{when}, {value} is left in its enum." for value in values.left[each.object]]
            notes += [f"{value} stays, as the revision declares." for value in values.declared[each.object]]
        else:
            told.append(f"{when}, {_in_words(each)}")
    return tuple(told), tuple(notes)


def _in_words(each: Difference) -> str:
    what = f"{each.kind.replace('-', ' ')} {each.object}"
    if each.found is None:
        return f"{what} is missing ({each.expected})."
    if each.expected is None:
        return f"{what} is left ({each.found})."
    return f"{what} has {each.found}; it had {each.expected}."
