"""Stand-ins for what the shadow's server lacks and the target's has: roles, tablespaces, extensions.

Roles and tablespaces are shared by all databases of a server, and several shadows may want them at once: what is there
already is taken as it is, whoever made it, and nothing is taken away. An extension whose files are missing is entered
into the catalog by hand, with types and functions of the same names: enough for what only needs them to be there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from psycopg2 import Error, errors, sql
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

__all__ = [
    "available_extensions",
    "extension_state",
    "has_role",
    "make_extension",
    "make_login_role",
    "make_roles",
    "make_tablespace_at",
    "make_tablespaces",
    "see_new_roles",
    "take_version",
]

STATE = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = %(name)s),
           EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = %(name)s)
"""

# Only a superuser writes to a catalog, and only in a database that is thrown away should one.
ENTER = """
    WITH made AS (
        INSERT INTO pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
        SELECT pg_catalog.pg_nextoid('pg_catalog.pg_extension'::regclass, 'oid', 'pg_catalog.pg_extension_oid_index'),
               %(name)s, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user), n.oid, true, %(version)s
          FROM pg_catalog.pg_namespace n
         WHERE n.nspname = coalesce(%(schema)s, pg_catalog.current_schema())
        RETURNING oid, extnamespace)
    INSERT INTO pg_catalog.pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
    SELECT 'pg_catalog.pg_extension'::regclass, oid, 0, 'pg_catalog.pg_namespace'::regclass, extnamespace, 0, 'n'
      FROM made
"""


def see_new_roles(cursor: Any) -> None:
    """Let a transaction see roles that others have made since it found them missing.

    A backend remembers within a transaction that there is no role of a name, until it takes a lock on a relation that
    it did not hold.

    Args:
        cursor: of a session within a transaction.
    """
    cursor.execute("SAVEPOINT erm_see")
    cursor.execute("SELECT FROM pg_catalog.pg_shdescription LIMIT 0")
    cursor.execute("ROLLBACK TO SAVEPOINT erm_see")
    cursor.execute("RELEASE SAVEPOINT erm_see")


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


def has_role(cursor: Any, name: str) -> bool:
    """Whether a server has a role.

    Args:
        cursor: of a session.
        name: the role.
    """
    cursor.execute("SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = %s)", [name])
    (there,) = cursor.fetchone()
    return bool(there)


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


def make_tablespaces(cursor: Any, names: Iterable[str]) -> None:
    """Make the tablespaces that are missing, within the data directory; none on a server too old for that.

    Args:
        cursor: of a superuser's session in autocommit mode.
        names: the tablespaces.
    """
    cursor.execute("SELECT spcname FROM pg_catalog.pg_tablespace")
    there = {row[0] for row in cursor.fetchall()}
    missing = [name for name in names if name not in there]
    # PostgreSQL 15 has it, and later minor versions of those before.
    cursor.execute("SELECT pg_catalog.current_setting('allow_in_place_tablespaces', true)")
    if not missing or cursor.fetchone()[0] is None:
        return
    cursor.execute("SET allow_in_place_tablespaces = on")
    for name in missing:
        with contextlib.suppress(errors.DuplicateObject, errors.UniqueViolation):
            cursor.execute(sql.SQL("CREATE TABLESPACE {} LOCATION ''").format(sql.Identifier(name)))


def make_tablespace_at(cursor: Any, name: str, folder: str) -> str:
    """Have a tablespace in a folder; the folder in it for databases, which has to be there before they are.

    Args:
        cursor: of a superuser's session in autocommit mode.
        name: the tablespace.
        folder: the folder, which the server's user owns.

    Raises:
        psycopg2.Error: the tablespace is elsewhere and in use, or the server cannot use the folder.
    """
    cursor.execute(
        "SELECT pg_catalog.pg_tablespace_location(oid) FROM pg_catalog.pg_tablespace WHERE spcname = %s", [name]
    )
    row = cursor.fetchone()
    if row is not None and row[0] != folder:
        cursor.execute(sql.SQL("DROP TABLESPACE {}").format(sql.Identifier(name)))
    if row is None or row[0] != folder:
        cursor.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(sql.Identifier(name), sql.Literal(folder)))
    cursor.execute(
        "SELECT pg_catalog.current_setting('server_version_num')::int / 10000, catalog_version_no"
        " FROM pg_catalog.pg_control_system()"
    )
    return str(Path(folder, "PG_{}_{}".format(*cursor.fetchone())))


def available_extensions(cursor: Any) -> frozenset[str]:
    """The extensions whose files a server has."""
    cursor.execute("SELECT name FROM pg_catalog.pg_available_extensions")
    return frozenset(row[0] for row in cursor.fetchall())


def extension_state(cursor: Any, name: str) -> Literal["made", "available", "missing"]:
    """Whether a database has an extension, or could have it.

    Args:
        cursor: of a session of the database.
        name: the extension.
    """
    cursor.execute(STATE, {"name": name})
    made, available = cursor.fetchone()
    return "made" if made else "available" if available else "missing"


def make_extension(
    cursor: Any, name: str, version: str | None, schema: str | None, members: Iterable[tuple[str, str]]
) -> None:
    """Enter an extension whose files the server lacks into the catalog, with stand-ins of its members.

    Args:
        cursor: of a superuser's session.
        name: the extension.
        version: its version.
        schema: where it is to be; None for the first schema of the search path.
        members: what makes each member, and what the member is, as ALTER EXTENSION names it; empty for what is none.
            What cannot be made is left out.

    Raises:
        psycopg2.Error: the session may not do so.
    """
    cursor.execute(ENTER, {"name": name, "version": version or "0", "schema": schema})
    within = cursor.connection.info.transaction_status == TRANSACTION_STATUS_INTRANS
    add = sql.SQL("ALTER EXTENSION {} ADD ").format(sql.Identifier(name)).as_string(cursor)
    for statement, member in members:
        if within:
            cursor.execute("SAVEPOINT erm_member")
        try:
            cursor.execute(statement)
            if member:
                cursor.execute(add + member)
        except Error:
            if within:
                cursor.execute("ROLLBACK TO SAVEPOINT erm_member")
        if within:
            cursor.execute("RELEASE SAVEPOINT erm_member")


def take_version(cursor: Any, name: str, version: str) -> str | None:
    """Let an extension, made at the version that is usual here, be of another one where this server has that.

    Args:
        cursor: of a session of the database.
        name: the extension.
        version: the version that it is to be of.

    Returns:
        The version that it stays at; None when it is of the wanted one.
    """
    cursor.execute("SELECT extversion FROM pg_catalog.pg_extension WHERE extname = %s", [name])
    row = cursor.fetchone()
    if row is None or row[0] == version:
        return None
    cursor.execute(
        "SELECT pg_catalog.count(*) FROM pg_catalog.pg_extension_update_paths(%s)"
        " WHERE source = %s AND target = %s AND path IS NOT NULL",
        [name, row[0], version],
    )
    if not cursor.fetchone()[0]:
        return str(row[0])
    cursor.execute(sql.SQL("ALTER EXTENSION {} UPDATE TO {}").format(sql.Identifier(name), sql.Literal(version)))
    return None
