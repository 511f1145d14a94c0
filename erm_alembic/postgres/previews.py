"""Databases for previews: made under another name, renamed when they are whole, told from all others by their comment.

The comment names the database by its number and its name: one that was restored from a dump, copied or renamed by
somebody is not erm's any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import errors, sql

from erm_alembic.postgres.scratch import (
    INVALID,
    create_database,
    describe,
    drop_database,
    drop_left_behind,
    held_name,
    let_go,
)

__all__ = [
    "LONGEST_NAME",
    "Preview",
    "create",
    "drop",
    "exists",
    "find",
    "note_use",
    "previews",
    "server_time",
]

# In bytes; PostgreSQL cuts a longer name without a word.
LONGEST_NAME = 63
MARK = "erm_preview"

DATABASES = """
    SELECT d.datname::text, d.oid::bigint, pg_catalog.shobj_description(d.oid, 'pg_database'),
           pg_catalog.pg_get_userbyid(d.datdba)::text,
           CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT') THEN pg_catalog.pg_database_size(d.oid) END,
           (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid),
           d.datconnlimit
      FROM pg_catalog.pg_database d
     WHERE d.datallowconn AND NOT d.datistemplate
       AND pg_catalog.strpos(pg_catalog.shobj_description(d.oid, 'pg_database'), %s) > 0
     ORDER BY d.datname
"""
LIKE_IT = """
    SELECT pg_catalog.to_jsonb(d) - 'datacl', pg_catalog.pg_encoding_to_char(d.encoding)::text
      FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""
SETTINGS = """
    SELECT unnest(s.setconfig)
      FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
     WHERE s.setrole = 0 AND d.datname = %s
"""


@dataclass(frozen=True)
class Preview:
    """A database that erm has made for a preview.

    Args:
        name: its name.
        environment: the profile that it was made for.
        source: the database that it was copied from; None for one that began empty.
        created: when it was made, in seconds since 1970 by the server's clock.
        used: when it was last asked for.
        owner: the role that it belongs to.
        size: its size in bytes; None where the role may not see it.
        sessions: how many are connected to it.
        is_broken: whether its drop broke off: nobody can use it any more, and it can only be dropped.
    """

    name: str
    environment: str
    source: str | None
    created: float
    used: float
    owner: str
    size: int | None = None
    sessions: int = 0
    is_broken: bool = False


def previews(cursor: Any) -> tuple[Preview, ...]:
    """The previews on a server, by their names.

    Args:
        cursor: of any session.
    """
    cursor.execute(DATABASES, [MARK])
    found = (_preview(*row) for row in cursor.fetchall())
    return tuple(each for each in found if each is not None)


def find(cursor: Any, name: str) -> Preview | None:
    """The preview of a name; None where there is none, or a database that erm has not made for that."""
    return next((each for each in previews(cursor) if each.name == name), None)


def exists(cursor: Any, name: str) -> bool:
    """Whether there is a database of a name, whoever made it."""
    cursor.execute("SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = %s)", [name])
    return bool(cursor.fetchone()[0])


def server_time(cursor: Any) -> float:
    """What the server's clock shows, in seconds since 1970: pipelines run on many machines, and it is one."""
    cursor.execute("SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8")
    return float(cursor.fetchone()[0])


def create(
    cursor: Any, name: str, *, environment: str, source: str | None, owner: str | None, instead: bool = False
) -> None:
    """Make a database for a preview: whole with its mark and its settings, or not at all.

    Args:
        cursor: of a session in autocommit mode, in the database that an empty one is made alike.
        name: its name; no database has it, unless `instead`.
        environment: the profile.
        source: the database that is copied, to which nobody is connected; None makes an empty one.
        owner: the role that it is to belong to; None for the session's own.
        instead: whether a preview of that name is dropped, once the new one wants nothing but the name.

    Raises:
        psycopg2.Error: the server refuses.
    """
    drop_left_behind(cursor)
    cursor.execute("SELECT pg_catalog.current_database()")
    (here,) = cursor.fetchone()
    made = held_name(cursor, hashlib.sha256(name.encode()).hexdigest()[:12])
    try:
        options = {"OWNER": owner} if owner else {}
        if source is None:
            create_database(cursor, made, options={**_alike(cursor), **options})
        else:
            create_database(cursor, made, template=source, options=options)
        _copy_settings(cursor, source or here, made)
        now = server_time(cursor)
        _mark(cursor, made, Preview(name, environment, source, now, now, owner or ""))
        if instead:
            drop(cursor, name)
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        cursor.execute(rename.format(sql.Identifier(made), sql.Identifier(name)))
        # Only now: an unfinished one without the mark of a scratch database would stay for ever.
        cursor.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(sql.Identifier(name)))
    except BaseException:
        with contextlib.suppress(psycopg2.Error):
            drop_database(cursor, made)
        raise
    finally:
        with contextlib.suppress(psycopg2.Error):
            let_go(cursor, made)


