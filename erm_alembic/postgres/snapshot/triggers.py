"""Triggers, event triggers and rules, and whether each is enabled."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["EVENT_TRIGGERS", "RULES", "TRIGGERS"]

# A partition's copy of its parent's trigger, which some versions take for an internal one, only where it is enabled
# otherwise.
TRIGGERS = Family("""
    SELECT 'trigger' AS kind, r.name || '.' || quote_ident(g.tgname) AS name,
           r.kind AS parent_kind, r.name AS parent,
           pg_get_triggerdef(g.oid) AS definition,
           CASE g.tgenabled WHEN 'O' THEN 'yes' WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas'
                            ELSE 'always' END AS enabled,
           d.description AS comment
      FROM relations r
      JOIN pg_trigger g ON g.tgrelid = r.oid
      LEFT JOIN pg_trigger o ON o.oid = g.tgparentid
      LEFT JOIN pg_description d ON d.objoid = g.oid AND d.classoid = 'pg_trigger'::regclass
     WHERE (o.oid IS NULL AND NOT g.tgisinternal) OR (o.tgenabled <> g.tgenabled AND NOT o.tgisinternal)
""")

EVENT_TRIGGERS = Family("""
    SELECT 'event-trigger' AS kind, quote_ident(g.evtname) AS name, NULL::text AS parent_kind, NULL::text AS parent,
           g.evtevent::text AS event, g.evtfoid::regprocedure::text AS function,
           (SELECT string_agg(tag, ', ' ORDER BY tag COLLATE "C") FROM unnest(g.evttags) tag) AS tags,
           CASE g.evtenabled WHEN 'O' THEN 'yes' WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas'
                             ELSE 'always' END AS enabled,
           d.description AS comment
      FROM pg_event_trigger g
      LEFT JOIN pg_description d ON d.objoid = g.oid AND d.classoid = 'pg_event_trigger'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_event_trigger'::regclass AND e.objid = g.oid)
""")

RULES = Family("""
    SELECT 'rule' AS kind, r.name || '.' || quote_ident(w.rulename) AS name,
           r.kind AS parent_kind, r.name AS parent,
           pg_get_ruledef(w.oid) AS definition,
           CASE w.ev_enabled WHEN 'O' THEN 'yes' WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas'
                             ELSE 'always' END AS enabled,
           d.description AS comment
      FROM relations r
      JOIN pg_rewrite w ON w.ev_class = r.oid AND NOT (w.rulename = '_RETURN' AND r.relkind IN ('v', 'm'))
      LEFT JOIN pg_description d ON d.objoid = w.oid AND d.classoid = 'pg_rewrite'::regclass
""")
