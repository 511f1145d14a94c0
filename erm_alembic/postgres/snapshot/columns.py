"""The columns of tables, and what has been set on those of views."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family, Since
from erm_alembic.postgres.snapshot.options import open_options

__all__ = ["COLUMNS", "VIEW_COLUMNS"]

# A constraint of its own since PostgreSQL 18, with a name. One that PostgreSQL made up does not count: a database
# that was upgraded from an older version has those of its tables' present names, a replayed history the first ones.
NAMED_NOT_NULL = """
    CASE WHEN a.attnotnull THEN coalesce(
        (SELECT CASE WHEN k.conname ~ '_not_null[0-9]*$' AND k.convalidated AND NOT k.connoinherit THEN 'NOT NULL'
                     ELSE 'CONSTRAINT ' || quote_ident(k.conname) || ' NOT NULL ' || quote_ident(a.attname)
                          || CASE WHEN k.connoinherit THEN ' NO INHERIT' ELSE '' END
                          || CASE WHEN k.convalidated THEN '' ELSE ' NOT VALID' END END
           FROM pg_constraint k
          WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey[1] = a.attnum), 'NOT NULL') END
"""

# A default, unlike a generated column, is about no column: its table need not be loaded to tell it.
COMPRESSION = Since("compression", 140000, "CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END")

# There are few of these comments, and many columns.
COMMENTED = """
    LEFT JOIN (
        SELECT k.conrelid, k.conkey[1] AS attnum, n.description FROM pg_description n
          JOIN pg_constraint k ON k.oid = n.objoid AND k.contype = 'n'
         WHERE n.classoid = 'pg_constraint'::regclass
    ) commented ON commented.conrelid = a.attrelid AND commented.attnum = a.attnum
"""

COLUMNS = Family(
    f"""
    SELECT 'column' AS kind, r.name || '.' || quote_ident(a.attname) AS name, r.kind AS parent_kind, r.name AS parent,
           format_type(a.atttypid, a.atttypmod) AS type,
           CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END AS collation,
           {{not null}} AS "not null",
           CASE WHEN a.attgenerated = '' AND a.atthasdef THEN pg_get_expr(f.adbin, 0) END AS "default",
           CASE WHEN a.attgenerated <> '' THEN pg_get_expr(f.adbin, f.adrelid)
                || CASE a.attgenerated WHEN 's' THEN ' STORED' ELSE ' VIRTUAL' END END AS generated,
           CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END AS identity,
           CASE WHEN a.attstorage <> t.typstorage THEN
                CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external'
                                  WHEN 'm' THEN 'main' ELSE 'extended' END END AS storage,
           {{compression}} AS compression,
           CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::text END AS "statistics target",
           CASE WHEN a.attoptions IS NOT NULL THEN (
               SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(a.attoptions) o) END AS options,
           CASE WHEN a.attfdwoptions IS NOT NULL THEN {open_options("a.attfdwoptions")} END AS "foreign options",
           CASE WHEN a.attinhcount > 0 THEN CASE WHEN a.attislocal THEN 'and local' ELSE 'only' END END AS inherited,
           d.description AS comment, {{comment}} AS "comment of not null",
           row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum)::text AS position
      FROM relations r
      JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef f ON a.atthasdef AND f.adrelid = a.attrelid AND f.adnum = a.attnum
      LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
      {{commented}}
     WHERE r.relkind IN ('r', 'p', 'f')
    """,  # noqa: S608 - nothing from outside
    (
        Since("not null", 180000, NAMED_NOT_NULL, "CASE WHEN a.attnotnull THEN 'NOT NULL' END"),
        COMPRESSION,
        Since("comment", 180000, "commented.description"),
        Since("commented", 180000, COMMENTED, ""),
    ),
)

# Their names and types are in the definition of the view; a column is an object where anything was set on it.
VIEW_COLUMNS = Family(
    """
    SELECT 'column' AS kind, r.name || '.' || quote_ident(a.attname) AS name, r.kind AS parent_kind, r.name AS parent,
           CASE WHEN a.atthasdef THEN pg_get_expr(f.adbin, 0) END AS "default",
           CASE WHEN r.relkind = 'm' AND a.attstorage <> t.typstorage THEN
                CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external'
                                  WHEN 'm' THEN 'main' ELSE 'extended' END END AS storage,
           {compression} AS compression,
           CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::text END AS "statistics target",
           (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(a.attoptions) o) AS options,
           d.description AS comment
      FROM relations r
      JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef f ON a.atthasdef AND f.adrelid = a.attrelid AND f.adnum = a.attnum
      LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
     WHERE r.relkind IN ('v', 'm')
       AND (a.atthasdef OR (r.relkind = 'm' AND a.attstorage <> t.typstorage) OR {compression} IS NOT NULL
            OR a.attstattarget >= 0 OR a.attoptions IS NOT NULL OR d.description IS NOT NULL OR a.attacl IS NOT NULL)
    """,
    (COMPRESSION,),
)
