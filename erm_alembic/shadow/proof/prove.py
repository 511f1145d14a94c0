"""Prove that a revision can be taken back: it goes up, down and up again in the shadow, without rows and with them.

Two passes, in a copy of the database. In the first one its tables are as the history leaves them, and the catalog is
compared. In the second one they have rows made from the catalog, written before and after the way up: what was there
before must be there after the way down, and what was written after the way up must be there after another way down
and up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import psycopg2

from erm_alembic.planning.rehearsal import Proof
from erm_alembic.postgres.proving import filled_tables, table_oids
from erm_alembic.postgres.seeding import TableFacts, table_facts
from erm_alembic.shadow.proof.round_trip import (
    LeftOut,
    Place,
    Returned,
    Revision,
    Run,
    WayDownFails,
    cursor_in,
    differs_on_top,
    return_trip,
)
from erm_alembic.shadow.proof.values import Judgement, Values, asked, of_new_tables
from erm_alembic.shadow.seeds.seed import has_rows
from erm_alembic.shadow.server_words import failure_words, server_words

__all__ = ["LeftOut", "Place", "Prover", "Run", "prove"]


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
            connected to it but the session that copies it.
        up: the revision's way up.
        down: its way down.
        keeps: the enum values that the revision declares to stay, such as `public.mood.'happy'`.
        left_out: the ledger's schema and Alembic's version table, which do not count.

    Raises:
        Exception: whatever the way up raises on the database as it is.
    """
    with Prover(database, left_out) as prover:
        return prover.prove(up, down, keeps=keeps)


class Prover:
    """Proves the revisions of a plan one after the other, in one copy of the database as long as that is possible.

    Args:
        database: the scratch database. Whoever has had a revision proven runs its way up there, before the next one
            is proven; nobody stays connected to it but the session that copies it.
        left_out: the ledger's schema and Alembic's version table, which do not count.
    """

    def __init__(self, database: Place, left_out: LeftOut | None = None) -> None:
        self._database = database
        self._left_out = left_out or LeftOut()
        self._copy = contextlib.ExitStack()
        self._at: tuple[Place, Any] | None = None
        self._fingerprint = ""

    def __enter__(self) -> Prover:
        return self

    def __exit__(self, *error: object) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin again with a copy of the database as it is now: it did not go the way of what was proven."""
        self._at, self._fingerprint = None, ""
        self._copy.close()

    def prove(self, up: Run, down: Run, *, keeps: Collection[str] = ()) -> Proof:
        """Prove one revision that has a way down.

        Args:
            up: its way up.
            down: its way down.
            keeps: the enum values that it declares to stay, such as `public.mood.'happy'`.

        Raises:
            Exception: whatever the way up raises on the database as it is.
        """
        if self._at is None:
            place = self._copy.enter_context(self._database.copy())
            self._at = place, self._copy.enter_context(cursor_in(place))
        trial, cursor = self._at
        filled = filled_tables(cursor, self._left_out.tables)
        revision = Revision(up, down, keeps, self._left_out)
        proving = _Proving(self._database, revision, trial, cursor, self._fingerprint)
        reusable = False
        try:
            proof = proving.proof()
            reusable = proving.on_top and _emptied(cursor, proving.tables, filled, self._left_out.tables)
        finally:
            if reusable:
                self._fingerprint = proving.top
            else:
                self.restart()
        return proof


def _emptied(cursor: Any, tables: Collection[str], filled: frozenset[int], left_out: Collection[str]) -> bool:
    """Whether a copy can be made as if no row had ever been written into it."""
    try:
        if tables:
            cursor.execute(f"TRUNCATE {', '.join(sorted(tables))} RESTART IDENTITY CASCADE")
        return filled_tables(cursor, left_out) == filled
    except psycopg2.Error:
        return False


@dataclass
class _Proving:
    """The proof of one revision.

    Args:
        database: the database before it, which is left as it is.
        revision: the revision.
        trial: a copy of the database, which is used up.
        cursor: of the copy.
        start: the fingerprint before the revision, where that is known.
        top: the fingerprint after its way up.
        on_top: whether the copy is, in the end, as the way up leaves it, but for rows.
        tables: the tables of the copy that were given rows.
    """

    database: Place
    revision: Revision
    trial: Place
    cursor: Any
    start: str = ""
    top: str = ""
    on_top: bool = False
    tables: frozenset[str] = frozenset()
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    second_up_fails: str | None = None
    second_up_seen: bool = False

    def proof(self) -> Proof:
        """Both passes."""
        later: list[TableFacts] = []
        former = table_oids(self.cursor)

        def look(locked: Collection[str]) -> None:
            made = table_oids(self.cursor) - former
            found = table_facts(self.cursor, self._counted(locked), made)
            later.extend(table for table in found if table.name not in self.revision.left_out.tables)

        try:
            returned = return_trip(self.revision, self.database, self.trial, self.cursor, look, self.start)
        except WayDownFails as error:
            return Proof("failed", "impossible", reason=f"The way down fails: {error}")
        self.top, self.differences, self.notes = returned.top, returned.differences, returned.notes
        try:
            values = self._second_pass(returned, tuple(later))
        except psycopg2.Error as error:
            if self.cursor.connection.closed:
                raise
            # The revision's own failures are judged; this is one of asking or writing, such as a right that is missing.
            values = Judgement("unproven", reason=f"Rows could not be tried: {server_words(error)}")
        if not self.second_up_seen and not self.differences:
            with self.database.copy() as another, cursor_in(another) as cursor:
                self.revision.up(another)
                self.revision.down(another)
                self._second_up(another, cursor)
        failed = self.second_up_fails
        return Proof(
            "failed" if failed else "differs" if self.differences else "same",
            values.verdict,
            values.lost,
            self.differences,
            (*self.notes, *values.notes),
            f"The second way up fails: {failed}" if failed else values.reason,
            None if failed else values.fails_on_rows,
        )

    def _counted(self, names: Collection[str]) -> frozenset[str]:
        return frozenset(names) - set(self.revision.left_out.tables)

    def _second_pass(self, returned: Returned, later: tuple[TableFacts, ...]) -> Judgement:
        """The pass with rows; in the same copy where that is as before, and nothing stands in its tables."""
        names = self._counted(returned.locked) | {table.name for table in asked(later)}
        known = [table.oid for table in later]
        if self.differences:
            with cursor_in(self.database) as before:
                tables = table_facts(before, names, known)
            return Values(self.database, self.revision, names, tables, later).judged()
        found = table_facts(self.cursor, names, known)
        tables = asked(found)
        values = Values(self.database, self.revision, names, found, later)
        if tables and not any(has_rows(self.cursor, table) for table in tables):
            judged = values.judged((self.trial, self.cursor), lambda: self._compare_top(self.cursor))
            self.on_top = judged.on_top and not self.differences
            self.tables = judged.tables
            return judged
        self._second_up(self.trial, self.cursor)
        self.on_top = not self.second_up_fails and not self.differences
        return values.judged() if tables else of_new_tables(later)

    def _second_up(self, trial: Place, cursor: Any) -> None:
        try:
            self.revision.up(trial)
        except Exception as error:
            self.second_up_fails = failure_words(error)
        else:
            self._compare_top(cursor)
        self.second_up_seen = True

    def _compare_top(self, cursor: Any) -> None:
        self.differences, notes = differs_on_top(self.revision, self.database, cursor, self.top)
        self.notes = tuple(dict.fromkeys((*self.notes, *notes)))
        self.second_up_seen = True
