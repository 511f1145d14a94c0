"""A family of objects, and what the SQL texts of all families are built on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

__all__ = ["Family", "Since", "common_tables", "parameters"]

# The schemas and relations that count, and what belongs to extensions: what every family refers to.
COMMON_TABLES = """
    members AS MATERIALIZED (
        SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
    ),
    spaces AS MATERIALIZED (
        SELECT oid, quote_ident(nspname) AS name FROM pg_namespace
         WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND nspname <> ALL(%(leave_out)s::text[])
    ),
    relations AS MATERIALIZED (
        SELECT * FROM (
            SELECT c.oid, s.name || '.' || quote_ident(c.relname) AS name, c.relkind, c.relowner, c.relacl,
                   CASE WHEN c.relispartition AND c.relkind IN ('r', 'p', 'f') THEN 'partition'
                        ELSE CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'f' THEN 'foreign-table'
                                            WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized-view'
                                            WHEN 'S' THEN 'sequence' ELSE 'composite-type' END END AS kind
              FROM pg_class c JOIN spaces s ON s.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
               AND NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
        ) named WHERE name <> ALL(%(leave_out_tables)s::text[])
    )
"""


@dataclass(frozen=True)
class Since:
    """A part of a SQL text that older servers do not understand.

    Args:
        place: where it stands in the text, in braces.
        version: the first server version that has it, as `server_version_num`.
        sql: the part.
        otherwise: what stands there for older servers.
    """

    place: str
    version: int
    sql: str
    otherwise: str = "NULL::text"


@dataclass(frozen=True)
class Family:
    """One query, which reads all objects of a few related kinds.

    Its columns are `kind`, `name`, `parent_kind` and `parent` (NULL for what stands alone), then one for each property,
    named as a human calls it; NULL for a property that is not set. Nothing in them may depend on OIDs, nor on how the
    database came to be as it is: two databases with the same schema give the same rows.

    Args:
        sql: the text; it may refer to the common tables `members`, `spaces` and `relations`.
        since: its parts that depend on the server's version.
    """

    sql: str
    since: tuple[Since, ...] = ()

    def text(self, version: int) -> str:
        """The SQL text for a server of a version (`server_version_num`)."""
        text = self.sql
        for part in self.since:
            text = text.replace("{" + part.place + "}", part.sql if version >= part.version else part.otherwise)
        return text


def common_tables() -> str:
    """The WITH clause that stands before a family's text."""
    return f"WITH {COMMON_TABLES}"


def parameters(leave_out: Collection[str], leave_out_tables: Collection[str]) -> dict[str, Any]:
    """What the common tables take: schemas, and quoted names of relations."""
    return {"leave_out": list(leave_out), "leave_out_tables": list(leave_out_tables)}
