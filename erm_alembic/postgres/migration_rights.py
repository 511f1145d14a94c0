"""What a role may do of all that a deployment needs: its own schema, the tables that are there, the ledger's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["LedgerRights", "MigrationRights", "read_ledger_rights", "read_migration_rights"]

ACTING = """
    SELECT current_user, pg_catalog.quote_ident(current_user),
           (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
           pg_catalog.current_schema(), pg_catalog.quote_ident(pg_catalog.current_schema()),
           pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE'),
           pg_catalog.current_setting('search_path')
"""
# What belongs to an extension is altered by the extension.
RELATIONS = """
    SELECT count(*), count(*) FILTER (WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')),
           min(c.relname::text) FILTER (WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')),
           array_agg(DISTINCT pg_catalog.pg_get_userbyid(c.relowner)::text)
               FILTER (WHERE NOT pg_catalog.pg_has_role(c.relowner, 'USAGE'))
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = pg_catalog.current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
LEDGER = """
    SELECT current_user, pg_catalog.quote_ident(current_user), pg_catalog.quote_ident(%(schema)s),
           n.oid IS NOT NULL,
           CASE WHEN n.oid IS NULL
                THEN pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
                ELSE pg_catalog.has_schema_privilege(n.oid, 'USAGE') END,
           CASE WHEN n.oid IS NULL THEN true ELSE pg_catalog.has_schema_privilege(n.oid, 'CREATE') END,
           (SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')),
           (SELECT min(c.relname::text) FROM pg_catalog.pg_class c
             WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
               AND NOT (pg_catalog.has_table_privilege(c.oid, 'SELECT')
                    AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
                    AND pg_catalog.has_table_privilege(c.oid, 'UPDATE')))
      FROM (SELECT) one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = %(schema)s
"""


@dataclass(frozen=True, slots=True)
class MigrationRights:
    """What the role that migrates may do.

    Args:
        role: its name, after any SET ROLE.
        quoted_role: the same as it stands in a statement.
        is_superuser: whether nothing is refused to it.
        schema: the schema in which what is created without one comes to be; None where the search path has none.
        quoted_schema: the same as it stands in a statement.
        may_create: whether it may create there; None without a schema.
        search_path: what is searched.
        relations: how many tables, views and sequences there are in that schema.
        foreign: how many of these it may not alter, because another role owns them.
        example: one of those.
        owners: who owns them.
    """

    role: str
    quoted_role: str
    is_superuser: bool
    schema: str | None
    quoted_schema: str | None
    may_create: bool | None
    search_path: str
    relations: int = 0
    foreign: int = 0
    example: str | None = None
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerRights:
    """What the role that logs in may do with the ledger.

    Args:
        role: its name.
        quoted_role: the same as it stands in a statement.
        quoted_schema: the ledger's schema as it stands in a statement.
        exists: whether the schema is there.
        may_use: whether it may use it; of one that is not there, whether it may make it.
        may_create: whether it may create the tables that are missing.
        tables: how many tables there are.
        refused: one that it may not read and write; None where it may all of them.
    """

    role: str
    quoted_role: str
    quoted_schema: str
    exists: bool
    may_use: bool
    may_create: bool
    tables: int
    refused: str | None


def read_migration_rights(cursor: Any) -> MigrationRights:
    """What the acting role may do in its own schema.

    Args:
        cursor: a plain psycopg2 cursor, on whose session any SET ROLE has been done.
    """
    cursor.execute(ACTING)
    role, quoted_role, is_superuser, schema, quoted_schema, may_create, search_path = cursor.fetchone()
    cursor.execute(RELATIONS)
    relations, foreign, example, owners = cursor.fetchone()
    return MigrationRights(
        role,
        quoted_role,
        is_superuser,
        schema,
        quoted_schema,
        may_create,
        search_path,
        relations,
        foreign,
        example,
        tuple(owners or ()),
    )


def read_ledger_rights(cursor: Any, schema: str) -> LedgerRights:
    """What the role that logs in may do with the ledger.

    Args:
        cursor: a plain psycopg2 cursor.
        schema: the ledger's schema.
    """
    cursor.execute(LEDGER, {"schema": schema})
    return LedgerRights(*cursor.fetchone())
