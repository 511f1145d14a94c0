"""What a user has added to the language: collations, conversions, casts, operators, languages, access methods."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family, Since

__all__ = [
    "ACCESS_METHODS",
    "CASTS",
    "COLLATIONS",
    "CONVERSIONS",
    "LANGUAGES",
    "OPERATORS",
    "OPERATOR_CLASSES",
    "OPERATOR_FAMILIES",
    "TRANSFORMS",
]

COLLATIONS = Family(
    """
    SELECT 'collation' AS kind, s.name || '.' || quote_ident(c.collname) AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' WHEN 'b' THEN 'builtin'
                               ELSE c.collprovider::text END AS provider,
           c.collcollate::text AS lc_collate, c.collctype::text AS lc_ctype, {locale} AS locale, {rules} AS rules,
           CASE WHEN c.collisdeterministic THEN 'yes' ELSE 'no' END AS deterministic,
           d.description AS comment
      FROM pg_collation c
      JOIN spaces s ON s.oid = c.collnamespace AND c.collencoding IN (-1, (
           SELECT encoding FROM pg_database WHERE datname = current_database()))
      LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_collation'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_collation'::regclass AND e.objid = c.oid)
    """,
    # The first that applies is put in.
    (
        Since("locale", 170000, "c.colllocale", "{locale of 15}"),
        Since("locale of 15", 150000, "c.colliculocale"),
        Since("rules", 160000, "c.collicurules"),
    ),
)

CONVERSIONS = Family("""
    SELECT 'conversion' AS kind, s.name || '.' || quote_ident(c.conname) AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           pg_encoding_to_char(c.conforencoding)::text AS "from", pg_encoding_to_char(c.contoencoding)::text AS "to",
           c.conproc::regproc::text AS function, c.condefault::text AS "default", d.description AS comment
      FROM pg_conversion c
      JOIN spaces s ON s.oid = c.connamespace
      LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_conversion'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_conversion'::regclass AND e.objid = c.oid)
""")

# Not the casts that a range type brings along.
CASTS = Family("""
    SELECT 'cast' AS kind, format_type(c.castsource, NULL) || ' AS ' || format_type(c.casttarget, NULL) AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           nullif(c.castfunc, 0)::regprocedure::text AS function,
           CASE c.castcontext WHEN 'e' THEN 'explicit' WHEN 'a' THEN 'assignment' ELSE 'implicit' END AS context,
           CASE c.castmethod WHEN 'f' THEN 'function' WHEN 'i' THEN 'in and out' ELSE 'binary' END AS method,
           d.description AS comment
      FROM pg_cast c
      LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_cast'::regclass
     WHERE c.oid >= 16384
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_cast'::regclass AND d.objid = c.oid
                                                 AND d.deptype IN ('e', 'i'))
""")

OPERATORS = Family("""
    SELECT 'operator' AS kind, o.oid::regoperator::text AS name, NULL::text AS parent_kind, NULL::text AS parent,
           nullif(o.oprcode::oid, 0)::regprocedure::text AS function, format_type(o.oprresult, NULL) AS result,
           nullif(o.oprcom, 0)::regoperator::text AS commutator, nullif(o.oprnegate, 0)::regoperator::text AS negator,
           nullif(o.oprrest::oid, 0)::regproc::text AS restrict, nullif(o.oprjoin::oid, 0)::regproc::text AS "join",
           o.oprcanhash::text AS hashes, o.oprcanmerge::text AS merges, d.description AS comment
      FROM pg_operator o
      JOIN spaces s ON s.oid = o.oprnamespace
      LEFT JOIN pg_description d ON d.objoid = o.oid AND d.classoid = 'pg_operator'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_operator'::regclass AND e.objid = o.oid)
