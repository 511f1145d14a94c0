"""The catalog's round trip: after the way down it must be as before, and after the second way up as after the first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.planning.rehearsal import RoundTrip
from erm_alembic.postgres.seeding import enum_labels
from erm_alembic.postgres.snapshot import Difference, Snapshot, catalog_fingerprint, differences, take_snapshot
from erm_alembic.shadow.server_words import failure_words

__all__ = ["LeftOut", "Place", "Run", "Trip", "cursor_in", "round_trip"]


class Place(Protocol):
    """A scratch database."""

    def connect(self) -> Any:
        """A new psycopg2 connection to it, outside a transaction; whoever asked for it closes it."""

    def copy(self) -> AbstractContextManager[Place]:
        """A copy of it as it is, dropped at the end. Nobody is connected to it meanwhile."""


Run = Callable[[Place], Collection[str]]
"""Runs one direction of a revision in a scratch database, records it there as Alembic does, and leaves no connection
behind; the relations that it locked for more than reading, by their names in the shadow, with their schemas. Raises
whatever the revision raises."""


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
class Trip:
    """How the round trip ended.

    Args:
        verdict: whether the catalog came back.
        differences: what did not, for a human.
        notes: what no downgrade can restore.
        reason: why it failed.
        down_works: whether the way down could be run.
        up: the relations that the way up locked for more than reading.
        down: those that the way down locked so.
    """

    verdict: RoundTrip
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None
    down_works: bool = True
    up: frozenset[str] = frozenset()
    down: frozenset[str] = frozenset()


@contextlib.contextmanager
def cursor_in(place: Place) -> Iterator[Any]:
    """A plain cursor in a scratch database, outside a transaction; its connection is closed at the end."""
    with (
        contextlib.closing(place.connect()) as connection,
        connection.cursor(cursor_factory=PlainCursor) as cursor,
    ):
        yield cursor


@dataclass(frozen=True)
class _Seen:
    fingerprint: str
    labels: Mapping[str, tuple[str, ...]]


def round_trip(
    before: Place,
    trial: Place,
    up: Run,
    down: Run,
    left_out: LeftOut,
    keeps: Collection[str],
    on_up: Callable[[Place, frozenset[str]], None],
) -> Trip:
    """Go up, down and up again.

    Args:
        before: the database before the revision, which is left as it is.
        trial: a copy of it, in which the revision runs.
        up: the way up.
        down: the way down.
        left_out: what does not count.
        keeps: the enum values that the revision declares to stay, such as `public.mood.'happy'`.
        on_up: called when the first way up is over, to look around in `trial`, with what that locked.

    Raises:
        Exception: whatever the first way up raises.
    """
    start = _see(before, left_out)
    touched_up = frozenset(up(trial))
    on_up(trial, touched_up)
    top = _see(trial, left_out)
    try:
        touched_down = frozenset(down(trial))
    except Exception as error:
        reason = f"The way down fails: {failure_words(error)}"
        return Trip("failed", reason=reason, down_works=False, up=touched_up)
    told: list[str] = []
    notes: list[str] = []
    bottom = _see(trial, left_out)
    if bottom.fingerprint != start.fingerprint:
        found = differences(_snapshot(before, left_out), _snapshot(trial, left_out))
        told, notes = _told(found, "After the way down", _kept(start.labels, bottom.labels, keeps))
    if not told:
        try:
            up(trial)
        except Exception as error:
            reason = f"The second way up fails: {failure_words(error)}"
            return Trip("failed", (), tuple(notes), reason, up=touched_up, down=touched_down)
        if _see(trial, left_out).fingerprint != top.fingerprint:
            with before.copy() as fresh:
                up(fresh)
                found = differences(_snapshot(fresh, left_out), _snapshot(trial, left_out))
            told, more = _told(found, "After the second way up", {})
            notes += [note for note in more if note not in notes]
    return Trip("differs" if told else "same", tuple(told), tuple(notes), up=touched_up, down=touched_down)


def _see(place: Place, left_out: LeftOut) -> _Seen:
    with cursor_in(place) as cursor:
        fingerprint = catalog_fingerprint(cursor, left_out.schemas, left_out.tables)
        return _Seen(fingerprint, enum_labels(cursor, left_out.schemas))


def _snapshot(place: Place, left_out: LeftOut) -> Snapshot:
    with cursor_in(place) as cursor:
        return take_snapshot(cursor, left_out.schemas, left_out.tables)


def _kept(
    before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]], declared: Collection[str]
) -> dict[str, list[str]]:
    """The enum values that stay, by the name of their type, where all that stay are declared."""
    kept = {}
    for name, labels in after.items():
        former = before.get(name, ())
        more = [_label(name, label) for label in labels if label not in former]
        if more and tuple(label for label in labels if label in former) == former and set(more) <= set(declared):
            kept[name] = more
    return kept


def _label(name: str, label: str) -> str:
    quoted = label.replace("'", "''")
    return f"{name}.'{quoted}'"


def _told(found: Collection[Difference], when: str, kept: Mapping[str, list[str]]) -> tuple[list[str], list[str]]:
    """The differences that count, and those that are only to know, in words."""
    told, notes = [], []
    for each in found:
        if each.kind == "column-order":
            notes.append(f"The columns of {each.object} stand in another order: {each.found}, not {each.expected}.")
        elif each.kind == "enum" and each.property == "labels" and each.object in kept:
            notes += [f"{value} stays, as the revision declares." for value in kept[each.object]]
        else:
            told.append(f"{when}, {_in_words(each)}")
    return told, list(dict.fromkeys(notes))


def _in_words(each: Difference) -> str:
    what = f"{each.kind.replace('-', ' ')} {each.object}"
    if each.found is None:
        return f"{what} is missing ({each.expected})."
    if each.expected is None:
        return f"{what} is left ({each.found})."
    return f"{what} has {each.found}; it had {each.expected}."