def note_use(cursor: Any, preview: Preview) -> None:
    """Write down that a preview was asked for, so that its age begins anew."""
    now = server_time(cursor)
    _mark(cursor, preview.name, Preview(**{**vars(preview), "used": now}))


def drop(cursor: Any, name: str) -> bool:
    """Drop a preview with whatever is connected to it; False where there is none of that name.

    Args:
        cursor: of a session in autocommit mode, in another database.
        name: the preview.

    Raises:
        psycopg2.Error: the server refuses.
    """
    if find(cursor, name) is None:
        return False
    drop_database(cursor, name)
    return True


def _mark(cursor: Any, place: str, preview: Preview) -> None:
    cursor.execute("SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = %s", [place])
    (oid,) = cursor.fetchone()
    members = {
        "oid": oid,
        "name": preview.name,
        "environment": preview.environment,
        "source": preview.source,
        "created": preview.created,
        "used": preview.used,
    }
    describe(cursor, place, json.dumps({MARK: members}))


def _preview(
    name: str, oid: int, comment: str | None, owner: str, size: int | None, sessions: int, limit: int
) -> Preview | None:
    """The preview that a database is, by its comment; None for any other database."""
    try:
        told = json.loads(comment or "")[MARK]
        if (told["oid"], told["name"]) != (oid, name):
            return None
        source = None if told["source"] is None else str(told["source"])
        created, used = float(told["created"]), float(told["used"])
        return Preview(name, str(told["environment"]), source, created, used, owner, size, sessions, limit == INVALID)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _alike(cursor: Any) -> Mapping[str, str]:
    """The options by which a new database sorts and stores text as the session's own does."""
    cursor.execute(LIKE_IT)
    row, encoding = cursor.fetchone()
    options = {"ENCODING": encoding, "LC_COLLATE": row["datcollate"], "LC_CTYPE": row["datctype"]}
    locale = row.get("datlocale") or row.get("daticulocale")
    provider = {"i": ("icu", "ICU_LOCALE"), "b": ("builtin", "BUILTIN_LOCALE")}.get(row.get("datlocprovider", "c"))
    if provider is not None and locale:
        options |= {"LOCALE_PROVIDER": provider[0], provider[1]: locale}
        if row.get("daticurules"):
            options["ICU_RULES"] = row["daticurules"]
    return {name: value for name, value in options.items() if value}


def _copy_settings(cursor: Any, source: str, name: str) -> None:
    """Give a database the settings that ALTER DATABASE gave another one, which a copy does not take along."""
    cursor.execute(SETTINGS, [source])
    found: Sequence[str] = [row[0] for row in cursor.fetchall()]
    for setting in found:
        key, _, value = setting.partition("=")
        if not re.fullmatch(r"[A-Za-z_][\w.]*", key):
            continue
        # One that only a superuser may set stays behind: a role that may not set it could not have it looked at.
        with contextlib.suppress(
            errors.InsufficientPrivilege, errors.CantChangeRuntimeParam, errors.InvalidParameterValue
        ):
            cursor.execute("SELECT pg_catalog.set_config(%s, %s, false)", [key, value])
            place = sql.SQL(".").join(sql.Identifier(part) for part in key.split("."))
            statement = sql.SQL("ALTER DATABASE {} SET {} FROM CURRENT").format(sql.Identifier(name), place)
            cursor.execute(statement)
            cursor.execute(sql.SQL("RESET {}").format(place))
