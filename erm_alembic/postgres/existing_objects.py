"""Which of some tables and columns a database has, by the names that a proof tells them with."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from erm_alembic.postgres.text.words import name_parts

__all__ = ["existing_objects"]

EXISTING = """
    SELECT w.name
      FROM unnest(%(names)s::text[], %(schemas)s::text[], %(relations)s::text[], %(columns)s::text[])
           AS w (name, schema, relation, attribute)
      JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema::name
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.relation::name
     WHERE w.attribute IS NULL
        OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attname = w.attribute::name AND NOT a.attisdropped)
"""
COLUMN = 3


def existing_objects(cursor: Any, names: Collection[str]) -> frozenset[str]:
    """Those of some tables and columns that are there; a name that is of neither form counts as one that is.

    Args:
        cursor: of the database.
        names: tables with their schemas, and columns with those of their tables, quoted where they must be.
    """
    parts = {name: name_parts(name) for name in names}
    odd = {name for name, each in parts.items() if len(each) not in (COLUMN - 1, COLUMN)}
    known = [(name, *each, None)[: COLUMN + 1] for name, each in parts.items() if name not in odd]
    if not known:
        return frozenset(odd)
    columns = [list(column) for column in zip(*known, strict=True)]
    cursor.execute(EXISTING, dict(zip(("names", "schemas", "relations", "columns"), columns, strict=True)))
    return frozenset(odd | {row[0] for row in cursor.fetchall()})
