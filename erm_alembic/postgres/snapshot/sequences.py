"""Sequences, those behind SERIAL and identity columns among them; how far one has counted is data."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["SEQUENCES"]

SEQUENCES = Family("""
    SELECT r.kind, r.name, CASE WHEN o.oid IS NOT NULL THEN 'column' END AS parent_kind, o.owner AS parent,
           format_type(q.seqtypid, NULL) AS type, q.seqstart::text AS start, q.seqincrement::text AS increment,
           q.seqmin::text AS minimum, q.seqmax::text AS maximum, q.seqcache::text AS cache,
           CASE WHEN q.seqcycle THEN 'yes' ELSE 'no' END AS cycle,
           CASE c.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'logged' END AS persistence,
           o.owner AS "owned by", d.description AS comment
      FROM relations r
      JOIN pg_sequence q ON q.seqrelid = r.oid
      JOIN pg_class c ON c.oid = r.oid
      LEFT JOIN owned o ON o.oid = r.oid
      LEFT JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
     WHERE r.relkind = 'S' AND o.counts IS DISTINCT FROM false
""")
