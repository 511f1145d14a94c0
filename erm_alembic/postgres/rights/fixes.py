"""Rights that are given for a trial, one by one, in a database that is thrown away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from psycopg2 import sql

from erm_alembic.postgres.rights.kinds import keyword_of, kind_of_catalog, privileges_of
from erm_alembic.postgres.rights.objects import Found, find_named, table_of
from erm_alembic.postgres.rights.refusal import Refusal

__all__ = [
    "Fix",
    "apply_fix",
    "drop_probe",
    "is_superuser",
    "make_probe",
    "options_for",
    "take_back",
    "take_from_public",
]

IDENTITY = """
    SELECT i.type, i.identity, c.relkind::text
      FROM pg_catalog.pg_class c, LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, 0) i
     WHERE c.oid = %s
"""
SCHEMAS = """
    SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
"""
# Rights that PUBLIC has, on what is no extension's. Whether the target's PUBLIC has them is asked there.
PUBLIC_RIGHTS = """
    SELECT 'DATABASE', pg_catalog.quote_ident(pg_catalog.current_database())
     UNION ALL
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, i.identity
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
           LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, 0) i
     WHERE c.relacl IS NOT NULL AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     UNION ALL
    SELECT 'ROUTINE', i.identity
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace,
           LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_proc'::regclass, p.oid, 0) i
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e'
                          AND d.classid = 'pg_catalog.pg_proc'::regclass)
     UNION ALL
    SELECT 'TYPE', i.identity
      FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
           LEFT JOIN pg_catalog.pg_class r ON r.oid = t.typrelid,
           LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_type'::regclass, t.oid, 0) i
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND coalesce(r.relkind, 'c') = 'c'
       AND t.typtype IN ('b', 'c', 'd', 'e', 'r') AND t.typelem = 0
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e'
                          AND d.classid = 'pg_catalog.pg_type'::regclass)
"""

ORDINARY_ROLES = """
    SELECT rolname FROM pg_catalog.pg_roles
     WHERE NOT rolsuper AND rolname !~ '^(pg_|erm_shadow_)' ORDER BY 1 LIMIT 40
