"""Prove that a revision can be taken back: it goes up, down and up again in the shadow, without rows and with them.

Two passes. On the database as the history leaves it the catalog is compared. In a copy with rows made from the
catalog, written before and after the way up, the values are: what was there before must be there after the way down,
and what was written after the way up must be there after another way down and up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from erm_alembic.planning.rehearsal import DataProof, Proof
from erm_alembic.postgres.seeding import TableFacts, table_facts
from erm_alembic.shadow.held_rows import HeldRows, lost_between, read_rows, seen_as, written_since
from erm_alembic.shadow.round_trip import LeftOut, Place, Run, cursor_in, round_trip
from erm_alembic.shadow.seed import Likeness, seed_rows
from erm_alembic.shadow.server_words import failure_words

__all__ = ["LeftOut", "Place", "Run", "prove"]

# Ordinary values of the rows that are written after the way up begin here.
AFTER = 101


def prove(
    database: Place,
    up: Run,
    down: Run,
    *,
    keeps: Collection[str] = (),
    left_out: LeftOut | None = None,
) -> Proof:
    """Prove one revision that has a way down.

    Args:
        database: a scratch database as the history leaves it before the revision; it stays as it is. Nobody is
            connected to it.
        up: the revision's way up.
        down: its way down.
        keeps: the enum values that the revision declares to stay, such as `public.mood.'happy'`.
        left_out: the ledger's schema and Alembic's version table, which do not count.

    Raises:
        Exception: whatever the way up raises on the database as it is.
    """
    left_out = left_out or LeftOut()
    later: list[TableFacts] = []

    def look(trial: Place, touched: frozenset[str]) -> None:
        with cursor_in(trial) as cursor:
            later.extend(table_facts(cursor, touched - set(left_out.tables)))

    with database.copy() as trial:
        trip = round_trip(database, trial, up, down, left_out, keeps, look)
    if not trip.down_works:
        return Proof(trip.verdict, "impossible", (), trip.differences, trip.notes, trip.reason)
    names = (trip.up | trip.down) - set(left_out.tables)
    values = _Values(database, up, down, names, tuple(later)).proven(came_back=trip.verdict == "same")
    return Proof(
        trip.verdict,
        values.verdict,
        values.lost,
        trip.differences,
        (*trip.notes, *values.notes),
        trip.reason or values.reason,
    )


@dataclass(frozen=True)
class _Verdict:
    verdict: DataProof
    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class _Pass:
    """What became of the rows of one pass.

    Args:
        lost: the tables and columns that lost values.
        refused: why tables could not be given rows.
        down_error: why the way down fails on them.
    """

    lost: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    down_error: str | None = None


class _UpFails(Exception):
    """The way up fails on rows that were there before it."""


@dataclass(frozen=True)
class _Values:
    """The second pass: what becomes of values.

    Args:
        database: the database before the revision.
        up: the way up.
        down: the way down.
        names: the relations that either of them locked.
        later: the tables as the way up leaves them.
    """

    database: Place
    up: Run
    down: Run
    names: frozenset[str]
    later: tuple[TableFacts, ...]

    def proven(self, *, came_back: bool) -> _Verdict:
        """Whether the values come back.

        Args:
            came_back: whether the catalog does.
        """
        with cursor_in(self.database) as cursor:
            before = _asked(table_facts(cursor, self.names, [table.oid for table in self.later]))
        if not before and came_back:
            # Nothing but new tables, which are gone with their rows after the way down.
            lost = tuple(table.name for table in _asked(self.later) if table.takes_rows)
            return _Verdict("lossy" if lost else "lossless", lost)
        attempts: tuple[Likeness | None, ...] = ("edges", "plain", None)
        notes: list[str] = []
        for earlier in attempts:
            try:
                tried = self._pass(before, earlier, "edges")
            except _UpFails as error:
                notes = [UP_FAILS[earlier].format(reason=error)]
                continue
            if tried.down_error is None:
                return _judged(tried, notes)
            ordinary = self._pass(before, earlier, "plain")
            reason = f"The way down fails on rows that can be written after the way up: {tried.down_error}"
            return _Verdict("impossible", ordinary.lost, tuple(notes), reason)
        return _Verdict("unproven", reason=notes[-1])

    def _pass(self, before: tuple[TableFacts, ...], earlier: Likeness | None, after: Likeness) -> _Pass:
        names = [table.name for table in before]
        with self.database.copy() as place:
            refused: dict[str, str] = {}
            if earlier is not None:
                with contextlib.closing(place.connect()) as connection:
                    refused |= seed_rows(connection, names, likeness=earlier, later=self.later).refused
            was = _read(place, names)
            try:
                self.up(place)
            except Exception as error:
                raise _UpFails(failure_words(error)) from error
            with cursor_in(place) as cursor:
                top = [table.name for table in _asked(table_facts(cursor, self.names, [each.oid for each in before]))]
            own = _read(place, top)
            with contextlib.closing(place.connect()) as connection:
                refused |= seed_rows(connection, top, likeness=after, start=AFTER).refused
            written = written_since(_read(place, top), own)
            try:
                self.down(place)
            except Exception as error:
                return _Pass(down_error=failure_words(error))
            lost = [*lost_between(was, _read(place, was)), *self._lost_of(place, written)]
            known = {table.name for table in before}
            return _Pass(
                tuple(dict.fromkeys(lost)), {name: why for name, why in refused.items() if name in known or name in was}
            )

    def _lost_of(self, place: Place, written: Mapping[str, HeldRows]) -> tuple[str, ...]:
        """What of the rows that were written after the way up does not survive the way down."""
        oids = [held.table.oid for held in written.values()]
        with cursor_in(place) as cursor:
            down = read_rows(cursor, table_facts(cursor, list(written), oids))
            under_names = seen_as(cursor, down, written)
        try:
            # Up again, they stand under the same names, in the same types: nothing has to be understood.
            self.up(place)
        except Exception:
            return lost_between(written, under_names)
        return lost_between(written, _read(place, written))


def _judged(tried: _Pass, notes: Sequence[str]) -> _Verdict:
    why = "; ".join(f"{table}: {reason}" for table, reason in sorted(tried.refused.items()))
    reason = f"No rows could be made for {why}" if why else None
    if tried.lost:
        return _Verdict("lossy", tried.lost, tuple(notes), reason)
    return _Verdict("unproven" if why else "lossless", (), tuple(notes), reason)


def _asked(tables: Iterable[TableFacts]) -> tuple[TableFacts, ...]:
    return tuple(table for table in tables if table.asked)


def _read(place: Place, names: Collection[str]) -> dict[str, HeldRows]:
    with cursor_in(place) as cursor:
        return read_rows(cursor, table_facts(cursor, names))


UP_FAILS: Mapping[Likeness | None, str] = {
    "edges": "The way up fails on values at the edges of their types ({reason}): ordinary ones stood in the tables.",
    "plain": "The way up fails on rows that stand in its tables ({reason}): only rows written after it were tried.",
    None: "The way up fails when it is run again: {reason}",
}
