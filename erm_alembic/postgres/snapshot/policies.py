"""Policies of row security; whether it is enabled is a property of the table."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["POLICIES"]

POLICIES = Family("""
    SELECT 'policy' AS kind, r.name || '.' || quote_ident(p.polname) AS name,
           r.kind AS parent_kind, r.name AS parent,
           CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END AS form,
           CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                         WHEN 'd' THEN 'DELETE' ELSE 'ALL' END AS command,
           (SELECT string_agg(who, ', ' ORDER BY who COLLATE "C") FROM (
                SELECT CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END AS who
                  FROM unnest(p.polroles) role) roles) AS roles,
           pg_get_expr(p.polqual, p.polrelid) AS using,
           pg_get_expr(p.polwithcheck, p.polrelid) AS "check",
           d.description AS comment
      FROM relations r
      JOIN pg_policy p ON p.polrelid = r.oid
      LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_policy'::regclass
""")
