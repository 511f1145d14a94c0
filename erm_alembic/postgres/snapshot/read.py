"""Take a snapshot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from erm_alembic.postgres.snapshot.families import FAMILIES
from erm_alembic.postgres.snapshot.family import Family, common_tables, parameters
from erm_alembic.postgres.snapshot.model import ObjectKey, Snapshot
from erm_alembic.postgres.snapshot.session import VanishedError, read_steadily

__all__ = ["take_snapshot"]

# The columns of a family that are no properties: kind, name, parent_kind, parent.
OWN_COLUMNS = 4


def take_snapshot(
    cursor: Any,
    leave_out: Collection[str] = (),
    leave_out_tables: Collection[str] = (),
    *,
    families: Sequence[Family] = FAMILIES,
    major: int | None = None,
) -> Snapshot:
    """Read everything that the schemas of a database are made of, in a fixed number of queries.

    PostgreSQL's own schemas, temporary tables and what belongs to extensions are left out always.

    Args:
        cursor: a psycopg2 cursor that gives tuples. Where no transaction is open, all is read as of one moment; within
            a transaction of the caller's, what it has done is seen.
        leave_out: names of schemas that do not count, unquoted, such as the ledger's.
        leave_out_tables: names of tables that do not count, with their schema and quoted where they must be, such as
            `public.alembic_version`.
        families: what is read; the schema by default.
        major: an older major version than the server's, where only what that has is to be read; not of all families.

    Raises:
        TargetError: the catalog changes all the time, or somebody locks what a definition is about.
    """
    values = parameters(leave_out, leave_out_tables)

    def read() -> Snapshot:
        collected = _Collected()
        for family in families:
            collected.add(cursor, family, values, major)
        return Snapshot(collected.objects, collected.parents)

    return read_steadily(cursor, read)


class _Collected:
    """The rows so far; what is equal is held once, so that a large schema fits in little memory."""

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, dict[str, str]] = {}
        self.parents: dict[ObjectKey, ObjectKey] = {}
        self._properties: dict[tuple[Any, ...], dict[str, str]] = {}
        self._keys: dict[ObjectKey, ObjectKey] = {}

    def add(self, cursor: Any, family: Family, values: dict[str, Any], major: int | None) -> None:
        """Read one family."""
        version = cursor.connection.server_version if major is None else major * 10_000
        cursor.execute(f"{common_tables()} SELECT * FROM ({family.text(version)}) o", values)  # noqa: S608 - nothing from outside

        names = tuple(column[0] for column in cursor.description[OWN_COLUMNS:])
        definition = names.index("definition") + OWN_COLUMNS if "definition" in names else None
        for row in cursor:
            if definition is not None and row[definition] is None:
                raise VanishedError(row[1])
            key = (row[0], row[1])
            key = self._keys.setdefault(key, key)
            if row[3] is not None:
                parent = (row[2], row[3])
                self.parents[key] = self._keys.setdefault(parent, parent)
            values_of = row[OWN_COLUMNS:]
            properties = self._properties.get((names, values_of))
            if properties is None:
                properties = {name: value for name, value in zip(names, values_of, strict=True) if value is not None}
                self._properties[names, values_of] = properties
            self.objects[key] = properties
