"""Schemas and extensions."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["EXTENSIONS", "SCHEMAS"]

SCHEMAS = Family("""
    SELECT 'schema' AS kind, s.name, NULL::text AS parent_kind, NULL::text AS parent, d.description AS comment
      FROM spaces s
      LEFT JOIN pg_description d ON d.objoid = s.oid AND d.classoid = 'pg_namespace'::regclass AND d.objsubid = 0
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = s.oid)
""")

EXTENSIONS = Family("""
    SELECT 'extension' AS kind, quote_ident(x.extname) AS name, NULL::text AS parent_kind, NULL::text AS parent,
           x.extversion AS version, x.extnamespace::regnamespace::text AS schema, d.description AS comment
      FROM pg_extension x
      LEFT JOIN pg_description d ON d.objoid = x.oid AND d.classoid = 'pg_extension'::regclass
""")