"""


@dataclass(frozen=True)
class Fix:
    """One right.

    Args:
        right: `OWN`, a privilege, `MEMBER` of a role; `SUPERUSER` for what no grant gives.
        object: on what; None for a role and for `SUPERUSER`.
        name: the role; what the server said, for `SUPERUSER`.
        hint: what the server added.
        to: who is to get it; None for the role that was refused.
    """

    right: str
    object: Found | None = None
    name: str = ""
    hint: str = ""
    to: str | None = None

    @property
    def kind(self) -> Literal["own", "privilege", "member", "superuser"]:
        """What it comes to."""
        kinds: dict[str, Literal["own", "member", "superuser"]] = {
            "OWN": "own",
            "MEMBER": "member",
            "SUPERUSER": "superuser",
        }
        return kinds.get(self.right, "privilege")


def options_for(cursor: Any, refusal: Refusal, major: int) -> list[list[Fix]]:
    """What may be what the server wants, the least first; each is a group of rights, of which not all may be needed.

    Args:
        cursor: a plain cursor of the database.
        refusal: what it said.
        major: the server's major version.
    """
    superuser = [Fix("SUPERUSER", name=_said(refusal), hint=refusal.hint)]
    if refusal.wants == "member":
        return [[Fix("MEMBER", name=refusal.name)], superuser]
    if refusal.wants == "other":
        return [*_on_database(cursor, refusal), *_members(cursor, refusal), superuser]
    found = find_named(cursor, refusal.kind, refusal.name)
    own = [Fix("OWN", each) for each in found]
    groups = [own] if own else []
    if refusal.wants == "privilege":
        granted = [
            Fix(privilege, each)
            for each in found
            if each.kind.keyword is not None
            for privilege in privileges_of(each.kind, each.address.type, major)
        ]
        groups = [granted, *groups] if granted else groups
        groups += _create_for_others(cursor, found)
    return [*groups, superuser]


def _said(refusal: Refusal) -> str:
    if refusal.wants == "other":
        return refusal.name
    words = "must be owner of" if refusal.wants == "owner" else "permission denied for"
    return f"{words} {refusal.kind} {refusal.name}"


def _on_database(cursor: Any, refusal: Refusal) -> list[list[Fix]]:
    """A trusted extension: the hint asks for CREATE on the database. A temporary table: the message is of its own."""
    cursor.execute("SELECT pg_catalog.current_database()")
    found = find_named(cursor, "database", cursor.fetchone()[0])
    if refusal.name.startswith("permission denied to create temporary tables"):
        return [[Fix("TEMPORARY", each) for each in found]]
    return [[Fix("CREATE", each) for each in found]] if "CREATE privilege" in f"{refusal.name} {refusal.hint}" else []


def _create_for_others(cursor: Any, found: list[Found]) -> list[list[Fix]]:
    """A new owner must be able to create in the schema, and the message does not say that it is about that one."""
    schemas = [each for each in found if each.kind is kind_of_catalog("pg_namespace")]
    cursor.execute(ORDINARY_ROLES)
    group = [Fix("CREATE", each, to=name) for (name,) in cursor.fetchall() for each in schemas]
    return [group] if group else []


def _members(cursor: Any, refusal: Refusal) -> list[list[Fix]]:
    """Default privileges of another role: the message does not say whose (PostgreSQL 16)."""
    if "default privileges" not in refusal.name:
        return []
    cursor.execute(ORDINARY_ROLES)
    found = [Fix("MEMBER", name=name) for (name,) in cursor.fetchall()]
    return [found] if found else []


def apply_fix(cursor: Any, fix: Fix, role: str) -> bool:
    """Give a role a right; whether that could be done by a grant or a change of owner.

    Args:
        cursor: a plain cursor of a superuser's session.
        fix: the right.
        role: who gets it.

    Raises:
        psycopg2.Error: the server refuses even that.
    """
    to = sql.Identifier(fix.to or role)
    if fix.kind == "superuser":
        return False
    if fix.kind == "member":
        cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(fix.name), to))
        return True
    assert fix.object is not None
    address = fix.object.address
    if fix.kind == "privilege":
        keyword = keyword_of(fix.object.kind, address.type)
        cursor.execute(
            sql.SQL("GRANT {} ON {} {} TO {}").format(
                sql.SQL(fix.right), sql.SQL(keyword), sql.SQL(address.identity), to
            )
        )
        return True
    type_, identity = address.type, address.identity
    if fix.object.kind is kind_of_catalog("pg_class"):
        cursor.execute(IDENTITY, [table_of(cursor, fix.object.oid)])
        type_, identity, relkind = cursor.fetchone()
        type_ = "type" if relkind == "c" else type_
    if type_ == "extension":
        return False
    words = "ROUTINE" if fix.object.kind is kind_of_catalog("pg_proc") else ALTERED.get(type_, type_.upper())
    cursor.execute(sql.SQL("ALTER {} {} OWNER TO {}").format(sql.SQL(words), sql.SQL(identity), to))
    return True


def take_back(cursor: Any, fix: Fix, role: str) -> None:
    """Take a privilege away again that was no help; an owner stays.

    Args:
        cursor: a plain cursor of a superuser's session.
        fix: the right.
        role: who was given it.
    """
    if fix.kind != "privilege" or fix.object is None:
        return
    keyword, address = keyword_of(fix.object.kind, fix.object.address.type), fix.object.address
    cursor.execute(
        sql.SQL("REVOKE {} ON {} {} FROM {}").format(
            sql.SQL(fix.right), sql.SQL(keyword), sql.SQL(address.identity), sql.Identifier(fix.to or role)
        )
    )


# Where ALTER calls it otherwise than `pg_identify_object` does.
ALTERED = {"statistics object": "STATISTICS", "composite type": "TYPE", "partitioned table": "TABLE"}


def is_superuser(cursor: Any) -> bool:
    """Whether the session's role is refused nothing.

    Args:
        cursor: a plain cursor.
    """
    cursor.execute("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")
    return bool(cursor.fetchone()[0])


def make_probe(cursor: Any, role: str) -> None:
    """Make a role that has no rights but those that a trial gives it.

    Args:
        cursor: a plain cursor of a superuser's session in autocommit mode.
        role: its name.
    """
    cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))


def drop_probe(cursor: Any, role: str) -> None:
    """Drop it, with what it has made in this database.

    Args:
        cursor: a plain cursor of a superuser's session in autocommit mode.
        role: its name.
    """
    name = sql.Identifier(role)
    cursor.execute(sql.SQL("REASSIGN OWNED BY {} TO SESSION_USER").format(name))
    cursor.execute(sql.SQL("DROP OWNED BY {}").format(name))
    cursor.execute(sql.SQL("DROP ROLE {}").format(name))


def take_from_public(cursor: Any) -> None:
    """Take from PUBLIC what it may do in this database, so that each right that is needed is seen.

    It may use every schema: one of the search path that a role may not use is no refusal, it is passed over.

    Args:
        cursor: a plain cursor of a superuser's session in autocommit mode.
    """
    cursor.execute(SCHEMAS)
    for (schema,) in cursor.fetchall():
        cursor.execute(sql.SQL("REVOKE CREATE ON SCHEMA {} FROM PUBLIC").format(sql.SQL(schema)))
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO PUBLIC").format(sql.SQL(schema)))
    cursor.execute(PUBLIC_RIGHTS)
    for keyword, identity in cursor.fetchall():
        cursor.execute(sql.SQL("REVOKE ALL ON {} {} FROM PUBLIC").format(sql.SQL(keyword), sql.SQL(identity)))
