"""What the models of each release map: the tables and columns that a running application asks for."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2 import sql

from erm_alembic.errors import ErmError
from erm_alembic.ledger.store import open_ledger
from erm_alembic.postgres.catalog import tables_of
from erm_alembic.target import Target

__all__ = ["Mapped", "MappedTables", "keep_mapping", "read_mapping"]

TABLE = "mapping"
MappedTables = Mapping[tuple[str, str], frozenset[str]]
"""The columns by schema and table; the schema is empty where the models name none."""


@dataclass(frozen=True)
class Mapped:
    """What the models of a release mapped.

    Args:
        tables: the columns of each table.
        since: when it was first seen by an apply, with time zone.
    """

    tables: MappedTables
    since: datetime

    def columns(self, schema: str, table: str) -> frozenset[str]:
        """The columns of a table of the database that are mapped; none where the table is not.

        Args:
            schema: the table's schema.
            table: the table.
        """
        named = self.tables.get((schema, table))
        return named if named is not None else self.tables.get(("", table), frozenset())


def keep_mapping(target: Target, tables: MappedTables) -> None:
    """Keep what the models map now, where that is not what was kept last; nothing where there is no ledger.

    What was deployed is deployed: where this cannot be written, the next apply writes it.

    Args:
        target: the database.
        tables: the columns of each table.
    """
    text = _as_text(tables)
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    with contextlib.suppress(ErmError, psycopg2.Error), open_ledger(target) as ledger:
        if not ledger.exists():
            return
        ledger.create()
        with ledger.connection.cursor() as cursor:
            cursor.execute(
                sql.SQL(
                    "INSERT INTO {0} (digest, tables) SELECT %(digest)s, %(tables)s WHERE %(digest)s IS DISTINCT FROM"
                    " (SELECT digest FROM {0} ORDER BY id DESC LIMIT 1)"
                ).format(ledger.table(TABLE)),
                {"digest": digest, "tables": text},
            )


def read_mapping(target: Target) -> Mapped | None:
    """What the models mapped at the last apply; None where no apply has seen any.

    Args:
        target: the database.
    """
    schema = target.settings.ledger.schema
    with target.reported(), open_ledger(target) as ledger, ledger.connection.cursor() as cursor:
        if not tables_of(cursor, schema, [TABLE]):
            return None
        query = sql.SQL("SELECT tables, at FROM {} ORDER BY id DESC LIMIT %s")
        cursor.execute(query.format(ledger.table(TABLE)), [1])
        row = cursor.fetchone()
    return None if row is None else Mapped(_of_text(row[0]), row[1])


def _as_text(tables: MappedTables) -> str:
    """ASCII, in one order: any database can keep it, and equal mappings are equal texts."""
    listed = [[schema, table, sorted(columns)] for (schema, table), columns in sorted(tables.items())]
    return json.dumps(listed, ensure_ascii=True, separators=(",", ":"))


def _of_text(text: str) -> MappedTables:
    found: list[Any] = json.loads(text)
    return {(schema, table): frozenset(columns) for schema, table, columns in found}
