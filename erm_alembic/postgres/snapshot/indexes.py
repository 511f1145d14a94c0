"""Indexes, those behind constraints among them."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family, Since

__all__ = ["DEFINITION", "HELPERS", "INDEXES", "NOT_DISTINCT"]

# What the definition of a plain index is put together from. `column_names` has the names of a table's columns by their
# number. `usual` are the operator classes of which a definition says nothing, since no other could be meant: those of
# PostgreSQL that are the default of their type, unless a type with a default of its own would take them as well.
# `tuned` are the indexes of which an operator class was given parameters.
HELPERS = """
    column_names AS MATERIALIZED (
        SELECT a.attrelid, array_agg(quote_ident(a.attname) ORDER BY a.attnum) AS names,
               bool_and(a.attcollation IN (0, 100)) AS plain
          FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
         WHERE r.relkind IN ('r', 'p', 'm')
         GROUP BY a.attrelid
    ),
    usual AS MATERIALIZED (
        SELECT array_agg(o.oid) AS classes
          FROM pg_opclass o JOIN pg_type t ON t.oid = o.opcintype
         WHERE o.opcdefault AND o.oid < 16384
           AND NOT EXISTS (
               SELECT FROM pg_cast k
                 JOIN pg_opclass own ON own.opcintype = k.castsource AND own.opcmethod = o.opcmethod AND own.opcdefault
                WHERE k.casttarget = o.opcintype AND k.castmethod = 'b' AND k.castcontext = 'i')
           AND NOT (t.typtype = 'p' AND EXISTS (
               SELECT FROM pg_opclass own JOIN pg_type y ON y.oid = own.opcintype
                WHERE own.opcmethod = o.opcmethod AND own.opcdefault AND y.typtype <> 'p'
                  AND y.typcategory IN ('A', 'E', 'R', 'C')))
    ),
    tuned AS MATERIALIZED (
        SELECT coalesce(array_agg(DISTINCT attrelid), '{}') AS indexes FROM pg_attribute WHERE attoptions IS NOT NULL
    )
"""
NOT_DISTINCT = Since("not distinct", 150000, "i.indnullsnotdistinct", "false")

# pg_get_indexdef() loads all about an index into the session's caches, which takes most of the time of a fingerprint;
# for the plain ones (nothing but columns) the same text is put together here.
DEFINITION = """
    CASE WHEN i.indexprs IS NULL AND i.indpred IS NULL AND x.reloptions IS NULL AND i.indnatts = i.indnkeyatts
              AND NOT {not distinct} AND n.plain AND i.indcollation::oid[] <@ '{0,100}'::oid[]
              AND i.indoption::int2[] <@ '{0}'::int2[] AND i.indclass::oid[] <@ (SELECT classes FROM usual)
              AND x.oid <> ALL ((SELECT indexes FROM tuned)::oid[])
         THEN 'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || quote_ident(x.relname)
              || ' ON ' || CASE WHEN x.relkind = 'I' THEN 'ONLY ' ELSE '' END || r.name
              || ' USING ' || quote_ident(m.amname)
              || ' (' || array_to_string(ARRAY(SELECT n.names[k] FROM unnest(i.indkey) k), ', ') || ')'
         ELSE pg_get_indexdef(i.indexrelid) END
"""

INDEXES = Family(
    f"""
    WITH {HELPERS}
    SELECT 'index' AS kind, s.name || '.' || quote_ident(x.relname) AS name,
           CASE WHEN k.oid IS NULL THEN r.kind ELSE 'constraint' END AS parent_kind,
           CASE WHEN k.oid IS NULL THEN r.name ELSE r.name || '.' || quote_ident(k.conname) END AS parent,
           {DEFINITION} AS definition,
           CASE WHEN NOT i.indisvalid THEN 'no' ELSE 'yes' END AS valid,
           CASE WHEN i.indisclustered THEN 'yes' ELSE 'no' END AS clustered,
           CASE WHEN x.reltablespace <> 0 THEN (
               SELECT quote_ident(spcname) FROM pg_tablespace t WHERE t.oid = x.reltablespace) END AS tablespace,
           CASE WHEN i.indexprs IS NOT NULL THEN (
               SELECT string_agg(a.attnum || ': ' || a.attstattarget, ', ' ORDER BY a.attnum) FROM pg_attribute a
                WHERE a.attrelid = x.oid AND a.attstattarget >= 0) END AS "statistics targets",
           CASE WHEN x.relispartition THEN (
               SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = x.oid) END AS "attached to",
           d.description AS comment
      FROM relations r
      JOIN pg_index i ON i.indrelid = r.oid
      JOIN pg_class x ON x.oid = i.indexrelid
      JOIN pg_am m ON m.oid = x.relam
      JOIN spaces s ON s.oid = x.relnamespace
      JOIN column_names n ON n.attrelid = r.oid
      LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.conrelid = r.oid AND k.contype IN ('p', 'u', 'x')
                               AND k.conparentid = 0
      LEFT JOIN pg_description d ON d.objoid = x.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
    """,  # noqa: S608 - nothing from outside
    (NOT_DISTINCT,),
)
