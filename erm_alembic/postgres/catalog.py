"""Facts read from PostgreSQL's catalogs. No other package holds catalog SQL."""

from __future__ import annotations

from typing import Any

__all__ = ["held_user_relations"]

HELD_RELATIONS = """
    SELECT DISTINCT c.relname
      FROM pg_catalog.pg_locks l
      JOIN pg_catalog.pg_class c ON c.oid = l.relation
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE l.pid = pg_catalog.pg_backend_pid()
       AND l.locktype = 'relation'
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


def held_user_relations(cursor: Any) -> frozenset[str]:
    """The names of the user's tables, views and indexes that this transaction holds a lock on: what it has touched."""
    cursor.execute(HELD_RELATIONS)
    return frozenset(row[0] for row in cursor.fetchall())
