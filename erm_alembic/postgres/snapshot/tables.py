"""Tables, partitions and foreign tables, views and materialised views."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family, Since
from erm_alembic.postgres.snapshot.options import open_options

__all__ = ["TABLES", "VIEWS"]

TOAST_OPTIONS = """
    CASE WHEN c.reltoastrelid <> 0 THEN (
        SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM pg_class t, unnest(t.reloptions) o
         WHERE t.oid = c.reltoastrelid) END
"""
REPLICA_IDENTITY = """
    CASE c.relreplident
         WHEN 'n' THEN 'nothing'
         WHEN 'f' THEN 'full'
         WHEN 'i' THEN coalesce((SELECT 'index ' || quote_ident(x.relname) FROM pg_index i
                                   JOIN pg_class x ON x.oid = i.indexrelid
                                  WHERE i.indrelid = c.oid AND i.indisreplident), 'a dropped index')
         ELSE 'default' END
"""

TABLES = Family(
    f"""
    SELECT r.kind, r.name, NULL::text AS parent_kind, NULL::text AS parent,
           CASE c.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'logged' END AS persistence,
           (SELECT amname FROM pg_am m WHERE m.oid = c.relam) AS "access method",
           (SELECT quote_ident(spcname) FROM pg_tablespace t WHERE t.oid = c.reltablespace) AS tablespace,
           (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(c.reloptions) o) AS options,
           {TOAST_OPTIONS} AS "toast options",
           {REPLICA_IDENTITY} AS "replica identity",
           CASE WHEN c.relrowsecurity THEN 'enabled' ELSE 'disabled' END
               || CASE WHEN c.relforcerowsecurity THEN ', forced' ELSE '' END AS "row security",
           CASE WHEN NOT c.relispartition THEN (
               SELECT string_agg(h.inhparent::regclass::text, ', ' ORDER BY h.inhseqno) FROM pg_inherits h
                WHERE h.inhrelid = c.oid) END AS parents,
           CASE WHEN c.relispartition THEN (
               SELECT h.inhparent::regclass::text || ' ' || pg_get_expr(c.relpartbound, c.oid)
                      || {{detach}} FROM pg_inherits h
                WHERE h.inhrelid = c.oid) END AS "partition of",
           CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END AS "partition key",
           CASE WHEN c.reloftype <> 0 THEN c.reloftype::regtype::text END AS "row type",
           CASE WHEN c.relkind = 'f' THEN (
               SELECT quote_ident(v.srvname) FROM pg_foreign_table f JOIN pg_foreign_server v ON v.oid = f.ftserver
                WHERE f.ftrelid = c.oid) END AS server,
           CASE WHEN c.relkind = 'f' THEN (
               SELECT {open_options("f.ftoptions")} FROM pg_foreign_table f WHERE f.ftrelid = c.oid)
           END AS "foreign options",
           d.description AS comment
      FROM relations r
      JOIN pg_class c ON c.oid = r.oid
      LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
     WHERE r.relkind IN ('r', 'p', 'f')
    """,  # noqa: S608 - nothing from outside
    (Since("detach", 140000, "CASE WHEN h.inhdetachpending THEN ' DETACH PENDING' ELSE '' END", "''"),),
)

VIEWS = Family(f"""
    SELECT r.kind, r.name, NULL::text AS parent_kind, NULL::text AS parent,
           pg_get_viewdef(c.oid) AS definition,
           (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(c.reloptions) o) AS options,
           CASE WHEN r.relkind = 'm' THEN (SELECT amname FROM pg_am m WHERE m.oid = c.relam) END AS "access method",
           (SELECT quote_ident(spcname) FROM pg_tablespace t WHERE t.oid = c.reltablespace) AS tablespace,
           {TOAST_OPTIONS} AS "toast options",
           CASE WHEN r.relkind = 'm' AND c.relreplident <> 'd' THEN {REPLICA_IDENTITY} END AS "replica identity",
           CASE WHEN r.relkind = 'm' THEN CASE WHEN c.relispopulated THEN 'yes' ELSE 'no' END END AS populated,
           d.description AS comment
      FROM relations r
      JOIN pg_class c ON c.oid = r.oid
      LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
     WHERE r.relkind IN ('v', 'm')
""")  # noqa: S608 - nothing from outside
