"""Before concurrent work, and after it was cut off: which tables and indexes it is about, and what is in its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql as composed
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.errors import Refused
from erm_alembic.postgres.indexes import (
    Index,
    indexes_of,
    name_kept,
    relation_named,
    relations_rebuilt,
)
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.text.concurrently import concurrent_index, detached, rebuilt

__all__ = ["About", "Clearing", "Sending"]

Sending = Callable[[Any, str, int | None], AbstractContextManager[None]]


@dataclass(frozen=True)
class About:
    """What a concurrent statement is about, when it is sent.

    Args:
        relations: the OIDs of the tables; of the partitioned table and its partition.
        indexes: the indexes that these tables have.
        index_name: the index that it builds; None where the server chooses the name.
    """

    relations: tuple[int, ...] = ()
    indexes: tuple[Index, ...] = ()
    index_name: str | None = None


class Clearing:
    """Removes the INVALID indexes that a statement would stumble over, or take for the one that it builds.

    Args:
        sending: what stands around a statement while the server works on it.
        tell: told of indexes that are removed.
    """

    def __init__(self, sending: Sending, tell: Callable[[str], None]) -> None:
        self._sending, self._tell = sending, tell

    def before(self, connection: GatedConnection, text: str, what: str | None, line: int | None) -> About:
        """Remove what an earlier build left in the way of a statement.

        Args:
            connection: the migration's connection, in no transaction.
            text: the statement.
            what: what it does.
            line: its line in the revision's file.

        Returns:
            What it is about.

        Raises:
            Refused: another session is building what is in the way.
        """
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            if what == "CREATE INDEX":
                about = _of_build(cursor, text)
                left = [index for index in about.indexes if index.name == about.index_name and index.is_leftover]
            elif what == "REINDEX":
                about = _of_rebuild(cursor, text)
                left = [index for index in about.indexes if index.is_of_rebuild and index.is_leftover]
            else:
                return _of_detaching(cursor, text) if what == "DETACH" else About()
        self.remove(connection, left, line)
        return About(about.relations, tuple(index for index in about.indexes if index not in left), about.index_name)

    def remove(self, connection: GatedConnection, leftovers: Iterable[Index], line: int | None = None) -> None:
        """Remove invalid indexes that nobody builds.

        Args:
            connection: the migration's connection, in no transaction.
            leftovers: the indexes.
            line: the line of the statement that they are in the way of.

        Raises:
            Refused: another session is building one of them.
        """
        for index in leftovers:
            if index.builder is not None:
                raise _being_built(index)
            name = composed.Identifier(index.schema, index.name)
            drop = composed.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(name).as_string(connection)
            self._tell(f"Index {index} on {index.table} is INVALID, left by a build that did not end: it is removed.")
            self.send(connection, drop, line)

    def send(self, connection: GatedConnection, text: str, line: int | None) -> None:
        """Send a statement of erm's own, which may wait as long as one of the revision.

        Args:
            connection: the migration's connection, in no transaction.
            text: the statement.
            line: the line of the statement that it is sent for.
        """
        with connection.cursor(cursor_factory=PlainCursor) as cursor, self._sending(connection, text, line):
            cursor.execute(text)


def _of_build(cursor: Any, text: str) -> About:
    named = concurrent_index(text)
    table = None if named is None else relation_named(cursor, named.table)
    if named is None or table is None:
        return About()
    name = None if named.index is None else name_kept(cursor, named.index)
    return About((table,), indexes_of(cursor, [table]), name)


def _of_rebuild(cursor: Any, text: str) -> About:
    named = rebuilt(text)
    if named is None:
        return About()
    relations = relations_rebuilt(cursor, named.kind, named.name)
    return About(relations, indexes_of(cursor, relations))


def _of_detaching(cursor: Any, text: str) -> About:
    named = detached(text)
    if named is None:
        return About()
    found = [relation_named(cursor, name) for name in (named.parent, named.partition)]
    return About(tuple(each for each in found if each is not None) if None not in found else ())


def _being_built(index: Index) -> Refused:
    return Refused(
        f"Index {index} is being built by another session, pid {index.builder}.",
        effect="It was left alone; the revision did not go on.",
        cure="Wait until that build has ended, and run the command again.",
    )
