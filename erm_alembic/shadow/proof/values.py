"""What becomes of values on the way up and down: rows are written before and after the way up, and looked for again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg2

from erm_alembic.planning.rehearsal import DataProof, FailureOnRows
from erm_alembic.postgres.seeding import TableFacts, table_facts
from erm_alembic.postgres.text.words import written_name
from erm_alembic.shadow.proof.held_rows import HeldRows, lost_between, read_rows, seen_as, written_since
from erm_alembic.shadow.proof.moved_rows import not_moved, without_kept
from erm_alembic.shadow.proof.round_trip import Place, Revision, cursor_in
from erm_alembic.shadow.seeds.seed import Likeness, seed_rows
from erm_alembic.shadow.server_words import failure_words

__all__ = ["Judgement", "Values", "asked", "of_new_tables"]

# Ordinary values of the rows that are written after the way up begin here.
AFTER = 101
# What stands in the tables before the way up: the first that it does not fail on.
EARLIER: tuple[Likeness | None, ...] = ("edges", "plain", None)
UP_FAILS: Mapping[Likeness | None, str] = {
    "edges": "The way up fails on values at the edges of their types ({reason}): ordinary ones stood in the tables.",
    "plain": "The way up fails on rows that stand in its tables ({reason}): only rows written after it were tried.",
    None: "The way up fails when it is run again: {reason}",
}


@dataclass(frozen=True)
class Judgement:
    """Whether values come back.

    Args:
        verdict: in a word.
        lost: the tables and columns whose values are lost.
        notes: under which limits this was found.
        reason: why the way down fails on rows, or why rows could not be made.
        on_top: whether the spare copy is, in the end, as the way up leaves it, but for rows.
        tables: the tables of it that were given rows.
        fails_on_rows: why the way up fails on ordinary rows, where it goes through without any.
    """

    verdict: DataProof
    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None
    on_top: bool = False
    tables: frozenset[str] = frozenset()
    fails_on_rows: FailureOnRows | None = None


@dataclass(frozen=True)
class _Pass:
    """What became of the rows of one pass.

    Args:
        lost: the tables and columns that lost values.
        refused: why tables could not be given rows.
        down_error: why the way down fails on them.
        on_top: whether it ended with a second way up.
        tables: the tables that were given rows.
    """

    lost: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    down_error: str | None = None
    on_top: bool = False
    tables: frozenset[str] = frozenset()


class _UpFails(Exception):
    """The way up fails on the rows that stand before it."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(failure_words(cause))
        self.cause = cause

    def on_rows(self) -> FailureOnRows:
        """The same for a machine."""
        error = getattr(self.cause, "orig", None) or self.cause
        if not isinstance(error, psycopg2.Error):
            return FailureOnRows(str(self))
        named = [name for name in (error.diag.schema_name, error.diag.table_name) if name]
        table = written_name(named) if error.diag.table_name else None
        return FailureOnRows(str(self), error.pgcode or "", table, error.diag.column_name)


def asked(tables: Iterable[TableFacts]) -> tuple[TableFacts, ...]:
    """The tables that were asked for, without those that they only refer to."""
    return tuple(table for table in tables if table.asked)


def of_new_tables(later: Iterable[TableFacts]) -> Judgement:
    """The judgement where a revision touches nothing but tables that it makes, and the way down drops them.

    Args:
        later: the tables as the way up leaves them.
    """
    lost = tuple(table.name for table in asked(later) if table.takes_rows)
    return Judgement("lossy" if lost else "lossless", lost)


