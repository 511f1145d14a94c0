"""Text search: parsers, templates, dictionaries and configurations."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family

__all__ = ["CONFIGURATIONS", "DICTIONARIES", "PARSERS", "TEMPLATES"]

PARSERS = Family("""
    SELECT 'text-search-parser' AS kind, s.name || '.' || quote_ident(p.prsname) AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           p.prsstart::regproc::text AS start, p.prstoken::regproc::text AS token, p.prsend::regproc::text AS "end",
           nullif(p.prsheadline::oid, 0)::regproc::text AS headline, p.prslextype::regproc::text AS "token types",
           d.description AS comment
      FROM pg_ts_parser p
      JOIN spaces s ON s.oid = p.prsnamespace
      LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_ts_parser'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_ts_parser'::regclass AND e.objid = p.oid)
""")

TEMPLATES = Family("""
    SELECT 'text-search-template' AS kind, s.name || '.' || quote_ident(p.tmplname) AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           nullif(p.tmplinit::oid, 0)::regproc::text AS init, p.tmpllexize::regproc::text AS lexize,
           d.description AS comment
      FROM pg_ts_template p
      JOIN spaces s ON s.oid = p.tmplnamespace
      LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_ts_template'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_ts_template'::regclass AND e.objid = p.oid)
""")

DICTIONARIES = Family("""
    SELECT 'text-search-dictionary' AS kind, s.name || '.' || quote_ident(t.dictname) AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           (SELECT p.tmplnamespace::regnamespace::text || '.' || quote_ident(p.tmplname) FROM pg_ts_template p
             WHERE p.oid = t.dicttemplate) AS template,
           t.dictinitoption AS options, d.description AS comment
      FROM pg_ts_dict t
      JOIN spaces s ON s.oid = t.dictnamespace
      LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_ts_dict'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_ts_dict'::regclass AND e.objid = t.oid)
""")

CONFIGURATIONS = Family("""
    SELECT 'text-search-configuration' AS kind, s.name || '.' || quote_ident(c.cfgname) AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           (SELECT p.prsnamespace::regnamespace::text || '.' || quote_ident(p.prsname) FROM pg_ts_parser p
             WHERE p.oid = c.cfgparser) AS parser,
           (SELECT string_agg(k.alias || ': ' || k.dictionaries, '; ' ORDER BY k.alias COLLATE "C") FROM (
                SELECT n.alias, string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno) AS dictionaries
                  FROM pg_ts_config_map m JOIN ts_token_type(c.cfgparser) n ON n.tokid = m.maptokentype
                 WHERE m.mapcfg = c.oid GROUP BY n.alias) k) AS mappings,
           d.description AS comment
      FROM pg_ts_config c
      JOIN spaces s ON s.oid = c.cfgnamespace
      LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_ts_config'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_ts_config'::regclass AND e.objid = c.oid)
""")
