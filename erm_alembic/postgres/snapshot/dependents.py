"""What depends on what: the catalog's own account of it, under the names that a snapshot has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from erm_alembic.postgres.snapshot import ObjectKey
from erm_alembic.postgres.snapshot.family import common_tables, parameters
from erm_alembic.postgres.snapshot.session import steady_session

__all__ = ["Dependents", "read_dependents"]

# What depends on an object directly.
Dependents = Mapping[ObjectKey, frozenset[ObjectKey]]

# A view's columns stand for the view. What a view is made of hangs on its rule, a default on an object of its own.
DEPENDENCIES = """
    , named AS MATERIALIZED (
        SELECT 'pg_class'::regclass AS class, oid, 0 AS part, kind, name FROM relations
        UNION ALL
        SELECT 'pg_class'::regclass, r.oid, a.attnum,
               CASE WHEN r.relkind IN ('v', 'm') THEN r.kind ELSE 'column' END,
               CASE WHEN r.relkind IN ('v', 'm') THEN r.name ELSE r.name || '.' || quote_ident(a.attname) END
          FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT 'pg_class'::regclass, x.oid, 0, 'index', s.name || '.' || quote_ident(x.relname)
          FROM pg_class x JOIN spaces s ON s.oid = x.relnamespace WHERE x.relkind IN ('i', 'I')
        UNION ALL
        SELECT 'pg_proc'::regclass, oid, 0, kind, name FROM routines
        UNION ALL
        SELECT 'pg_type'::regclass, oid, 0, kind, name FROM types
        UNION ALL
        SELECT 'pg_type'::regclass, typarray, 0, kind, name FROM types WHERE typarray <> 0
        UNION ALL
        SELECT 'pg_type'::regclass, y.oid, 0, r.kind, r.name
          FROM relations r JOIN pg_class c ON c.oid = r.oid
          JOIN pg_type t ON t.oid = c.reltype JOIN pg_type y ON y.oid IN (t.oid, t.typarray)
        UNION ALL
        SELECT 'pg_constraint'::regclass, k.oid, 0, 'constraint', r.name || '.' || quote_ident(k.conname)
          FROM pg_constraint k JOIN relations r ON r.oid = k.conrelid
        UNION ALL
        SELECT 'pg_rewrite'::regclass, w.oid, 0,
               CASE WHEN w.rulename = '_RETURN' THEN r.kind ELSE 'rule' END,
               CASE WHEN w.rulename = '_RETURN' THEN r.name ELSE r.name || '.' || quote_ident(w.rulename) END
          FROM pg_rewrite w JOIN relations r ON r.oid = w.ev_class
        UNION ALL
        SELECT 'pg_attrdef'::regclass, d.oid, 0, 'column', r.name || '.' || quote_ident(a.attname)
          FROM pg_attrdef d JOIN relations r ON r.oid = d.adrelid AND r.relkind NOT IN ('v', 'm')
          JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        UNION ALL
        SELECT 'pg_policy'::regclass, p.oid, 0, 'policy', r.name || '.' || quote_ident(p.polname)
          FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
        UNION ALL
        SELECT 'pg_trigger'::regclass, g.oid, 0, 'trigger', r.name || '.' || quote_ident(g.tgname)
          FROM pg_trigger g JOIN relations r ON r.oid = g.tgrelid WHERE NOT g.tgisinternal AND g.tgparentid = 0
        UNION ALL
        SELECT 'pg_statistic_ext'::regclass, x.oid, 0, 'statistics', s.name || '.' || quote_ident(x.stxname)
          FROM pg_statistic_ext x JOIN spaces s ON s.oid = x.stxnamespace
    )
    SELECT DISTINCT base.kind, base.name, other.kind, other.name
      FROM pg_depend d
      JOIN named other ON other.class = d.classid AND other.oid = d.objid AND other.part = d.objsubid
      JOIN named base ON base.class = d.refclassid AND base.oid = d.refobjid AND base.part = d.refobjsubid
     WHERE (base.kind, base.name) <> (other.kind, other.name)
"""


def read_dependents(cursor: Any) -> Dependents:
    """Read what depends on what.

    Args:
        cursor: a psycopg2 cursor that gives tuples; in a transaction of the caller's, what it has done is seen.
    """
    with steady_session(cursor):
        cursor.execute(f"{common_tables()}{DEPENDENCIES}", parameters((), ()))
        rows = cursor.fetchall()
    found: defaultdict[ObjectKey, set[ObjectKey]] = defaultdict(set)
    for kind, name, other_kind, other in rows:
        found[kind, name].add((other_kind, other))
    return {key: frozenset(others) for key, others in found.items()}
