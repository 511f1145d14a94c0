"""Indexes, those behind constraints among them."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["INDEXES"]

INDEXES = Family("""
    SELECT 'index' AS kind, s.name || '.' || quote_ident(x.relname) AS name,
           CASE WHEN k.oid IS NULL THEN r.kind ELSE 'constraint' END AS parent_kind,
           CASE WHEN k.oid IS NULL THEN r.name ELSE r.name || '.' || quote_ident(k.conname) END AS parent,
           pg_get_indexdef(i.indexrelid) AS definition,
           CASE WHEN NOT i.indisvalid THEN 'no' ELSE 'yes' END AS valid,
           CASE WHEN i.indisclustered THEN 'yes' ELSE 'no' END AS clustered,
           (SELECT quote_ident(spcname) FROM pg_tablespace t WHERE t.oid = x.reltablespace) AS tablespace,
           CASE WHEN i.indexprs IS NOT NULL THEN (
               SELECT string_agg(a.attnum || ': ' || a.attstattarget, ', ' ORDER BY a.attnum) FROM pg_attribute a
                WHERE a.attrelid = x.oid AND a.attstattarget >= 0) END AS "statistics targets",
           CASE WHEN x.relispartition THEN (
               SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = x.oid) END AS "attached to",
           d.description AS comment
      FROM relations r
      JOIN pg_index i ON i.indrelid = r.oid
      JOIN pg_class x ON x.oid = i.indexrelid
      JOIN spaces s ON s.oid = x.relnamespace
      LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.conrelid = r.oid AND k.contype IN ('p', 'u', 'x')
                               AND k.conparentid = 0
      LEFT JOIN pg_description d ON d.objoid = x.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
""")
