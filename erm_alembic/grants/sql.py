"""The statements that give rights, their names quoted by psycopg2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg2 import sql

from erm_alembic.postgres.rights.kinds import keyword_of
from erm_alembic.postgres.rights.objects import Found

__all__ = ["Statements"]

GRANT_OPTIONS_SINCE = 16


class Statements:
    """Composes statements for one server.

    Args:
        cursor: a cursor of the server, for its rules of quoting.
        major: its major version.
    """

    def __init__(self, cursor: Any, major: int) -> None:
        self._cursor = cursor
        self._major = major

    def create_role(self, role: str) -> str:
        """Make a role that may log in; its password is set elsewhere."""
        return self._text("CREATE ROLE {} LOGIN", role)

    def attribute(self, role: str, attribute: str) -> str:
        """Give a role an attribute.

        Args:
            role: the role.
            attribute: such as `LOGIN`, `CREATEROLE`.
        """
        return self._text(f"ALTER ROLE {{}} {attribute}", role)

    def member(self, of: str, role: str, *, inherit: bool, set_role: bool) -> str:
        """Make a role a member of another one; before PostgreSQL 16 membership always lets it become that one.

        Args:
            of: the other one.
            role: the role.
            inherit: whether it is to have by itself what the other one has.
            set_role: whether it is to become the other one by SET ROLE.
        """
        if self._major < GRANT_OPTIONS_SINCE:
            return self._text("GRANT {} TO {}", of, role)
        options = f"WITH INHERIT {_word(inherit)}, SET {_word(set_role)}"
        return self._text(f"GRANT {{}} TO {{}} {options}", of, role)

    def on(self, found: Sequence[Found], privileges: Sequence[str], role: str) -> str:
        """Give privileges on objects.

        Args:
            found: the objects, all of one kind.
            privileges: which ones.
            role: who gets them.
        """
        given, keyword = ", ".join(privileges), keyword_of(found[0].kind, found[0].address.type)
        statement = sql.SQL(f"GRANT {given} ON {keyword} {{}} TO {{}}")
        named = sql.SQL(", ").join(sql.SQL(each.address.identity) for each in found)
        return str(statement.format(named, sql.Identifier(role)).as_string(self._cursor))

    def on_all(self, what: str, schema: str, privileges: Sequence[str], role: str) -> str:
        """Give privileges on all objects of a schema.

        Args:
            what: `TABLES` or `SEQUENCES`.
            schema: the schema.
            privileges: which ones.
            role: who gets them.
        """
        return self._text(f"GRANT {', '.join(privileges)} ON ALL {what} IN SCHEMA {{}} TO {{}}", schema, role)

    def own_schema(self, schema: str, role: str) -> str:
        """Make a schema that a role owns."""
        return self._text("CREATE SCHEMA {} AUTHORIZATION {}", schema, role)

    def hand_over(self, found: Found, role: str) -> str:
        """Give an object another owner."""
        type_ = found.address.type
        words = "ROUTINE" if found.kind.catalog == "pg_proc" else OWNED.get(type_, type_.upper())
        statement = sql.SQL(f"ALTER {words} {{}} OWNER TO {{}}")
        return str(statement.format(sql.SQL(found.address.identity), sql.Identifier(role)).as_string(self._cursor))

    def by_default(self, maker: str, schema: str | None, privileges: Sequence[str], what: str, role: str | None) -> str:
        """Let everything that a role makes come with privileges of others.

        Args:
            maker: who makes it.
            schema: where; None for everywhere.
            privileges: which ones.
            what: `TABLES`, `SEQUENCES`, ...
            role: who gets them; None for PUBLIC.
        """
        place = sql.SQL("") if schema is None else sql.SQL(" IN SCHEMA {}").format(sql.Identifier(schema))
        to = sql.SQL("PUBLIC") if role is None else sql.Identifier(role)
        statement = sql.SQL(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {{}}{{}} GRANT {', '.join(privileges)} ON {what} TO {{}}"
        )
        return str(statement.format(sql.Identifier(maker), place, to).as_string(self._cursor))

    def parameter(self, name: str, role: str) -> str:
        """Let a role set a parameter that only a superuser may set (PostgreSQL 15 and newer)."""
        return self._text("GRANT SET ON PARAMETER {} TO {}", name, role)

    def extension(self, name: str) -> str:
        """Make an extension where there is none."""
        return self._text("CREATE EXTENSION IF NOT EXISTS {}", name)

    def _text(self, template: str, *names: str) -> str:
        statement = sql.SQL(template).format(*map(sql.Identifier, names))
        return str(statement.as_string(self._cursor))


# Where ALTER calls it otherwise than `pg_identify_object` does.
OWNED = {"statistics object": "STATISTICS", "composite type": "TYPE", "partitioned table": "TABLE"}


def _word(value: bool) -> str:
    return "TRUE" if value else "FALSE"
