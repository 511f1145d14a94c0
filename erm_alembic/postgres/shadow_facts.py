"""What of a server and a database decides what a revision makes there: a shadow is set up alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ServerIdentity", "ShadowFacts", "read_identity", "read_shadow_facts", "settings_that_differ"]

# What names resolve to, where things are put, and how constants in definitions are read and shown.
SETTINGS = (
    "search_path",
    "default_tablespace",
    "default_table_access_method",
    "default_toast_compression",
    "default_text_search_config",
    "standard_conforming_strings",
    "xmloption",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
)

FACTS = """
    SELECT (SELECT json_object_agg(name, pg_catalog.current_setting(name))
              FROM pg_catalog.pg_settings WHERE name = ANY(%s)),
           (SELECT pg_catalog.pg_encoding_to_char(encoding) FROM pg_catalog.pg_database
             WHERE datname = pg_catalog.current_database()),
           (SELECT coalesce(json_agg(rolname ORDER BY rolname), '[]') FROM pg_catalog.pg_roles
             WHERE rolname !~ '^pg_'),
           (SELECT coalesce(json_agg(spcname ORDER BY spcname), '[]') FROM pg_catalog.pg_tablespace
             WHERE spcname !~ '^pg_'),
           (SELECT coalesce(json_object_agg(extname, json_build_array(extversion, nspname)), '{}')
              FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
             WHERE extname <> 'plpgsql'),
           (SELECT coalesce(json_agg(nspname ORDER BY nspname), '[]') FROM pg_catalog.pg_namespace
             WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
"""

IDENTITY = """
    SELECT pg_catalog.pg_postmaster_start_time()::text,
           (SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
           pg_catalog.current_setting('server_version'), session_user::text,
           (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user)
"""


@dataclass(frozen=True)
class ShadowFacts:
    """What a target is like.

    Args:
        settings: the settings of a session, by name, as far as they decide what DDL makes.
        encoding: the database's encoding.
        roles: the server's roles.
        tablespaces: the server's tablespaces.
        extensions: the database's extensions: version and schema by name.
        schemas: the database's schemas.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "UTF8"
    roles: tuple[str, ...] = ()
    tablespaces: tuple[str, ...] = ()
    extensions: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    schemas: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerIdentity:
    """Which server and database a session is on, and as whom.

    Args:
        started: when the server was started, to the microsecond: no two servers share it.
        database: the OID of the database.
        version: the server's version, as in `15.18`.
        role: the role that has logged in.
        superuser: whether that is a superuser.
    """

    started: str
    database: int
    version: str
    role: str
    superuser: bool


def read_shadow_facts(cursor: Any) -> ShadowFacts:
    """Read the facts of a target, in one query.

    Args:
        cursor: of a session as revisions have it.
    """
    cursor.execute(FACTS, [list(SETTINGS)])
    settings, encoding, roles, tablespaces, extensions, schemas = cursor.fetchone()
    return ShadowFacts(
        settings=settings or {},
        encoding=encoding,
        roles=tuple(roles),
        tablespaces=tuple(tablespaces),
        extensions={name: (version, schema) for name, (version, schema) in extensions.items()},
        schemas=tuple(schemas),
    )


def read_identity(cursor: Any) -> ServerIdentity:
    """Read which server and database a session is on."""
    cursor.execute(IDENTITY)
    started, database, version, role, superuser = cursor.fetchone()
    return ServerIdentity(started, database, version.split()[0], role, superuser)


def settings_that_differ(cursor: Any, wanted: Mapping[str, str]) -> dict[str, str]:
    """Those of the settings that a session has otherwise, as far as the server has them at all.

    Args:
        cursor: of the session.
        wanted: values by name.
    """
    cursor.execute(
        "SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.pg_settings WHERE name = ANY(%s)",
        [list(wanted)],
    )
    return {name: wanted[name] for name, value in cursor.fetchall() if value != wanted[name]}
