"""The constraints of tables and of domains."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["CONSTRAINTS"]

# Not those that a partition has from its parent's, the not-null constraints (a property of the column), and the
# constraint triggers (triggers). A foreign key whose own triggers were disabled checks nothing.
CONSTRAINTS = Family("""
    SELECT 'constraint' AS kind, r.name || '.' || quote_ident(k.conname) AS name,
           r.kind AS parent_kind, r.name AS parent,
           pg_get_constraintdef(k.oid) AS definition,
           CASE WHEN k.contype = 'f' AND EXISTS (
               SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled <> 'O') THEN 'off' END AS triggers,
           CASE WHEN k.coninhcount > 0 THEN CASE WHEN k.conislocal THEN 'and local' ELSE 'only' END END AS inherited,
           d.description AS comment
      FROM relations r
      JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype NOT IN ('n', 't') AND k.conparentid = 0
      LEFT JOIN pg_description d ON d.objoid = k.oid AND d.classoid = 'pg_constraint'::regclass
""")
