"""Changes by hand of what a user adds to the language, of foreign data and of what belongs to an environment."""

from __future__ import annotations

from tests.snapshot.change import Change, one

__all__ = ["LANGUAGE"]

LANGUAGE = (
    # What a user adds to the language
    one("collation made", 'CREATE COLLATION app.c FROM "POSIX"', "collation", "app.c"),
    one("cast made", "CREATE CAST (app.pair AS integer) WITH INOUT", "cast", "app.pair AS integer"),
    one(
        "cast changed",
        "DROP CAST (app.mood AS integer); CREATE CAST (app.mood AS integer) WITH FUNCTION app.mood_int(app.mood)",
        "cast",
        "app.mood AS integer",
        "context",
    ),
    one(
        "operator made",
        "CREATE OPERATOR app.!== (leftarg = app.mood, rightarg = integer, function = app.eq)",
        "operator",
        "app.!==(app.mood,integer)",
    ),
    one(
        "operator changed",
        "ALTER OPERATOR app.=== (app.mood, integer) SET (RESTRICT = NONE)",
        "operator",
        "app.===(app.mood,integer)",
        "restrict",
    ),
    one(
        "operator class dropped",
        "DROP OPERATOR CLASS app.cls USING btree; ALTER OPERATOR FAMILY app.fam USING btree"
        " ADD FUNCTION 1 (app.pair, app.pair) app.cmp(app.pair, app.pair)",
        "operator-class",
        "app.cls using btree",
    ),
    one(
        "operator family",
        "ALTER OPERATOR FAMILY app.fam USING btree ADD OPERATOR 3 app.===(app.mood, integer)",
        "operator-family",
        "app.fam using btree",
        "operators",
    ),
    one(
        "dictionary",
        "ALTER TEXT SEARCH DICTIONARY app.dict (accept = false)",
        "text-search-dictionary",
        "app.dict",
        "options",
    ),
    one(
        "text search mapping",
        "ALTER TEXT SEARCH CONFIGURATION app.conf DROP MAPPING FOR word",
        "text-search-configuration",
        "app.conf",
        "mappings",
    ),
    one(
        "access method made",
        "CREATE ACCESS METHOD again TYPE TABLE HANDLER heap_tableam_handler",
        "access-method",
        "again",
    ),
    one("language made", "CREATE LANGUAGE again HANDLER plpgsql_call_handler", "language", "again"),
    one(
        "conversion made",
        "CREATE CONVERSION app.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
        "conversion",
        "app.conv",
    ),
    one(
        "transform made",
        "CREATE TRANSFORM FOR app.mood LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
        "transform",
        "app.mood in sql",
    ),
    one(
        "parser made",
        "CREATE TEXT SEARCH PARSER app.parse (START = prsd_start, GETTOKEN = prsd_nexttoken,"
        " END = prsd_end, LEXTYPES = prsd_lextype)",
        "text-search-parser",
        "app.parse",
    ),
    one(
        "template made",
        "CREATE TEXT SEARCH TEMPLATE app.simple (INIT = dsimple_init, LEXIZE = dsimple_lexize)",
        "text-search-template",
        "app.simple",
    ),
    one(
        "configuration made",
        "CREATE TEXT SEARCH CONFIGURATION app.more (COPY = app.conf)",
        "text-search-configuration",
        "app.more",
    ),
    Change(
        "base type made",
        "CREATE TYPE app.raw; CREATE FUNCTION app.raw_in(cstring) RETURNS app.raw LANGUAGE internal"
        " IMMUTABLE STRICT AS 'textin'; CREATE FUNCTION app.raw_out(app.raw) RETURNS cstring LANGUAGE internal"
        " IMMUTABLE STRICT AS 'textout'; CREATE TYPE app.raw (INPUT = app.raw_in, OUTPUT = app.raw_out, LIKE = text)",
        (
            ("base-type", "app.raw", ""),
            ("function", "app.raw_in(cstring)", ""),
            ("function", "app.raw_out(app.raw)", ""),
        ),
    ),
    # Foreign data
    one("wrapper made", "CREATE FOREIGN DATA WRAPPER w", "foreign-data-wrapper", "w"),
    one("server's option", "ALTER SERVER srv OPTIONS (SET host 'other')", "foreign-server", "srv", "options"),
    one("server's version", "ALTER SERVER srv VERSION '2'", "foreign-server", "srv", "version"),
    one("user mapping dropped", "DROP USER MAPPING FOR PUBLIC SERVER srv", "user-mapping", "srv: PUBLIC"),
    one(
        "foreign table's option",
        "ALTER FOREIGN TABLE app.remote OPTIONS (SET table_name 's')",
        "foreign-table",
        "app.remote",
        "foreign options",
    ),
    one(
        "foreign column's option",
        "ALTER FOREIGN TABLE app.remote ALTER a OPTIONS (SET column_name 'y')",
        "column",
        "app.remote.a",
        "foreign options",
    ),
    # What belongs to an environment
    one("publication made", "CREATE PUBLICATION more FOR TABLE app.base", "publication", "more"),
    one(
        "publication's operations", "ALTER PUBLICATION pub SET (publish = 'insert')", "publication", "pub", "operations"
    ),
    one(
        "publication's table",
        "ALTER PUBLICATION pub DROP TABLE app.users",
        "publication-table",
        "pub: app.users",
        alone=True,
    ),
    one(
        "publication's filter",
        "ALTER PUBLICATION pub SET TABLE app.orders WHERE (n > 1), app.users",
        "publication-table",
        "pub: app.orders",
        "filter",
        since=15,
    ),
    one(
        "publication's columns",
        "ALTER PUBLICATION pub SET TABLE app.orders (id), app.users",
        "publication-table",
        "pub: app.orders",
        "columns",
        since=15,
    ),
    one(
        "publication's schema",
        "ALTER PUBLICATION pub ADD TABLES IN SCHEMA app",
        "publication-schema",
        "pub: app",
        since=15,
    ),
    one(
        "subscription made",
        "CREATE SUBSCRIPTION sub CONNECTION 'host=h password=hunter2' PUBLICATION p"
        " WITH (connect = false, slot_name = NONE, enabled = false)",
        "subscription",
        "sub",
    ),
    one("table's owner", "ALTER TABLE app.cache OWNER TO snapshot_owner", "owner", "table app.cache", "owner"),
    one("schema's owner", "ALTER SCHEMA app OWNER TO snapshot_owner", "owner", "schema app", "owner"),
    one("function's owner", "ALTER FUNCTION app.evt() OWNER TO snapshot_owner", "owner", "function app.evt()", "owner"),
    one(
        "table's grant",
        "GRANT DELETE ON app.users TO snapshot_reader",
        "grant",
        "table app.users to snapshot_reader",
        "privileges",
    ),
    one("grant to all", "GRANT SELECT ON app.cache TO PUBLIC", "grant", "table app.cache to PUBLIC"),
    one(
        "grant option",
        "GRANT SELECT ON app.users TO snapshot_reader WITH GRANT OPTION",
        "grant",
        "table app.users to snapshot_reader",
        "privileges",
    ),
    one(
        "column's grant",
        "REVOKE UPDATE (name) ON app.users FROM snapshot_reader",
        "grant",
        "column app.users.name to snapshot_reader",
    ),
    one(
        "function's grant",
        "REVOKE EXECUTE ON FUNCTION app.cmp FROM PUBLIC",
        "grant",
        "function app.cmp(app.pair,app.pair) to PUBLIC",
    ),
    one("schema's grant", "REVOKE USAGE ON SCHEMA app FROM snapshot_reader", "grant", "schema app to snapshot_reader"),
    one(
        "owner's own right taken",
        "REVOKE TRUNCATE ON app.cache FROM CURRENT_USER",
        "grant",
        "table app.cache to its owner",
    ),
    one(
        "default privileges",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE SELECT ON TABLES FROM snapshot_reader",
        "default-privileges",
        "of {superuser} in app on tables to snapshot_reader",
    ),
    one(
        "default privileges everywhere",
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        "default-privileges",
        "of {superuser} on functions to PUBLIC",
    ),
    # Hostile names
    one(
        "hostile column",
        'ALTER TABLE "We""ird.Sch%ema"."Tab le; DROP" ALTER "col.umn ""x"" %s" SET NOT NULL',
        "column",
        '"We""ird.Sch%ema"."Tab le; DROP"."col.umn ""x"" %s"',
        "not null",
    ),
    one(
        "hostile constraint",
        'ALTER TABLE "We""ird.Sch%ema"."Tab le; DROP" DROP CONSTRAINT "co\'n%"',
        "constraint",
        '"We""ird.Sch%ema"."Tab le; DROP"."co\'n%"',
    ),
)