""")

OPERATOR_FAMILIES = Family("""
    SELECT 'operator-family' AS kind,
           s.name || '.' || quote_ident(f.opfname) || ' using ' || quote_ident(m.amname) AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           (SELECT string_agg(o.amopstrategy || ' ' || o.amopopr::regoperator::text
                              || coalesce(' for order by ' || (
                                     SELECT y.opfnamespace::regnamespace || '.' || quote_ident(y.opfname)
                                       FROM pg_opfamily y WHERE y.oid = o.amopsortfamily), ''), ', '
                              ORDER BY o.amopstrategy, o.amopopr::regoperator::text COLLATE "C")
              FROM pg_amop o WHERE o.amopfamily = f.oid) AS operators,
           (SELECT string_agg(p.amprocnum || ' (' || format_type(p.amproclefttype, NULL) || ', '
                              || format_type(p.amprocrighttype, NULL) || ') ' || p.amproc::regprocedure::text, ', '
                              ORDER BY p.amprocnum, format_type(p.amproclefttype, NULL) COLLATE "C",
                                       format_type(p.amprocrighttype, NULL) COLLATE "C")
              FROM pg_amproc p WHERE p.amprocfamily = f.oid) AS functions,
           d.description AS comment
      FROM pg_opfamily f
      JOIN spaces s ON s.oid = f.opfnamespace
      JOIN pg_am m ON m.oid = f.opfmethod
      LEFT JOIN pg_description d ON d.objoid = f.oid AND d.classoid = 'pg_opfamily'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_opfamily'::regclass AND e.objid = f.oid)
""")

OPERATOR_CLASSES = Family("""
    SELECT 'operator-class' AS kind,
           s.name || '.' || quote_ident(c.opcname) || ' using ' || quote_ident(m.amname) AS name,
           'operator-family' AS parent_kind,
           f.opfnamespace::regnamespace::text || '.' || quote_ident(f.opfname)
               || ' using ' || quote_ident(m.amname) AS parent,
           f.opfnamespace::regnamespace::text || '.' || quote_ident(f.opfname) AS family,
           format_type(c.opcintype, NULL) AS type, c.opcdefault::text AS "default",
           CASE WHEN c.opckeytype <> 0 THEN format_type(c.opckeytype, NULL) END AS "stored type",
           d.description AS comment
      FROM pg_opclass c
      JOIN spaces s ON s.oid = c.opcnamespace
      JOIN pg_am m ON m.oid = c.opcmethod
      JOIN pg_opfamily f ON f.oid = c.opcfamily
      LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_opclass'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_opclass'::regclass AND e.objid = c.oid)
""")

LANGUAGES = Family("""
    SELECT 'language' AS kind, quote_ident(l.lanname) AS name, NULL::text AS parent_kind, NULL::text AS parent,
           CASE WHEN l.lanpltrusted THEN 'yes' ELSE 'no' END AS trusted,
           nullif(l.lanplcallfoid, 0)::regproc::text AS handler, nullif(l.laninline, 0)::regproc::text AS inline,
           nullif(l.lanvalidator, 0)::regproc::text AS validator, d.description AS comment
      FROM pg_language l
      LEFT JOIN pg_description d ON d.objoid = l.oid AND d.classoid = 'pg_language'::regclass
     WHERE l.oid >= 16384
       AND NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_language'::regclass AND e.objid = l.oid)
""")

TRANSFORMS = Family("""
    SELECT 'transform' AS kind,
           format_type(t.trftype, NULL) || ' in '
           || (SELECT quote_ident(lanname) FROM pg_language l WHERE l.oid = t.trflang) AS name,
           NULL::text AS parent_kind, NULL::text AS parent,
           nullif(t.trffromsql::oid, 0)::regproc::text AS "from SQL",
           nullif(t.trftosql::oid, 0)::regproc::text AS "to SQL", d.description AS comment
      FROM pg_transform t
      LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_transform'::regclass
     WHERE NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_transform'::regclass AND e.objid = t.oid)
""")

ACCESS_METHODS = Family("""
    SELECT 'access-method' AS kind, quote_ident(m.amname) AS name, NULL::text AS parent_kind, NULL::text AS parent,
           CASE m.amtype WHEN 't' THEN 'table' ELSE 'index' END AS form, m.amhandler::regproc::text AS handler,
           d.description AS comment
      FROM pg_am m
      LEFT JOIN pg_description d ON d.objoid = m.oid AND d.classoid = 'pg_am'::regclass
     WHERE m.oid >= 16384
       AND NOT EXISTS (SELECT FROM members e WHERE e.classid = 'pg_am'::regclass AND e.objid = m.oid)
""")
