"""Enums, domains with their constraints, composite types, ranges and base types."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family, Since

__all__ = ["BASE_TYPES", "COMPOSITE_TYPES", "DOMAINS", "DOMAIN_CONSTRAINTS", "ENUMS", "RANGES"]

ENUMS = Family("""
    SELECT t.kind, t.name, NULL::text AS parent_kind, NULL::text AS parent,
           (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e
             WHERE e.enumtypid = t.oid) AS labels,
           d.description AS comment
      FROM types t
      LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_type'::regclass
     WHERE t.kind = 'enum'
""")

# Its not-null constraint has a name since PostgreSQL 17, which counts like that of a column.
NAMED_NOT_NULL = """
    CASE WHEN t.typnotnull THEN coalesce(
        (SELECT CASE WHEN k.conname ~ '_not_null[0-9]*$' THEN ''
                     ELSE 'CONSTRAINT ' || quote_ident(k.conname) || ' ' END || 'NOT NULL' FROM pg_constraint k
          WHERE k.contypid = t.oid AND k.contype = 'n'), 'NOT NULL') END
"""

COMMENT_OF_NOT_NULL = """
    (SELECT n.description FROM pg_constraint k
       JOIN pg_description n ON n.objoid = k.oid AND n.classoid = 'pg_constraint'::regclass
      WHERE k.contypid = t.oid AND k.contype = 'n')
"""

DOMAINS = Family(
    """
    SELECT t.kind, t.name, NULL::text AS parent_kind, NULL::text AS parent,
           format_type(t.typbasetype, t.typtypmod) AS type,
           CASE WHEN t.typcollation <> b.typcollation THEN t.typcollation::regcollation::text END AS collation,
           {not null} AS "not null",
           {comment} AS "comment of not null",
           coalesce(pg_get_expr(t.typdefaultbin, 0), quote_literal(t.typdefault)) AS "default",
           d.description AS comment
      FROM types t
      JOIN pg_type b ON b.oid = t.typbasetype
      LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_type'::regclass
     WHERE t.kind = 'domain'
    """,
    (
        Since("not null", 170000, NAMED_NOT_NULL, "CASE WHEN t.typnotnull THEN 'NOT NULL' END"),
        Since("comment", 170000, COMMENT_OF_NOT_NULL),
    ),
)

DOMAIN_CONSTRAINTS = Family("""
    SELECT 'constraint' AS kind, t.name || '.' || quote_ident(k.conname) AS name,
           t.kind AS parent_kind, t.name AS parent,
           pg_get_constraintdef(k.oid) AS definition, d.description AS comment
      FROM types t
      JOIN pg_constraint k ON k.contypid = t.oid AND k.contype <> 'n'
      LEFT JOIN pg_description d ON d.objoid = k.oid AND d.classoid = 'pg_constraint'::regclass
""")

COMPOSITE_TYPES = Family("""
    SELECT r.kind, r.name, NULL::text AS parent_kind, NULL::text AS parent,
           (SELECT string_agg(
                       quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                       || CASE WHEN a.attcollation <> t.typcollation
                               THEN ' COLLATE ' || a.attcollation::regcollation::text ELSE '' END,
                       ', ' ORDER BY a.attnum)
              FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped) AS attributes,
           (SELECT string_agg(quote_ident(a.attname) || ': ' || n.description, '; ' ORDER BY a.attnum)
              FROM pg_attribute a JOIN pg_description n ON n.objoid = a.attrelid AND n.objsubid = a.attnum
             WHERE a.attrelid = r.oid AND n.classoid = 'pg_class'::regclass AND n.objsubid > 0)
               AS "attribute comments",
           d.description AS comment
      FROM relations r
      JOIN pg_class c ON c.oid = r.oid
      LEFT JOIN pg_description d ON d.objoid = c.reltype AND d.classoid = 'pg_type'::regclass
     WHERE r.relkind = 'c'
""")

RANGES = Family(
    """
    SELECT t.kind, t.name, NULL::text AS parent_kind, NULL::text AS parent,
           format_type(g.rngsubtype, NULL) AS subtype,
           CASE WHEN g.rngcollation <> 0 THEN g.rngcollation::regcollation::text END AS collation,
           (SELECT o.opcnamespace::regnamespace::text || '.' || quote_ident(o.opcname) FROM pg_opclass o
             WHERE o.oid = g.rngsubopc) AS "operator class",
           CASE WHEN g.rngcanonical <> 0 THEN g.rngcanonical::regproc::text END AS canonical,
           CASE WHEN g.rngsubdiff <> 0 THEN g.rngsubdiff::regproc::text END AS "subtype difference",
           {multirange} AS multirange,
           d.description AS comment
      FROM types t
      JOIN pg_range g ON g.rngtypid = t.oid
      LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_type'::regclass
     WHERE t.kind = 'range-type'
    """,
    (Since("multirange", 140000, "g.rngmultitypid::regtype::text"),),
)

# A type that was only announced (a shell) is one too.
BASE_TYPES = Family(
    """
    SELECT t.kind, t.name, NULL::text AS parent_kind, NULL::text AS parent,
           t.typinput::regproc::text AS input, t.typoutput::regproc::text AS output,
           t.typreceive::regproc::text AS receive, t.typsend::regproc::text AS send,
           t.typmodin::regproc::text AS "modifier input", t.typmodout::regproc::text AS "modifier output",
           t.typanalyze::regproc::text AS analyze, {subscript} AS subscript,
           t.typlen::text AS length, t.typbyval::text AS "by value",
           t.typalign::text AS alignment, t.typstorage::text AS storage, t.typcategory::text AS category,
           t.typispreferred::text AS preferred, t.typdelim::text AS delimiter, t.typdefault AS "default",
           CASE WHEN t.typelem <> 0 THEN format_type(t.typelem, NULL) END AS element,
           (t.typcollation <> 0)::text AS collatable, d.description AS comment
      FROM types t
      LEFT JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_type'::regclass
     WHERE t.kind = 'base-type'
    """,
    (Since("subscript", 140000, "nullif(t.typsubscript::oid, 0)::regproc::text"),),
)
