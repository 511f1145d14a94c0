"""Scratch databases on a server: made, dropped, and told from those whose owner is gone.

The name of one ends with a token of its own. Whoever makes it holds an advisory lock of that number for as long as it
is needed: the server frees the lock with the session, however that ends, so a database without its lock is nobody's.
Nothing that is written down could say as much of a process that was killed. That it is one of erm's, and no
database that is only called so, is told by its connection limit: all that CREATE DATABASE itself can write down.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg2
from psycopg2 import errors, sql

__all__ = [
    "CLONE_STRATEGY_SINCE",
    "INVALID",
    "create_database",
    "drop_database",
    "drop_left_behind",
    "held_name",
    "is_scratch",
    "let_go",
    "major_of",
    "owner_of",
    "template_place",
    "templates",
]

# "erms": the first of the two numbers of the locks.
LOCK_CLASS = 0x65726D73
PREFIX = "erm_shadow_"
NAME = re.compile(rf"{PREFIX}[0-9a-f]{{12}}_([0-9a-f]{{8}})")
# The connection limit of a database whose DROP broke off: nobody can use it any more, and it can only be dropped.
INVALID = -2
# The first major version whose CREATE DATABASE has a STRATEGY.
CLONE_STRATEGY_SINCE = 15
TEMPLATE = "erm_shadow_template_"
# "ermt": of the locks under which templates are made.
TEMPLATE_LOCK_CLASS = 0x65726D74
# A backend is seen for some milliseconds after its client has gone.
LEAVING_TRIES = 100
LEAVING_PAUSE = 0.02

# Locks are seen from every database of the server, also by a role without rights.
LEFT_BEHIND = """
    SELECT d.datname, d.datconnlimit
      FROM pg_catalog.pg_database d
     WHERE d.datname ~ %s AND pg_catalog.pg_has_role(d.datdba, 'USAGE')
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_locks l
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = %s::oid
              AND pg_catalog.lpad(pg_catalog.to_hex(l.objid::bigint), 8, '0') = pg_catalog.right(d.datname, 8))
"""

TEMPLATES = """
    SELECT datname, pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database
     WHERE datname ~ %s AND NOT datallowconn AND pg_catalog.pg_has_role(datdba, 'USAGE')