@dataclass(frozen=True)
class Values:
    """What becomes of values.

    Args:
        database: the database before the revision, which is left as it is.
        revision: the revision.
        names: the relations that it locks for more than reading.
        before: the tables among them that are there before it, and those that these refer to.
        later: the tables as its way up leaves them.
    """

    database: Place
    revision: Revision
    names: frozenset[str]
    before: tuple[TableFacts, ...]
    later: tuple[TableFacts, ...]

    def judged(self, spare: tuple[Place, Any] | None = None, on_top: Callable[[], None] = lambda: None) -> Judgement:
        """Write rows, go up, write rows, go down, and look what is left.

        Args:
            spare: a copy of the database, with a cursor, that may be used up.
            on_top: called when the way up in the spare copy is over.
        """
        notes: tuple[str, ...] = ()
        on_rows: FailureOnRows | None = None
        for earlier in EARLIER:
            try:
                tried = self._pass(earlier, "edges", spare, on_top)
            except _UpFails as error:
                notes = (UP_FAILS[earlier].format(reason=error),)
                on_rows = error.on_rows() if earlier == "plain" else None
            else:
                if tried.down_error is None:
                    judged = replace(_judged(tried, notes), fails_on_rows=on_rows)
                    return replace(judged, on_top=tried.on_top, tables=tried.tables) if spare is not None else judged
                reason = f"The way down fails on rows that can be written after the way up: {tried.down_error}"
                lost = self._pass(earlier, "plain").lost
                return Judgement("impossible", lost, notes, reason, fails_on_rows=on_rows)
            spare = None
        return Judgement("unproven", reason=notes[-1])

    def _pass(
        self,
        earlier: Likeness | None,
        after: Likeness,
        spare: tuple[Place, Any] | None = None,
        on_top: Callable[[], None] = lambda: None,
    ) -> _Pass:
        refused: dict[str, str] = {}
        before = asked(self.before)
        with self._somewhere(spare) as (place, cursor):
            if earlier is not None:
                refused |= seed_rows(cursor, self.before, likeness=earlier, later=self.later).refused
            was = read_rows(cursor, before)
            try:
                self.revision.up(place)
            except Exception as error:
                raise _UpFails(error) from error
            if spare is not None:
                on_top()
            top = table_facts(cursor, self.names, [table.oid for table in before])
            own = read_rows(cursor, asked(top))
            refused |= seed_rows(cursor, top, likeness=after, start=AFTER).refused
            full = read_rows(cursor, asked(top))
            written = written_since(full, own)
            try:
                self.revision.down(place)
            except Exception as error:
                return _Pass(down_error=failure_words(error))
            lost = _as_on_top(lost_between(was, _read(cursor, was)), before, top)
            more, up_again = self._lost_of(place, cursor, written, full)
            # A table that is gone after the way down has lost what could not be written, too.
            known = {each for each in refused if each in was}
            return _Pass(
                tuple(dict.fromkeys((*lost, *more))),
                {name: refused[name] for name in known},
                on_top=up_again,
                tables=frozenset(table.name for table in top),
            )

    @contextlib.contextmanager
    def _somewhere(self, spare: tuple[Place, Any] | None) -> Iterator[tuple[Place, Any]]:
        if spare is not None:
            yield spare
            return
        with self.database.copy() as place, cursor_in(place) as cursor:
            yield place, cursor

    def _lost_of(
        self, place: Place, cursor: Any, written: Mapping[str, HeldRows], full: Mapping[str, HeldRows]
    ) -> tuple[tuple[str, ...], bool]:
        """What of the rows that were written after the way up does not survive the way down; whether up works again."""
        oids = [held.table.oid for held in written.values()]
        down = read_rows(cursor, asked(table_facts(cursor, {*written, *self.names}, oids)))
        seen = seen_as(cursor, down, written)
        # What the way down leaves where it was, or takes elsewhere, only the second way up can have changed.
        gone = not_moved(without_kept(written, seen), full, down)
        try:
            # Up again, they stand under the same names, in the same types: nothing has to be understood.
            self.revision.up(place)
        except Exception:
            return lost_between(gone, seen), False
        return lost_between(gone, _read(cursor, gone)), True


def _as_on_top(lost: Iterable[str], before: Iterable[TableFacts], top: Iterable[TableFacts]) -> list[str]:
    """Tables and columns under the names that they have after the way up: there a rollback finds them."""
    later = {table.oid: table for table in top}
    names = {}
    for table in before:
        if there := later.get(table.oid):
            columns = {column.number: column for column in there.columns}
            names[table.name] = there.name
            for column in table.columns:
                if column.number in columns:
                    now = columns[column.number].quoted
                    names[f"{table.name}.{column.quoted}"] = f"{there.name}.{now}"
    return [names.get(name, name) for name in lost]


def _judged(tried: _Pass, notes: Sequence[str]) -> Judgement:
    why = "; ".join(f"{table}: {reason}" for table, reason in sorted(tried.refused.items()))
    reason = f"No rows could be made for {why}" if why else None
    if tried.lost:
        return Judgement("lossy", tried.lost, tuple(notes), reason)
    return Judgement("unproven" if why else "lossless", (), tuple(notes), reason)


def _read(cursor: Any, former: Mapping[str, HeldRows]) -> dict[str, HeldRows]:
    """The rows that stand now where others stood: of the tables of the same names, as they are now."""
    return read_rows(cursor, table_facts(cursor, list(former)))
