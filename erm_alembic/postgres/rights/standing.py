"""Who has which rights on a database: owners, members, privileges, and what comes to be by default."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from erm_alembic.postgres.rights.kinds import RELATION
from erm_alembic.postgres.rights.objects import Address, Found, find_object, table_of

__all__ = ["PUBLIC", "DefaultPrivileges", "Held", "Role", "Standing"]

PUBLIC = "public"
"""What `has_..._privilege` calls everybody; a role of that name cannot be."""
SET_OPTION_SINCE = 16

ROLE = """
    SELECT rolname, rolsuper, rolinherit, rolcanlogin, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls
      FROM pg_catalog.pg_roles WHERE rolname = %s
"""
# Explicit rights on tables, by who has them: the owner's own left out.
TABLE_RIGHTS = """
    SELECT n.nspname, c.relkind = 'S', coalesce(r.rolname, 'public'), a.grantee = 0, a.privilege_type,
           count(DISTINCT c.oid)
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
           LATERAL pg_catalog.aclexplode(c.relacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
     WHERE c.oid = ANY(%(oids)s::oid[]) AND a.grantee <> c.relowner
     GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 5
"""
DEFAULT_RIGHTS = """
    SELECT n.nspname, d.defaclobjtype::text, coalesce(r.rolname, 'public'), a.grantee = 0, a.privilege_type
      FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace,
           LATERAL pg_catalog.aclexplode(d.defaclacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
     WHERE pg_catalog.pg_get_userbyid(d.defaclrole) = %s AND a.grantee <> d.defaclrole
     ORDER BY 1, 2, 3, 5
"""
SCHEMAS = """
    SELECT nspname FROM pg_catalog.pg_namespace
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1
"""
UNREAD = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                      AND NOT CASE c.relkind
                              WHEN 'S' THEN pg_catalog.has_sequence_privilege(%(role)s, c.oid, 'SELECT')
                              ELSE pg_catalog.has_table_privilege(%(role)s, c.oid, 'SELECT') END)
"""
OBJECT_TYPES = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS"}


@dataclass(frozen=True)
class Role:
    """A role of the server.

    Args:
        name: its name.
        superuser: whether nothing is refused to it.
        inherits: whether it has by itself what the roles have that it is a member of.
        can_login: whether one can log in as it.
        may_create_roles: CREATEROLE.
        may_create_databases: CREATEDB.
        may_replicate: REPLICATION.
        bypasses_policies: BYPASSRLS.
    """

    name: str
    superuser: bool
    inherits: bool
    can_login: bool
    may_create_roles: bool
    may_create_databases: bool
    may_replicate: bool
    bypasses_policies: bool


@dataclass(frozen=True)
class Held:
    """A privilege that a role was given on tables or sequences of one schema.

    Args:
        schema: the schema.
        sequences: whether it is on sequences.
        grantee: the role; `public` for everybody.
        everybody: whether it is PUBLIC.
        privilege: the privilege.
        count: on how many of those that were asked for.
    """

    schema: str
    sequences: bool
    grantee: str
    everybody: bool
    privilege: str
    count: int


@dataclass(frozen=True)
class DefaultPrivileges:
    """What comes with each object that a role makes.

    Args:
        schema: in this schema only; None in every one.
        objects: `TABLES`, `SEQUENCES`, `FUNCTIONS`, `TYPES`, `SCHEMAS`.
        grantee: who gets it; `public` for everybody.
        everybody: whether that is PUBLIC.
        privilege: the privilege.
    """

    schema: str | None
    objects: str
    grantee: str
    everybody: bool
    privilege: str


class Standing:
    """Asks a database who has which rights.

    Args:
        cursor: a plain cursor in autocommit mode.
        major: the server's major version.
        database: the database's name.
    """

    def __init__(self, cursor: Any, major: int, database: str) -> None:
        self._cursor = cursor
        self.major = major
        self.database = database
        self._roles: dict[str, Role | None] = {}

    def role(self, name: str) -> Role | None:
        """A role; None where there is none."""
        if name not in self._roles:
            self._cursor.execute(ROLE, [name])
            row = self._cursor.fetchone()
            self._roles[name] = None if row is None else Role(*row)
        return self._roles[name]

    def find(self, address: Address) -> Found | None:
        """An object by its address; None where there is none."""
        return find_object(self._cursor, address)

    def owned_with(self, found: Found) -> Found:
        """What has the owner of an object: of an index, or of a column's sequence, the table."""
        if found.kind is not RELATION:
            return found
        oid = table_of(self._cursor, found.oid)
        return found if oid == found.oid else self._relation(oid)

    def named(self, type_: str, *names: str) -> Found | None:
        """An object by its type and its names; None where there is none.

        Args:
            type_: such as `schema`, `table`, `database`.
            names: its schema, where it has one, and its name; unquoted.
        """
        return self.known_again(find_object(self._cursor, Address(type_, names, (), "")))

    def known_again(self, found: Found | None) -> Found | None:
        """The same with the name that a statement takes."""
        if found is None:
            return None
        query = "SELECT type, identity FROM pg_catalog.pg_identify_object(%s::regclass, %s, 0)"
        self._cursor.execute(query, [f"pg_catalog.{found.kind.catalog}", found.oid])
        type_, identity = self._cursor.fetchone()
        return Found(found.kind, found.oid, Address(type_, found.address.names, found.address.args, identity))

    def owner(self, found: Found) -> str:
        """Who owns an object."""
        query = f"SELECT pg_catalog.pg_get_userbyid({found.kind.owner}) FROM pg_catalog.{found.kind.catalog}"  # noqa: S608 - of a table of constants
        self._cursor.execute(f"{query} WHERE oid = %s", [found.oid])
        return str(self._cursor.fetchone()[0])

    def has(self, role: str, found: Found, privilege: str) -> bool:
        """Whether a role, or PUBLIC, has a privilege on an object.

        Args:
            role: the role, which exists, or `PUBLIC`.
            found: the object.
            privilege: the privilege.
        """
        tested = found.kind.tested
        if found.kind is RELATION and found.address.type == "sequence":
            tested = "has_sequence_privilege"
        self._cursor.execute(f"SELECT pg_catalog.{tested}(%s, %s::oid, %s)", [role, found.oid, privilege])
        return bool(self._cursor.fetchone()[0])

    def is_member(self, role: str, of: str, how: Literal["USAGE", "SET"]) -> bool:
        """Whether a role has what another one has (`USAGE`), or may become it (`SET`).

        Args:
            role: the role, which exists.
            of: the other one, which exists.
            how: what of it.
        """
        asked = "MEMBER" if how == "SET" and self.major < SET_OPTION_SINCE else how
        self._cursor.execute("SELECT pg_catalog.pg_has_role(%s::name, %s::name, %s)", [role, of, asked])
        return bool(self._cursor.fetchone()[0])

    def rights_on(self, oids: Iterable[int]) -> list[Held]:
        """Which rights others than the owners were given on tables and sequences.

        Args:
            oids: the tables and sequences.
        """
        self._cursor.execute(TABLE_RIGHTS, {"oids": list(oids)})
        return [Held(*row) for row in self._cursor.fetchall()]

    def defaults_of(self, role: str) -> list[DefaultPrivileges]:
        """What others get with each object that a role makes.

        Args:
            role: the role.
        """
        self._cursor.execute(DEFAULT_RIGHTS, [role])
        return [
            DefaultPrivileges(schema, OBJECT_TYPES[kind], grantee, everybody, privilege)
            for schema, kind, grantee, everybody, privilege in self._cursor.fetchall()
            if kind in OBJECT_TYPES
        ]

    def schemas(self) -> list[str]:
        """The schemas that are not the server's own."""
        self._cursor.execute(SCHEMAS)
        return [name for (name,) in self._cursor.fetchall()]

    def has_row_security(self) -> bool:
        """Whether there is a table with row level security."""
        self._cursor.execute("SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relrowsecurity)")
        return bool(self._cursor.fetchone()[0])

    def reads_all(self, role: str, schema: str) -> bool:
        """Whether a role may read every table and sequence of a schema.

        Args:
            role: the role; one that does not exist may not.
            schema: the schema.
        """
        if self.role(role) is None:
            return False
        self._cursor.execute(UNREAD, {"role": role, "schema": schema})
        return not self._cursor.fetchone()[0]

    def _relation(self, oid: int) -> Found:
        query = "SELECT * FROM pg_catalog.pg_identify_object_as_address('pg_catalog.pg_class'::regclass, %s, 0)"
        self._cursor.execute(query, [oid])
        type_, names, args = self._cursor.fetchone()
        found = self.known_again(Found(RELATION, oid, Address(type_, tuple(names), tuple(args), "")))
        assert found is not None
        return found