"""


def held_name(cursor: Any, key: str) -> str:
    """The name for a scratch database that is about to be made, its lock held by this session from now on.

    Args:
        cursor: of a session in autocommit mode that lives as long as the database is needed.
        key: twelve hexadecimal digits: what the database is made of.
    """
    while True:
        token = secrets.token_hex(4)
        cursor.execute("SELECT pg_catalog.pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, _signed(token)])
        if cursor.fetchone()[0]:
            return f"{PREFIX}{key}_{token}"


def is_scratch(name: str) -> bool:
    """Whether a database's name is that of a scratch database.

    Example:
        >>> is_scratch("erm_shadow_0123456789ab_00c0ffee"), is_scratch("erm_shadow")
        (True, False)
    """
    return NAME.fullmatch(name) is not None


def let_go(cursor: Any, name: str) -> None:
    """Give the lock of a scratch database back: it is dropped, or is no scratch database any more."""
    cursor.execute("SELECT pg_catalog.pg_advisory_unlock(%s, %s)", [LOCK_CLASS, _signed(name[-8:])])


def create_database(
    cursor: Any, name: str, *, template: str = "template0", options: Mapping[str, str | int] | None = None
) -> None:
    """Make a database; a scratch database is marked as such.

    Args:
        cursor: of a session in autocommit mode.
        name: the name.
        template: the database that is copied; nobody is connected to it.
        options: further options of CREATE DATABASE, such as `ENCODING`, with their values.

    Raises:
        psycopg2.Error: the server refuses; there is no such template (any more).
    """
    marked = {"CONNECTION LIMIT": _mark(name)} if is_scratch(name) else {}
    further = sql.SQL("").join(
        sql.SQL(" {} = {}").format(sql.SQL(option), sql.Literal(value))
        for option, value in {**marked, **(options or {})}.items()
    )
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE = {}{}")
    cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(template), further))


def owner_of(cursor: Any, name: str) -> str:
    """The role that owns a database, which a copy does not take along.

    Args:
        cursor: of any session.
        name: the database.
    """
    cursor.execute(
        "SELECT pg_catalog.pg_get_userbyid(datdba)::text FROM pg_catalog.pg_database WHERE datname = %s", [name]
    )
    (owner,) = cursor.fetchone()
    return str(owner)


def drop_database(cursor: Any, name: str) -> None:
    """Drop a database with whatever is still connected to it; one that is gone already is dropped."""
    cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _mark(name: str) -> int:
    """The connection limit of a scratch database: no server has a thousand million connections, so it limits nothing.

    Args:
        name: of the database.
    """
    return 2**30 | int.from_bytes(hashlib.sha256(f"erm_scratch {name}".encode()).digest()[:4], "big") % 2**30


def drop_left_behind(cursor: Any) -> tuple[str, ...]:
    """Drop the scratch databases whose makers are gone; the names of those that were dropped.

    One that is only called like a scratch database stays, unless it is broken: then there is nothing in it to be had.

    Args:
        cursor: of a session in autocommit mode.
    """
    cursor.execute(LEFT_BEHIND, [f"^{NAME.pattern}$", LOCK_CLASS])
    dropped = []
    for name, limit in cursor.fetchall():
        if limit not in (_mark(name), INVALID):
            continue
        # Another process may be sweeping at the same moment.
        with contextlib.suppress(errors.InvalidCatalogName, errors.ObjectInUse, errors.InsufficientPrivilege):
            drop_database(cursor, name)
            dropped.append(name)
    return tuple(dropped)


def template_name(key: str) -> str:
    """The name of the template database of a key.

    Example:
        >>> template_name("0123456789abcdef")
        'erm_shadow_template_0123456789abcdef'
    """
    return f"{TEMPLATE}{key}"


def templates(cursor: Any) -> list[tuple[str, str | None]]:
    """The template databases of erm on a server, each with its comment."""
    cursor.execute(TEMPLATES, [f"^{TEMPLATE}[0-9a-f]{{16}}$"])
    return list(cursor.fetchall())


def template_place(cursor: Any, name: str) -> tuple[int, str | None] | None:
    """The OID of a template database and its tablespace, None for one that is gone; None where it is not there.

    Args:
        cursor: of any session.
        name: the template.
    """
    cursor.execute(
        "SELECT d.oid, s.spcname FROM pg_catalog.pg_database d"
        " LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = d.dattablespace WHERE d.datname = %s",
        [name],
    )
    row = cursor.fetchone()
    return None if row is None else (row[0], row[1])


def describe(cursor: Any, name: str, comment: str) -> None:
    """Write the comment of a database."""
    cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(comment)))


def become_template(cursor: Any, name: str, template: str) -> bool:
    """Rename a scratch database, and let nobody connect to it any more; whether that came about.

    Args:
        cursor: of a session in autocommit mode, in another database.
        name: the scratch database.
        template: its new name.
    """
    cursor.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(template))
    for _ in range(LEAVING_TRIES):
        try:
            cursor.execute(rename)
        except errors.ObjectInUse:
            cursor.execute(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = %s",
                [name],
            )
            time.sleep(LEAVING_PAUSE)
        except errors.DuplicateDatabase:
            return False
        else:
            return True
    return False


def drop_template(cursor: Any, template: str) -> None:
    """Drop a template database, unless it is being copied just now."""
    with contextlib.suppress(errors.InvalidCatalogName, errors.ObjectInUse):
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(template)))


@contextlib.contextmanager
def locked(cursor: Any, key: str) -> Iterator[None]:
    """Let one session at a time in; the others wait. It ends with the session, however that ends.

    Args:
        cursor: of a session in autocommit mode.
        key: eight hexadecimal digits.
    """
    numbers = [TEMPLATE_LOCK_CLASS, _signed(key)]
    cursor.execute("SELECT pg_catalog.pg_advisory_lock(%s, %s)", numbers)
    try:
        yield
    finally:
        with contextlib.suppress(psycopg2.Error):
            cursor.execute("SELECT pg_catalog.pg_advisory_unlock(%s, %s)", numbers)


def major_of(connection: Any) -> int:
    """The major version of a connection's server."""
    return int(connection.server_version) // 10000


def _signed(token: str) -> int:
    number = int(token, 16)
    return number - 2**32 if number >= 2**31 else number
