"""What other software hangs on objects: security labels, and that an object goes with an extension."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["EXTENSION_DEPENDENCIES", "LABELS"]

# There are few labels, if any: each is looked for among the objects, not the other way round. Those of large objects
# belong to data.
LABELS = Family("""
    WITH labelled AS MATERIALIZED (SELECT * FROM pg_seclabel)
    SELECT 'security-label' AS kind,
           replace(o.kind, '-', ' ') || ' ' || o.name || ' for ' || quote_ident(l.provider) AS name,
           o.kind AS parent_kind, o.name AS parent, l.label
      FROM labelled l
      JOIN (
          SELECT 'pg_class'::regclass::oid AS of, oid, 0 AS part, kind, name FROM relations
          UNION ALL
          SELECT 'pg_class'::regclass, r.oid, a.attnum, 'column', r.name || '.' || quote_ident(a.attname)
            FROM (SELECT DISTINCT objoid, objsubid FROM labelled WHERE objsubid > 0) part
            JOIN relations r ON r.oid = part.objoid
            JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = part.objsubid AND NOT a.attisdropped
          UNION ALL
          SELECT 'pg_proc'::regclass, oid, 0, kind, name FROM routines
          UNION ALL
          SELECT 'pg_type'::regclass, oid, 0, kind, name FROM types
          UNION ALL
          SELECT 'pg_type'::regclass, c.reltype, 0, r.kind, r.name
            FROM relations r JOIN pg_class c ON c.oid = r.oid WHERE r.relkind = 'c'
          UNION ALL
          SELECT 'pg_namespace'::regclass, oid, 0, 'schema', name FROM spaces
          UNION ALL
          SELECT 'pg_event_trigger'::regclass, oid, 0, 'event-trigger', quote_ident(evtname) FROM pg_event_trigger
          UNION ALL
          SELECT 'pg_language'::regclass, oid, 0, 'language', quote_ident(lanname) FROM pg_language
          UNION ALL
          SELECT 'pg_publication'::regclass, oid, 0, 'publication', quote_ident(pubname) FROM pg_publication
      ) o ON o.of = l.classoid AND o.oid = l.objoid AND o.part = l.objsubid
""")

# ALTER ... DEPENDS ON EXTENSION: it is dropped with the extension, without being a member of it.
EXTENSION_DEPENDENCIES = Family("""
    WITH hanging AS MATERIALIZED (
        SELECT d.classid, d.objid, quote_ident(x.extname) AS extension
          FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
         WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'x'
    )
    SELECT 'extension-dependency' AS kind, replace(o.kind, '-', ' ') || ' ' || o.name || ' on ' || o.extension AS name,
           o.kind AS parent_kind, o.name AS parent, o.extension
      FROM (
          SELECT r.kind, r.name, h.extension
            FROM hanging h JOIN routines r ON r.oid = h.objid AND h.classid = 'pg_proc'::regclass
          UNION ALL
          SELECT r.kind, r.name, h.extension
            FROM hanging h JOIN relations r ON r.oid = h.objid AND h.classid = 'pg_class'::regclass
          UNION ALL
          SELECT 'index', s.name || '.' || quote_ident(x.relname), h.extension
            FROM hanging h
            JOIN pg_class x ON x.oid = h.objid AND h.classid = 'pg_class'::regclass AND x.relkind IN ('i', 'I')
            JOIN pg_index i ON i.indexrelid = x.oid
            JOIN relations r ON r.oid = i.indrelid
            JOIN spaces s ON s.oid = x.relnamespace
          UNION ALL
          SELECT 'trigger', r.name || '.' || quote_ident(g.tgname), h.extension
            FROM hanging h
            JOIN pg_trigger g ON g.oid = h.objid AND h.classid = 'pg_trigger'::regclass AND g.tgparentid = 0
            JOIN relations r ON r.oid = g.tgrelid
      ) o
""")
