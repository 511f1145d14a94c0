"""Stand-ins on the shadow's server for what belongs to the target's server and not to its database.

Roles and tablespaces are shared by all databases of a server, and several shadows may want them at once: what is there
already is taken as it is, whoever made it, and nothing is taken away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from psycopg2 import errors, sql

__all__ = ["make_login_role", "make_roles", "make_tablespaces"]

# The first major version with tablespaces that need no folder of their own.
IN_PLACE_SINCE = 15


def make_login_role(cursor: Any, name: str) -> None:
    """Have a superuser of a name that may log in, on a server to which only this user has access.

    Args:
        cursor: of a superuser's session in autocommit mode.
        name: the role.
    """
    make_roles(cursor, [name])
    cursor.execute(
        "SELECT FROM pg_catalog.pg_roles WHERE rolname = %s AND NOT (rolsuper AND rolcanlogin)",
        [name],
    )
    if cursor.fetchall():
        # Another run may do the same at the same moment, and has then done it.
        with contextlib.suppress(errors.InternalError_):
            cursor.execute(sql.SQL("ALTER ROLE {} SUPERUSER LOGIN").format(sql.Identifier(name)))


def make_roles(cursor: Any, names: Iterable[str]) -> None:
    """Make the roles that are missing; nobody can log in as one of them.

    Args:
        cursor: of a session in autocommit mode that may do so.
        names: the roles.

    Raises:
        psycopg2.Error: the session may not make roles.
    """
    wanted = list(dict.fromkeys(names))
    cursor.execute(
        "SELECT name FROM unnest(%s::text[]) AS name"
        " WHERE name NOT IN (SELECT rolname::text FROM pg_catalog.pg_roles) AND name !~ '^pg_'",
        [wanted],
    )
    for (name,) in cursor.fetchall():
        # Another shadow may make it at the same moment.
        with contextlib.suppress(errors.DuplicateObject, errors.UniqueViolation):
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))


def make_tablespaces(cursor: Any, names: Iterable[str], major: int) -> None:
    """Make the tablespaces that are missing, within the data directory.

    Args:
        cursor: of a superuser's session in autocommit mode.
        names: the tablespaces.
        major: the server's major version.
    """
    cursor.execute("SELECT spcname FROM pg_catalog.pg_tablespace")
    there = {row[0] for row in cursor.fetchall()}
    missing = [name for name in names if name not in there]
    if not missing or major < IN_PLACE_SINCE:
        return
    cursor.execute("SET allow_in_place_tablespaces = on")
    for name in missing:
        with contextlib.suppress(errors.DuplicateObject, errors.UniqueViolation):
            cursor.execute(sql.SQL("CREATE TABLESPACE {} LOCATION ''").format(sql.Identifier(name)))
