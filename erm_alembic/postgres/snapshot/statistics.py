"""Statistics objects (CREATE STATISTICS); never what they have gathered."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["STATISTICS"]

STATISTICS = Family("""
    SELECT 'statistics' AS kind, s.name || '.' || quote_ident(x.stxname) AS name,
           r.kind AS parent_kind, r.name AS parent,
           pg_get_statisticsobjdef(x.oid) AS definition,
           CASE WHEN x.stxstattarget >= 0 THEN x.stxstattarget::text END AS target,
           d.description AS comment
      FROM relations r
      JOIN pg_statistic_ext x ON x.stxrelid = r.oid
      JOIN spaces s ON s.oid = x.stxnamespace
      LEFT JOIN pg_description d ON d.objoid = x.oid AND d.classoid = 'pg_statistic_ext'::regclass
""")
