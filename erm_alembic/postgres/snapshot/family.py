"""A family of objects, and what the SQL texts of all families are built on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

__all__ = ["Family", "Since", "common_tables", "parameters"]

# What the families refer to: what belongs to extensions, the schemas and relations that count, and everything that has
# an owner and may have grants. The letters are those of acldefault().
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
            SELECT c.oid, s.name || '.' || quote_ident(c.relname) AS name, c.relkind, c.relowner,
                   CASE WHEN c.relkind = 'c' THEN (SELECT typacl FROM pg_type t WHERE t.oid = c.reltype)
                        ELSE c.relacl END AS relacl,
                   CASE WHEN c.relispartition AND c.relkind IN ('r', 'p', 'f') THEN 'partition'
                        ELSE CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'f' THEN 'foreign-table'
                                            WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized-view'
                                            WHEN 'S' THEN 'sequence' ELSE 'composite-type' END END AS kind
              FROM pg_class c JOIN spaces s ON s.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
               AND NOT EXISTS (
                   SELECT FROM members e
                    WHERE (e.classid = 'pg_class'::regclass AND e.objid = c.oid)
                       OR (e.classid = 'pg_type'::regclass AND e.objid = c.reltype AND c.relkind = 'c'))
        ) named WHERE name <> ALL(%(leave_out_tables)s::text[])
    ),
    owned AS MATERIALIZED (
        SELECT d.objid AS oid, t.oid IS NOT NULL AS counts, t.name || '.' || quote_ident(a.attname) AS owner
          FROM pg_depend d
          JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
          JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
          LEFT JOIN relations t ON t.oid = d.refobjid
         WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
           AND d.deptype IN ('a', 'i')
    ),
    types AS MATERIALIZED (
        SELECT t.*, s.name || '.' || quote_ident(t.typname) AS name,
               CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range-type'
                              ELSE 'base-type' END AS kind
          FROM pg_type t JOIN spaces s ON s.oid = t.typnamespace
         WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'b' AND t.typcategory <> 'A') OR NOT t.typisdefined)
           AND NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
    ),
    routines AS MATERIALIZED (
        SELECT p.oid, p.oid::regprocedure::text AS name, p.prokind, p.proowner, p.proacl,
               CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind
          FROM pg_proc p JOIN spaces s ON s.oid = p.pronamespace
         WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
           AND NOT EXISTS (SELECT FROM pg_depend d
                            WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
    ),
    things AS MATERIALIZED (
        SELECT kind, name, relowner AS owner, relacl AS acl,
               CASE relkind WHEN 'S' THEN 's' WHEN 'c' THEN 'T' ELSE 'r' END::"char" AS letter,
               relkind <> 'S' OR NOT EXISTS (SELECT FROM owned o WHERE o.oid = relations.oid) AS owned_alone
          FROM relations
        UNION ALL
        SELECT kind, name, typowner, typacl, 'T', true FROM types
        UNION ALL
        SELECT kind, name, proowner, proacl, 'f', true FROM routines
        UNION ALL
        SELECT 'schema', s.name, n.nspowner, n.nspacl, 'n', true FROM spaces s JOIN pg_namespace n ON n.oid = s.oid
         WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid)
        UNION ALL
        SELECT 'foreign-data-wrapper', quote_ident(fdwname), fdwowner, fdwacl, 'F', true FROM pg_foreign_data_wrapper w
         WHERE NOT EXISTS (
             SELECT FROM members e WHERE e.classid = 'pg_foreign_data_wrapper'::regclass AND e.objid = w.oid)
        UNION ALL
        SELECT 'foreign-server', quote_ident(srvname), srvowner, srvacl, 'S', true FROM pg_foreign_server w
         WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_foreign_server'::regclass AND e.objid = w.oid)
        UNION ALL
        SELECT 'language', quote_ident(lanname), lanowner, lanacl, 'l', l.oid >= 16384 AND NOT EXISTS (
                   SELECT FROM members e WHERE e.classid = 'pg_language'::regclass AND e.objid = l.oid)
          FROM pg_language l
        UNION ALL
        SELECT 'publication', quote_ident(pubname), pubowner, NULL, '-', true FROM pg_publication
        UNION ALL
        SELECT 'subscription', quote_ident(subname), subowner, NULL, '-', true FROM pg_subscription
         WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        UNION ALL
        SELECT 'event-trigger', quote_ident(evtname), evtowner, NULL, '-', true FROM pg_event_trigger t
         WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_event_trigger'::regclass AND e.objid = t.oid)
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
