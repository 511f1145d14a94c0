"""What the database has when a backup of it is begun: its tables with their columns, and which of them are copied."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from erm_alembic.postgres.backup_facts import DatabaseFacts, StoredTable, database_facts, stored_tables
from erm_alembic.postgres.identity import Identity, read_identity
from erm_alembic.postgres.text.words import name_parts, written_name
from erm_alembic.target import Target

__all__ = ["Contents", "read_contents"]


@dataclass(frozen=True)
class Contents:
    """A database as it is when a backup is begun.

    Args:
        now: the server's clock.
        database: what it is like.
        identity: which one it is.
        tables: its tables.
    """

    now: datetime
    database: DatabaseFacts
    identity: Identity
    tables: tuple[StoredTable, ...]

    def columns(self, names: Collection[str] | None) -> dict[str, Mapping[str, str]]:
        """The columns of tables, each with its type.

        Args:
            names: the tables; None for all.
        """
        found = {named(each): dict(each.columns) for each in self.tables}
        return {name: columns for name, columns in found.items() if names is None or name in names}

    def parts(self) -> dict[str, tuple[str, ...]]:
        """Of each table, those with rows of it beside its own: partitions and heirs, however deep they stand."""
        by_oid = {each.oid: each for each in self.tables}
        found: dict[str, tuple[str, ...]] = {}
        for each in self.tables:
            for above in self._above(each, by_oid) if each.kind == "r" else ():
                found[named(above)] = (*found.get(named(above), ()), named(each))
        return found

    def with_parts(self, names: Collection[str]) -> tuple[str, ...]:
        """Tables with everything that holds rows of them: partitions, heirs.

        Args:
            names: the tables, quoted where they must be.
        """
        wanted = {name_parts(name) for name in names}
        by_oid = {each.oid: each for each in self.tables}
        return tuple(
            named(each)
            for each in self.tables
            if any((one.schema, one.name) in wanted for one in (each, *self._above(each, by_oid)))
        )

    def bytes_of(self, names: Collection[str] | None) -> int:
        """The size of tables without their indexes: what a dump of them comes to at most, before it is compressed.

        Args:
            names: the tables; None for all.
        """
        return sum(each.bytes for each in self.tables if names is None or named(each) in names)

    def reader(self, names: Collection[str] | None, ledger: str) -> tuple[bool, bool]:
        """As whom tables are read: whether as `migrations.role`, and whether the ledger's are left out for it.

        The ledger belongs to the role that logs in, which need not be able to read what `migrations.role` owns.

        Args:
            names: the tables; None for all.
            ledger: the ledger's schema.
        """
        wanted = [each for each in self.tables if names is None or named(each) in names]
        if all(each.login_reads for each in wanted):
            return False, False
        return True, any(each.schema == ledger and not each.role_reads for each in wanted)

    def _above(self, table: StoredTable, by_oid: Mapping[int, StoredTable]) -> tuple[StoredTable, ...]:
        found: dict[int, StoredTable] = {}
        waiting = list(table.parents)
        while waiting:
            oid = waiting.pop()
            if oid in by_oid and oid not in found:
                found[oid] = by_oid[oid]
                waiting += by_oid[oid].parents
        return tuple(found.values())


def named(table: StoredTable) -> str:
    """A table's name with its schema, quoted where it must be."""
    return written_name((table.schema, table.name))


def read_contents(target: Target) -> Contents:
    """Look at the database.

    Args:
        target: the database.

    Raises:
        TargetError: it cannot be reached.
    """
    with target.reading("erm backup") as cursor:
        return contents_of(cursor)


def contents_of(cursor: Any) -> Contents:
    """The same through a session that is there.

    Args:
        cursor: a cursor with a transaction open.
    """
    cursor.execute("SELECT pg_catalog.clock_timestamp()")
    (now,) = cursor.fetchone()
    return Contents(now, database_facts(cursor), read_identity(cursor), stored_tables(cursor))
