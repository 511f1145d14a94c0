"""INVALID indexes: queries do not use them, writes pay for them, and only some of them the next apply builds again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from erm_alembic.ledger.progress import DoneStatement, HalfDone
from erm_alembic.postgres.indexes import Index, indexes_of, invalid_indexes

__all__ = ["InvalidIndex", "leftovers", "made_by"]

BUILDS = ("CREATE INDEX", "REINDEX")


@dataclass(frozen=True)
class InvalidIndex:
    """An index that a build left behind, or that is being built.

    Args:
        name: its name with its schema.
        table: its table.
        builder: the server process that builds it right now; None when nobody does.
        revision: the half-done revision whose next run removes it and builds it again; None for any other one.
    """

    name: str
    table: str
    builder: int | None = None
    revision: str | None = None

    def __str__(self) -> str:
        what = f"index {self.name} on {self.table} is INVALID"
        if self.builder is not None:
            return f"{what}: pid {self.builder} is building it"
        if self.revision is not None:
            return f"{what}; the next run of revision {self.revision} removes it and builds it again"
        return f"{what}: queries do not use it; drop it, or REINDEX INDEX CONCURRENTLY"


def leftovers(cursor: Any, half_done: Iterable[HalfDone]) -> tuple[InvalidIndex, ...]:
    """The INVALID indexes of a database.

    Args:
        cursor: an ungated cursor.
        half_done: what the ledger says of half-done revisions.
    """
    found = invalid_indexes(cursor)
    if not found:
        return ()
    again = {
        index.oid: half.revision
        for half in half_done
        for statement in half.statements
        if statement.state == "started" and statement.tag in BUILDS
        for index in made_by(cursor, statement)
        if index.is_leftover
    }
    return tuple(InvalidIndex(str(each), each.table, each.builder, again.get(each.oid)) for each in found)


def made_by(cursor: Any, statement: DoneStatement) -> tuple[Index, ...]:
    """The indexes that a statement which was cut off made or left: on its own tables, under its own name, new since.

    Args:
        cursor: an ungated cursor.
        statement: the statement, a CREATE INDEX or a REINDEX.
    """
    new = [index for index in indexes_of(cursor, statement.relations) if index.oid not in statement.indexes_before]
    if statement.tag == "REINDEX":
        return tuple(index for index in new if index.is_of_rebuild)
    return tuple(index for index in new if statement.index_name in (None, index.name))
