"""Publications with what they publish, and subscriptions without their connection."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.family import Family, Since

__all__ = ["PUBLICATIONS", "PUBLISHED", "SUBSCRIPTIONS"]

YES_OR_NO = "CASE WHEN {} THEN 'yes' ELSE 'no' END"

PUBLICATIONS = Family(
    """
    SELECT 'publication' AS kind, quote_ident(p.pubname) AS name, NULL::text AS parent_kind, NULL::text AS parent,
           CASE WHEN p.puballtables THEN 'yes' ELSE 'no' END AS "all tables",
           concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                           CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END)
               AS operations,
           CASE WHEN p.pubviaroot THEN 'yes' ELSE 'no' END AS "via partition root",
           {generated} AS "generated columns",
           d.description AS comment
      FROM pg_publication p
      LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_publication'::regclass
    """,
    (Since("generated", 180000, "CASE p.pubgencols WHEN 's' THEN 'stored' ELSE 'none' END"),),
)

PUBLISHED = Family(
    """
    SELECT 'publication-table' AS kind, quote_ident(p.pubname) || ': ' || r.name AS name,
           'publication' AS parent_kind, quote_ident(p.pubname) AS parent, {columns} AS columns, {filter} AS filter
      FROM relations r
      JOIN pg_publication_rel m ON m.prrelid = r.oid
      JOIN pg_publication p ON p.oid = m.prpubid
    {schemas}
    """,
    (
        Since(
            "columns",
            150000,
            "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a"
            " WHERE a.attrelid = r.oid AND a.attnum = ANY(m.prattrs::int2[]))",
        ),
        Since("filter", 150000, "pg_get_expr(m.prqual, m.prrelid)"),
        Since(
            "schemas",
            150000,
            """
    UNION ALL
    SELECT 'publication-schema', quote_ident(p.pubname) || ': ' || s.name, 'publication', quote_ident(p.pubname),
           NULL, NULL
      FROM spaces s
      JOIN pg_publication_namespace m ON m.pnnspid = s.oid
      JOIN pg_publication p ON p.oid = m.pnpubid
            """,
            "",
        ),
    ),
)

# Of each what everybody may read: the version decides which columns of the catalog that are.
SUBSCRIPTIONS = Family(
    """
    SELECT 'subscription' AS kind, quote_ident(b.subname) AS name, NULL::text AS parent_kind, NULL::text AS parent,
           CASE WHEN b.subenabled THEN 'yes' ELSE 'no' END AS enabled,
           (SELECT string_agg(quote_ident(p), ', ' ORDER BY p COLLATE "C") FROM unnest(b.subpublications) p)
               AS publications,
           quote_ident(b.subslotname) AS slot, {synchronous} AS "synchronous commit",
           {binary} AS "binary", {streaming} AS streaming, {two phase} AS "two-phase commit",
           {disable} AS "disable on error", {password} AS "password required", {owner} AS "run as owner",
           {origin} AS origin, {failover} AS failover, {comment} AS comment
      FROM pg_subscription b
     WHERE b.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    """,
    (
        Since("synchronous", 140000, "b.subsynccommit"),
        Since("binary", 140000, YES_OR_NO.format("b.subbinary")),
        # A letter since PostgreSQL 16.
        Since(
            "streaming",
            140000,
            "CASE b.substream::text WHEN 'f' THEN 'off' WHEN 'false' THEN 'off' WHEN 'p' THEN 'parallel' ELSE 'on' END",
        ),
        # It begins as pending.
        Since("two phase", 150000, "CASE b.subtwophasestate WHEN 'd' THEN 'off' ELSE 'on' END"),
        Since("disable", 150000, YES_OR_NO.format("b.subdisableonerr")),
        Since("password", 160000, YES_OR_NO.format("b.subpasswordrequired")),
        Since("owner", 160000, YES_OR_NO.format("b.subrunasowner")),
        Since("origin", 160000, "b.suborigin"),
        Since("failover", 170000, YES_OR_NO.format("b.subfailover")),
        Since(
            "comment",
            140000,
            "(SELECT description FROM pg_description d"
            " WHERE d.objoid = b.oid AND d.classoid = 'pg_subscription'::regclass)",
        ),
    ),
)
