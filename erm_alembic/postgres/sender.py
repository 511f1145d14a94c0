"""As whom a plan's statements will be sent, told also by a session that may only read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Sender", "read_sender"]

# Who is a member of a role may not always act as it: since PostgreSQL 16 that is a right of its own.
ROLES = """
    SELECT current_user::text, session_user::text,
           NOT EXISTS (SELECT FROM pg_catalog.pg_roles
                        WHERE rolname = %(acts_as)s
                          AND pg_catalog.pg_has_role(
                              session_user, oid,
                              CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 160000
                                   THEN 'SET' ELSE 'MEMBER' END))
"""
# The rights that a revision cannot do without: it records itself, and before the first one somebody makes the table.
# By its names: to_regclass() is an error where the role may not use the schema.
DEPLOYS = """
    SELECT CASE WHEN c.oid IS NOT NULL
                THEN pg_catalog.has_table_privilege(c.oid, 'INSERT') AND pg_catalog.has_table_privilege(c.oid, 'DELETE')
                WHEN n.oid IS NOT NULL THEN pg_catalog.has_schema_privilege(n.oid, 'CREATE')
                ELSE pg_catalog.has_database_privilege(d.oid, 'CREATE') END,
           pg_catalog.pg_get_userbyid(coalesce(c.relowner, d.datdba))::text
      FROM pg_catalog.pg_database d
      LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = (pg_catalog.parse_ident(%(table)s))[1]
      LEFT JOIN pg_catalog.pg_class c
             ON c.relnamespace = n.oid AND c.relname = (pg_catalog.parse_ident(%(table)s))[2]
     WHERE d.datname = pg_catalog.current_database()
"""


@dataclass(frozen=True)
class Sender:
    """Who sends statements.

    Args:
        role: as whom they will be sent, and who owns what they make.
        read_as: as whom this session reads; the same role where that one may deploy.
    """

    role: str
    read_as: str


def read_sender(cursor: Any, version_table: str, acts_as: str | None) -> Sender:
    """Ask whom the statements of a plan will be sent as.

    A session that may not deploy reads for the one that does: for `acts_as`, else for the owner of the version table,
    and before there is one, for the owner of the database.

    Args:
        cursor: a psycopg2 cursor that gives tuples, of the session that env.py has set up.
        version_table: Alembic's version table with its schema, quoted where it must be; nothing stands before the dot
            where a name without a schema goes nowhere.
        acts_as: the role that the settings name for migrations; None for none.
    """
    cursor.execute(ROLES, {"acts_as": acts_as})
    current, login, refused = cursor.fetchone()
    if acts_as is not None:
        return Sender(acts_as if current == login and refused else current, current)
    cursor.execute(DEPLOYS, {"table": None if version_table.startswith(".") else version_table})
    deploys, owner = cursor.fetchone()
    return Sender(current if deploys else owner, current)
