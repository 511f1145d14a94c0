"""Prove that a revision can be taken back: it goes up, down and up again in the shadow, without rows and with them.

Two passes, in a copy of the database. In the first one its tables are as the history leaves them, and the catalog is
compared. In the second one they have rows made from the catalog, written before and after the way up: what was there
before must be there after the way down, and what was written after the way up must be there after another way down
and up.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from erm_alembic.planning.rehearsal import Proof
from erm_alembic.postgres.seeding import TableFacts, table_facts
from erm_alembic.shadow.prove_values import Judgement, Values, asked, of_new_tables
from erm_alembic.shadow.round_trip import (
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
from erm_alembic.shadow.seed import has_rows
from erm_alembic.shadow.server_words import failure_words

__all__ = ["LeftOut", "Place", "Run", "prove"]


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
    return _Prover(database, Revision(up, down, keeps, left_out or LeftOut())).proof()


@dataclass
class _Prover:
    """Proves one revision.

    Args:
        database: the database before it, which is left as it is.
        revision: the revision.
    """

    database: Place
    revision: Revision
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    second_up_fails: str | None = None
    second_up_seen: bool = False

    def proof(self) -> Proof:
        """Both passes."""
        later: list[TableFacts] = []
        with self.database.copy() as trial, cursor_in(trial) as cursor:

            def look(locked: Collection[str]) -> None:
                later.extend(table_facts(cursor, self._counted(locked)))

            try:
                returned = return_trip(self.revision, self.database, trial, cursor, look)
            except WayDownFails as error:
                return Proof("failed", "impossible", reason=f"The way down fails: {error}")
            self.differences, self.notes = returned.differences, returned.notes
            values = self._second_pass(returned, tuple(later), trial, cursor)
        if not self.second_up_seen and not self.differences:
            with self.database.copy() as another, cursor_in(another) as cursor:
                self.revision.up(another)
                self.revision.down(another)
                self._second_up(another, cursor, returned.top)
        failed = self.second_up_fails
        return Proof(
            "failed" if failed else "differs" if self.differences else "same",
            values.verdict,
            values.lost,
            self.differences,
            (*self.notes, *values.notes),
            f"The second way up fails: {failed}" if failed else values.reason,
        )

    def _counted(self, names: Collection[str]) -> frozenset[str]:
        return frozenset(names) - set(self.revision.left_out.tables)

    def _second_pass(self, returned: Returned, later: tuple[TableFacts, ...], trial: Place, cursor: Any) -> Judgement:
        """The pass with rows; in the first copy where that is as before, and nothing stands in its tables."""
        names = self._counted(returned.locked)
        known = [table.oid for table in later]
        if self.differences:
            with cursor_in(self.database) as before:
                tables = asked(table_facts(before, names, known))
            return Values(self.database, self.revision, names, tables, later).judged()
        tables = asked(table_facts(cursor, names, known))
        if not tables:
            self._second_up(trial, cursor, returned.top)
            return of_new_tables(later)
        values = Values(self.database, self.revision, names, tables, later)
        if any(has_rows(cursor, table) for table in tables):
            self._second_up(trial, cursor, returned.top)
            return values.judged()
        return values.judged((trial, cursor), lambda: self._on_top(cursor, returned.top))

    def _second_up(self, trial: Place, cursor: Any, top: str) -> None:
        try:
            self.revision.up(trial)
        except Exception as error:
            self.second_up_fails = failure_words(error)
        else:
            self._on_top(cursor, top)
        self.second_up_seen = True

    def _on_top(self, cursor: Any, top: str) -> None:
        self.differences, notes = differs_on_top(self.revision, self.database, cursor, top)
        self.notes = tuple(dict.fromkeys((*self.notes, *notes)))
        self.second_up_seen = True
