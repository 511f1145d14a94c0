"""What keeps a role from the ledger, in words: a right that is missing, a lock that somebody holds."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import psycopg2
from psycopg2 import errors as pg
from psycopg2 import sql

from erm_alembic.errors import TargetError
from erm_alembic.postgres.activity import Held, held_for_long
from erm_alembic.postgres.catalog import has_schema

__all__ = ["locked", "may_not_create", "may_not_use"]

NOTHING_CHANGED = "Nothing was changed."


def may_not_use(connection: Any, schema: str, error: pg.InsufficientPrivilege) -> TargetError:
    """The role may not read or write the tables.

    Args:
        connection: the ledger's psycopg2 connection, in autocommit mode.
        schema: the ledger's schema.
        error: what the server said.
    """
    with connection.cursor() as cursor:
        role, quoted, grantee = _names(cursor, schema)
    return TargetError(
        f"The role {role!r} may not use the ledger in the schema {schema!r}: {error.diag.message_primary}.",
        effect=NOTHING_CHANGED,
        cure=f"Let the ledger's owner run: GRANT USAGE ON SCHEMA {quoted} TO {grantee}; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {quoted} TO {grantee};"
        " (to plan only, SELECT is enough)",
    )


def may_not_create(connection: Any, schema: str, error: pg.InsufficientPrivilege) -> TargetError:
    """The role may not create the schema or its tables; the transaction in which it tried is rolled back.

    Args:
        connection: the ledger's psycopg2 connection, in autocommit mode.
        schema: the ledger's schema.
        error: what the server said.
    """
    with connection.cursor() as cursor:
        cursor.execute("ROLLBACK")
        exists = has_schema(cursor, schema)
        role, quoted, grantee = _names(cursor, schema)
    grant = (
        f"GRANT USAGE, CREATE ON SCHEMA {quoted} TO {grantee};"
        if exists
        else f"CREATE SCHEMA {quoted} AUTHORIZATION {grantee};"
    )
    return TargetError(
        f"The role {role!r} may not create the ledger in the schema {schema!r}: {error.diag.message_primary}.",
        effect=NOTHING_CHANGED,
        cure=f"Let an administrator run: {grant}",
    )


def locked(connection: Any, schema: str) -> TargetError:
    """Who has locked the ledger: a tool that copies it, or somebody's open transaction.

    Args:
        connection: the ledger's psycopg2 connection, in autocommit mode.
        schema: the ledger's schema.
    """
    found: list[Held] = []
    with contextlib.suppress(psycopg2.Error), connection.cursor() as cursor:
        held = held_for_long(cursor, timedelta(0), [connection.info.backend_pid])
        found = [each for each in held if each.schema == schema and not each.session.waits]
    who = f" by {found[0].session}" if found else ""
    return TargetError(
        f"The ledger in the schema {schema!r} is locked{who}.",
        effect="Nothing more was done.",
        cure=f"{found[0].session.cure if found else 'Let it finish.'} Then run the command again.",
    )


def _names(cursor: Any, schema: str) -> tuple[str, str, str]:
    """The role as it is called, then the schema and the role as SQL names them."""
    cursor.execute("SELECT session_user")
    (role,) = cursor.fetchone()
    quoted, grantee = (sql.Identifier(name).as_string(cursor) for name in (schema, role))
    return role, quoted, grantee
