"""One change by hand for each thing that a snapshot sees, and what the snapshot has to tell of it.

Each is applied to the schema of schema.sql.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BATCHES", "CHANGES", "Change"]


@dataclass(frozen=True)
class Change:
    """One change by hand.

    Args:
        name: what it is, for a human.
        sql: how it is made.
        told: the kind, object and property of each difference; no property where an object came or went.
        since: the first major version that has it.
        alone: whether it cannot be made together with others.
    """

    name: str
    sql: str
    told: tuple[tuple[str, str, str], ...]
    since: int = 0
    alone: bool = False


def _one(
    name: str, sql: str, kind: str, object: str, property: str = "", *, since: int = 0, alone: bool = False
) -> Change:
    return Change(name, sql, ((kind, object, property),), since, alone)


CHANGES = (
    # Schemas and extensions
    _one("schema made", "CREATE SCHEMA extra", "schema", "extra"),
    _one("extension's comment", "COMMENT ON EXTENSION plpgsql IS 'x'", "extension", "plpgsql", "comment"),
    _one("schema's comment", "COMMENT ON SCHEMA app IS NULL", "schema", "app", "comment"),
    # Tables
    Change(
        "table made",
        "CREATE TABLE app.t (id serial PRIMARY KEY, a int UNIQUE REFERENCES app.users)",
        (("table", "app.t", ""),),
    ),
    _one("table dropped", "DROP TABLE app.cache", "table", "app.cache", alone=True),
    Change(
        "table renamed",
        "ALTER TABLE app.base RENAME TO basis",
        (
            ("table", "app.base", ""),
            ("table", "app.basis", ""),
            ("table", "app.derived", "parents"),
            ("table", "app.local", "parents"),
        ),
    ),
    _one("table logged", "ALTER TABLE app.cache SET LOGGED", "table", "app.cache", "persistence"),
    _one("storage parameter", "ALTER TABLE app.orders SET (fillfactor = 50)", "table", "app.orders", "options"),
    _one(
        "TOAST parameter",
        "ALTER TABLE app.users RESET (toast.autovacuum_enabled)",
        "table",
        "app.users",
        "toast options",
    ),
    _one("table's comment", "COMMENT ON TABLE app.orders IS 'x'", "table", "app.orders", "comment"),
    _one("replica identity", "ALTER TABLE app.orders REPLICA IDENTITY FULL", "table", "app.orders", "replica identity"),
    _one(
        "replica identity by another index",
        "ALTER TABLE app.users REPLICA IDENTITY USING INDEX users_pkey",
        "table",
        "app.users",
        "replica identity",
    ),
    _one(
        "row security off", "ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY", "table", "app.orders", "row security"
    ),
    _one(
        "row security not forced",
        "ALTER TABLE app.orders NO FORCE ROW LEVEL SECURITY",
        "table",
        "app.orders",
        "row security",
    ),
    Change(
        "inheritance ended",
        "ALTER TABLE app.derived NO INHERIT app.base",
        (
            ("table", "app.derived", "parents"),
            ("column", "app.derived.a", "inherited"),
            ("column", "app.derived.b", "inherited"),
            ("constraint", "app.derived.base_a_check", "inherited"),
        ),
    ),
    _one("table in the place of a view", "DROP VIEW app.rec; CREATE TABLE app.rec (n int)", "view", "app.rec", "kind"),
    # Partitions
    _one(
        "partition made",
        "CREATE TABLE app.events_2030 PARTITION OF app.events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')",
        "partition",
        "app.events_2030",
    ),
    _one("partition dropped", "DROP TABLE app.events_2023", "partition", "app.events_2023"),
    _one(
        "partition detached",
        "ALTER TABLE app.events DETACH PARTITION app.events_2023",
        "partition",
        "app.events_2023",
        "kind",
    ),
    _one(
        "partition's bound",
        "ALTER TABLE app.events DETACH PARTITION app.events_2023;"
        "ALTER TABLE app.events ATTACH PARTITION app.events_2023 FOR VALUES FROM ('2021-01-01') TO ('2023-01-01')",
        "partition",
        "app.events_2023",
        "partition of",
    ),
    # Columns
    _one("column made", "ALTER TABLE app.users ADD extra int", "column", "app.users.extra"),
    _one("column dropped", "ALTER TABLE app.users DROP late", "column", "app.users.late"),
    Change(
        "column renamed",
        "ALTER TABLE app.cache RENAME v TO w",
        (("column", "app.cache.v", ""), ("column", "app.cache.w", "")),
    ),
    _one("type", "ALTER TABLE app.local ALTER d TYPE bigint", "column", "app.local.d", "type"),
    _one("type's modifier", "ALTER TABLE app.users ALTER late TYPE varchar(9)", "column", "app.users.late", "type"),
    _one(
        "column collation",
        'ALTER TABLE app.users ALTER late TYPE text COLLATE "C"',
        "column",
        "app.users.late",
        "collation",
    ),
    _one("default", "ALTER TABLE app.users ALTER name SET DEFAULT 'b'", "column", "app.users.name", "default"),
    _one("default dropped", "ALTER TABLE app.users ALTER name DROP DEFAULT", "column", "app.users.name", "default"),
    _one("not null set", "ALTER TABLE app.users ALTER late SET NOT NULL", "column", "app.users.late", "not null"),
    _one(
        "not null dropped", "ALTER FOREIGN TABLE app.remote ALTER a DROP NOT NULL", "column", "app.remote.a", "not null"
    ),
    _one(
        "not-null constraint renamed",
        "ALTER TABLE app.users RENAME CONSTRAINT users_name_not_null TO other",
        "column",
        "app.users.name",
        "not null",
        since=18,
    ),
    _one(
        "not null without proof",
        "ALTER TABLE app.users ADD CONSTRAINT late_there NOT NULL late NOT VALID",
        "column",
        "app.users.late",
        "not null",
        since=18,
    ),
    _one("identity", "ALTER TABLE app.users ALTER id SET GENERATED ALWAYS", "column", "app.users.id", "identity"),
    _one(
        "identity's sequence",
        "ALTER TABLE app.users ALTER id SET INCREMENT 7",
        "sequence",
        "app.users_id_seq",
        "increment",
    ),
    Change(
        "identity dropped",
        "ALTER TABLE app.users ALTER id DROP IDENTITY",
        (("column", "app.users.id", "identity"), ("sequence", "app.users_id_seq", "")),
    ),
    _one(
        "generated column made plain",
        "ALTER TABLE app.users ALTER twice DROP EXPRESSION",
        "column",
        "app.users.twice",
        "generated",
    ),
    _one(
        "generated expression",
        "ALTER TABLE app.users ALTER twice SET EXPRESSION AS (total * 3)",
        "column",
        "app.users.twice",
        "generated",
        since=17,
    ),
    _one(
        "virtual column",
        "ALTER TABLE app.users ADD v int GENERATED ALWAYS AS (id + 1) VIRTUAL",
        "column",
        "app.users.v",
        since=18,
    ),
    _one("storage", "ALTER TABLE app.users ALTER late SET STORAGE MAIN", "column", "app.users.late", "storage"),
    _one(
        "compression",
        "ALTER TABLE app.users ALTER late SET COMPRESSION pglz",
        "column",
        "app.users.late",
        "compression",
        since=14,
    ),
    _one(
        "statistics target",
        "ALTER TABLE app.users ALTER late SET STATISTICS 9",
        "column",
        "app.users.late",
        "statistics target",
    ),
    _one("column option", "ALTER TABLE app.users ALTER name RESET (n_distinct)", "column", "app.users.name", "options"),
    _one("column's comment", "COMMENT ON COLUMN app.users.name IS 'other'", "column", "app.users.name", "comment"),
    Change(
        "column order",
        "ALTER TABLE app.plain DROP a; ALTER TABLE app.plain ADD a integer",
        (("column-order", "app.plain", "order"),),
    ),
    # Constraints
    _one("check made", "ALTER TABLE app.users ADD CONSTRAINT c CHECK (id > 0)", "constraint", "app.users.c"),
    _one("check dropped", "ALTER TABLE app.users DROP CONSTRAINT positive", "constraint", "app.users.positive"),
    _one(
        "check changed",
        "ALTER TABLE app.users DROP CONSTRAINT positive, ADD CONSTRAINT positive CHECK (total >= 0) NO INHERIT",
        "constraint",
        "app.users.positive",
        "definition",
    ),
    _one(
        "check validated",
        "ALTER TABLE app.orders VALIDATE CONSTRAINT n_ok",
        "constraint",
        "app.orders.n_ok",
        "definition",
    ),
    Change(
        "constraint renamed",
        "ALTER TABLE app.users RENAME CONSTRAINT positive TO above",
        (("constraint", "app.users.above", ""), ("constraint", "app.users.positive", "")),
    ),
    _one(
        "constraint's comment",
        "COMMENT ON CONSTRAINT n_ok ON app.orders IS NULL",
        "constraint",
        "app.orders.n_ok",
        "comment",
    ),
    _one(
        "foreign key dropped",
        "ALTER TABLE app.orders DROP CONSTRAINT orders_user_id_fkey",
        "constraint",
        "app.orders.orders_user_id_fkey",
    ),
    _one(
        "foreign key's action",
        "ALTER TABLE app.orders DROP CONSTRAINT orders_user_id_fkey,"
        " ADD FOREIGN KEY (user_id) REFERENCES app.users ON DELETE SET NULL DEFERRABLE",
        "constraint",
        "app.orders.orders_user_id_fkey",
        "definition",
    ),
    _one(
        "foreign key not deferrable",
        "ALTER TABLE app.orders ALTER CONSTRAINT orders_user_id_fkey NOT DEFERRABLE",
        "constraint",
        "app.orders.orders_user_id_fkey",
        "definition",
    ),
    _one(
        "foreign key not enforced",
        "ALTER TABLE app.orders ALTER CONSTRAINT orders_user_id_fkey NOT ENFORCED",
        "constraint",
        "app.orders.orders_user_id_fkey",
        "definition",
        since=18,
    ),
    Change(
        "all triggers off",
        "ALTER TABLE app.users DISABLE TRIGGER ALL",
        (
            ("trigger", "app.users.touch", "enabled"),
            ("constraint", "app.orders.orders_user_id_fkey", "triggers"),
            ("constraint", "app.events.events_user_id_fkey", "triggers"),
            (
                "constraint",
                "public.abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc."
                "abcdefghijabcdefghijabcdefghi_abcdefghijabcdefghijabcdefgh_fkey",
                "triggers",
            ),
        ),
    ),
    _one("unique made", "ALTER TABLE app.cache ADD CONSTRAINT u UNIQUE (v)", "constraint", "app.cache.u"),
    _one(
        "unique dropped", "ALTER TABLE app.orders DROP CONSTRAINT orders_n_key", "constraint", "app.orders.orders_n_key"
    ),
    _one(
        "unique, nulls alike",
        "ALTER TABLE app.orders DROP CONSTRAINT orders_n_key, ADD UNIQUE NULLS NOT DISTINCT (n)",
        "constraint",
        "app.orders.orders_n_key",
        "definition",
        since=15,
    ),
    _one("exclusion dropped", "ALTER TABLE app.users DROP CONSTRAINT no_overlap", "constraint", "app.users.no_overlap"),
    # Indexes
    _one("index made", "CREATE INDEX extra ON app.users (late)", "index", "app.extra"),
    _one("index dropped", "DROP INDEX app.users_moods", "index", "app.users_moods"),
    Change(
        "index renamed",
        "ALTER INDEX app.users_moods RENAME TO moods",
        (("index", "app.moods", ""), ("index", "app.users_moods", "")),
    ),
    *(
        _one(
            f"index {what}",
            f"DROP INDEX app.users_moods; CREATE {unique} users_moods ON app.users {how}",
            "index",
            "app.users_moods",
            "definition",
        )
        for what, unique, how in (
            ("on another column", "INDEX", "(late)"),
            ("with another method", "INDEX", "(moods)"),
            ("unique", "UNIQUE INDEX", "(moods)"),
            ("with another order", "INDEX", "(moods DESC)"),
            ("with a predicate", "INDEX", "USING gin (moods) WHERE id > 5"),
            ("with a parameter", "INDEX", "USING gin (moods) WITH (fastupdate = off)"),
        )
    ),
    _one(
        "index's class",
        "DROP INDEX app.users_name_id; CREATE UNIQUE INDEX users_name_id ON app.users (name"
        " text_pattern_ops);"
        " ALTER TABLE app.users CLUSTER ON users_name_id, REPLICA IDENTITY USING INDEX users_name_id",
        "index",
        "app.users_name_id",
        "definition",
    ),
    _one(
        "index's collation",
        "DROP INDEX app.users_name_id; CREATE UNIQUE INDEX users_name_id ON app.users (name"
        ' COLLATE "POSIX"); ALTER TABLE app.users CLUSTER ON users_name_id, REPLICA IDENTITY USING INDEX users_name_id',
        "index",
        "app.users_name_id",
        "definition",
    ),
    _one(
        "index with a column included",
        "DROP INDEX app.users_name_id; CREATE UNIQUE INDEX users_name_id ON app.users"
        " (name) INCLUDE (id);"
        " ALTER TABLE app.users CLUSTER ON users_name_id, REPLICA IDENTITY USING INDEX users_name_id",
        "index",
        "app.users_name_id",
        "definition",
    ),
    _one(
        "unique index, nulls alike",
        "DROP INDEX app.users_name_id; CREATE UNIQUE INDEX users_name_id ON app.users"
        " (name) NULLS NOT DISTINCT;"
        "ALTER TABLE app.users CLUSTER ON users_name_id, REPLICA IDENTITY USING INDEX users_name_id",
        "index",
        "app.users_name_id",
        "definition",
        since=15,
    ),
    _one(
        "index invalid",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.users_moods'::regclass",
        "index",
        "app.users_moods",
        "valid",
    ),
    _one("not clustered", "ALTER TABLE app.users SET WITHOUT CLUSTER", "index", "app.users_name_id", "clustered"),
    _one(
        "index's statistics target",
        "ALTER INDEX app.users_lower ALTER COLUMN 1 SET STATISTICS 78",
        "index",
        "app.users_lower",
        "statistics targets",
    ),
    _one(
        "index's parameter",
        "ALTER INDEX app.users_lower SET (fillfactor = 61)",
        "index",
        "app.users_lower",
        "definition",
    ),
    _one("index's comment", "COMMENT ON INDEX app.users_lower IS NULL", "index", "app.users_lower", "comment"),
    _one("partition's own index", "CREATE INDEX own ON app.events_2024 (amount)", "index", "app.own"),
    # Sequences
    _one("sequence made", "CREATE SEQUENCE app.extra", "sequence", "app.extra"),
    _one("sequence dropped", "DROP SEQUENCE app.counter", "sequence", "app.counter"),
    *(
        _one(f"sequence's {property}", f"ALTER SEQUENCE app.counter {how}", "sequence", "app.counter", property)
        for property, how in (
            ("type", "AS integer"),
            ("start", "START 7"),
            ("increment", "INCREMENT 4"),
            ("minimum", "MINVALUE 2"),
            ("maximum", "MAXVALUE 400"),
            ("cache", "CACHE 8"),
            ("cycle", "NO CYCLE"),
            ("owned by", "OWNED BY app.cache.k"),
        )
    ),
    _one(
        "sequence unlogged",
        "ALTER SEQUENCE app.counter SET UNLOGGED",
        "sequence",
        "app.counter",
        "persistence",
        since=15,
    ),
    # Types
    _one("enum made", "CREATE TYPE app.e AS ENUM ('a')", "enum", "app.e"),
    _one("enum's label", "ALTER TYPE app.mood ADD VALUE 'so' BEFORE 'happy'", "enum", "app.mood", "labels"),
    Change(
        "enum's label renamed",
        "ALTER TYPE app.mood RENAME VALUE 'sad' TO 'blue'",
        (("enum", "app.mood", "labels"), ("column", "app.users.mood", "default")),
    ),
    _one("enum's comment", "COMMENT ON TYPE app.mood IS 'm'", "enum", "app.mood", "comment"),
    _one("domain made", "CREATE DOMAIN app.d AS int CHECK (VALUE > 0)", "domain", "app.d"),
    _one("domain's default", "ALTER DOMAIN app.email DROP DEFAULT", "domain", "app.email", "default"),
    _one("domain's not null", "ALTER DOMAIN app.email DROP NOT NULL", "domain", "app.email", "not null"),
    _one("domain's check", "ALTER DOMAIN app.email DROP CONSTRAINT has_at", "constraint", "app.email.has_at"),
    _one(
        "domain's check not valid",
        "ALTER DOMAIN app.email DROP CONSTRAINT has_at; ALTER DOMAIN app.email"
        " ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%') NOT VALID",
        "constraint",
        "app.email.has_at",
        "definition",
    ),
    _one("composite made", "CREATE TYPE app.c AS (a int)", "composite-type", "app.c"),
    _one(
        "composite's attribute",
        "ALTER TYPE app.alone ADD ATTRIBUTE c date",
        "composite-type",
        "app.alone",
        "attributes",
    ),
    _one(
        "composite's attribute comment",
        "COMMENT ON COLUMN app.pair.a IS NULL",
        "composite-type",
        "app.pair",
        "attribute comments",
    ),
    _one("range made", "CREATE TYPE app.r AS RANGE (subtype = int)", "range-type", "app.r"),
    _one(
        "range changed",
        "DROP TYPE app.span; CREATE TYPE app.span AS RANGE (subtype = float8)",
        "range-type",
        "app.span",
        "subtype difference",
    ),
    # Views
    _one("view made", "CREATE VIEW app.v AS SELECT 1 AS a", "view", "app.v"),
    _one("view changed", "CREATE OR REPLACE VIEW app.rec AS SELECT 1 AS n", "view", "app.rec", "definition"),
    _one("view's option", "ALTER VIEW app.active RESET (security_barrier)", "view", "app.active", "options"),
    _one("view's column default", "ALTER VIEW app.active ALTER n SET DEFAULT 4", "column", "app.active.n", "default"),
    _one("view's comment", "COMMENT ON VIEW app.active IS 'w'", "view", "app.active", "comment"),
    _one("materialised view made", "CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS a", "materialized-view", "app.m"),
    _one(
        "materialised view emptied",
        "REFRESH MATERIALIZED VIEW app.filled WITH NO DATA",
        "materialized-view",
        "app.filled",
        "populated",
    ),
    _one(
        "materialised view's column",
        "ALTER MATERIALIZED VIEW app.summary ALTER mood SET STATISTICS 5",
        "column",
        "app.summary.mood",
    ),
    # Functions
    _one("function made", "CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function", "app.f()"),
    Change(
        "function overloaded",
        "CREATE FUNCTION app.add(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        (("function", "app.add(text)", ""),),
    ),
    _one("function dropped", "DROP FUNCTION app.many", "function", "app.many(app.mood[])"),
    _one(
        "function's body",
        "CREATE OR REPLACE FUNCTION app.evt() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END'",
        "function",
        "app.evt()",
        "definition",
    ),
    *(
        _one(f"function {how}", f"ALTER FUNCTION app.add {how}", "function", "app.add(integer,integer)", "definition")
        for how in (
            "VOLATILE",
            "SECURITY DEFINER",
            "CALLED ON NULL INPUT",
            "NOT LEAKPROOF",
            "PARALLEL UNSAFE",
            "COST 9",
            "SET work_mem = '5MB'",
        )
    ),
    _one("function's comment", "COMMENT ON FUNCTION app.evt() IS 'x'", "function", "app.evt()", "comment"),
    _one(
        "procedure's body",
        "CREATE OR REPLACE PROCEDURE app.proc(INOUT a integer) LANGUAGE plpgsql AS $$BEGIN a := a + 2; END$$",
        "procedure",
        "app.proc(integer)",
        "definition",
    ),
    _one("procedure dropped", "DROP PROCEDURE app.proc", "procedure", "app.proc(integer)"),
    Change(
        "aggregate changed",
        "DROP AGGREGATE app.total(integer); CREATE AGGREGATE app.total(integer)"
        " (sfunc = int4pl, stype = integer, initcond = '1', parallel = safe, combinefunc = int4pl)",
        # Default privileges give the new one to nobody else.
        (("aggregate", "app.total(integer)", "initial state"), ("grant", "aggregate app.total(integer) to PUBLIC", "")),
    ),
    # Triggers and rules
    _one(
        "trigger made",
        "CREATE TRIGGER t AFTER INSERT ON app.users FOR EACH ROW EXECUTE FUNCTION app.touch()",
        "trigger",
        "app.users.t",
    ),
    _one("trigger dropped", "DROP TRIGGER touch ON app.users", "trigger", "app.users.touch"),
    _one(
        "trigger changed",
        "DROP TRIGGER touch ON app.users; CREATE TRIGGER touch BEFORE UPDATE OF name ON app.users"
        " FOR EACH ROW EXECUTE FUNCTION app.touch()",
        "trigger",
        "app.users.touch",
        "definition",
    ),
    _one("trigger disabled", "ALTER TABLE app.users DISABLE TRIGGER touch", "trigger", "app.users.touch", "enabled"),
    _one("trigger always", "ALTER TABLE app.orders ENABLE ALWAYS TRIGGER off", "trigger", "app.orders.off", "enabled"),
    _one("trigger's comment", "COMMENT ON TRIGGER off ON app.orders IS NULL", "trigger", "app.orders.off", "comment"),
    _one(
        "partition's trigger disabled",
        "ALTER TABLE app.events_2023 DISABLE TRIGGER touch_events",
        "trigger",
        "app.events_2023.touch_events",
    ),
    _one(
        "event trigger made",
        "CREATE EVENT TRIGGER more ON ddl_command_end EXECUTE FUNCTION app.evt()",
        "event-trigger",
        "more",
    ),
    _one("event trigger disabled", "ALTER EVENT TRIGGER evt DISABLE", "event-trigger", "evt", "enabled"),
    _one("rule made", "CREATE RULE r AS ON DELETE TO app.cache DO INSTEAD NOTHING", "rule", "app.cache.r"),
    _one("rule dropped", "DROP RULE redirect ON app.cache", "rule", "app.cache.redirect"),
    _one(
        "rule changed",
        "CREATE OR REPLACE RULE redirect AS ON INSERT TO app.cache DO INSTEAD NOTHING",
        "rule",
        "app.cache.redirect",
        "definition",
    ),
    _one("rule disabled", "ALTER TABLE app.cache DISABLE RULE redirect", "rule", "app.cache.redirect", "enabled"),
    # Policies
    _one("policy made", "CREATE POLICY p ON app.users", "policy", "app.users.p"),
    _one("policy dropped", "DROP POLICY mine ON app.orders", "policy", "app.orders.mine"),
    _one("policy's USING", "ALTER POLICY mine ON app.orders USING (true)", "policy", "app.orders.mine", "using"),
    _one("policy's CHECK", "ALTER POLICY mine ON app.orders WITH CHECK (true)", "policy", "app.orders.mine", "check"),
    _one("policy's roles", "ALTER POLICY mine ON app.orders TO snapshot_reader", "policy", "app.orders.mine", "roles"),
    # Statistics objects
    _one("statistics made", "CREATE STATISTICS app.s ON id, name FROM app.users", "statistics", "app.s"),
    _one("statistics dropped", "DROP STATISTICS app.stat", "statistics", "app.stat"),
    _one("statistics' target", "ALTER STATISTICS app.stat SET STATISTICS 56", "statistics", "app.stat", "target"),
    # What a user adds to the language
    _one("collation made", 'CREATE COLLATION app.c FROM "POSIX"', "collation", "app.c"),
    _one("cast made", "CREATE CAST (app.pair AS integer) WITH INOUT", "cast", "app.pair AS integer"),
    _one(
        "cast changed",
        "DROP CAST (app.mood AS integer); CREATE CAST (app.mood AS integer) WITH FUNCTION app.mood_int(app.mood)",
        "cast",
        "app.mood AS integer",
        "context",
    ),
    _one(
        "operator made",
        "CREATE OPERATOR app.!== (leftarg = app.mood, rightarg = integer, function = app.eq)",
        "operator",
        "app.!==(app.mood,integer)",
    ),
    _one(
        "operator changed",
        "ALTER OPERATOR app.=== (app.mood, integer) SET (RESTRICT = NONE)",
        "operator",
        "app.===(app.mood,integer)",
        "restrict",
    ),
    _one(
        "operator class dropped",
        "DROP OPERATOR CLASS app.cls USING btree; ALTER OPERATOR FAMILY app.fam USING btree"
        " ADD FUNCTION 1 (app.pair, app.pair) app.cmp(app.pair, app.pair)",
        "operator-class",
        "app.cls using btree",
    ),
    _one(
        "operator family",
        "ALTER OPERATOR FAMILY app.fam USING btree ADD OPERATOR 3 app.===(app.mood, integer)",
        "operator-family",
        "app.fam using btree",
        "operators",
    ),
    _one(
        "dictionary",
        "ALTER TEXT SEARCH DICTIONARY app.dict (accept = false)",
        "text-search-dictionary",
        "app.dict",
        "options",
    ),
    _one(
        "text search mapping",
        "ALTER TEXT SEARCH CONFIGURATION app.conf DROP MAPPING FOR word",
        "text-search-configuration",
        "app.conf",
        "mappings",
    ),
    _one(
        "access method made",
        "CREATE ACCESS METHOD again TYPE TABLE HANDLER heap_tableam_handler",
        "access-method",
        "again",
    ),
    _one("language made", "CREATE LANGUAGE again HANDLER plpgsql_call_handler", "language", "again"),
    _one(
        "conversion made",
        "CREATE CONVERSION app.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
        "conversion",
        "app.conv",
    ),
    _one(
        "transform made",
        "CREATE TRANSFORM FOR app.mood LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
        "transform",
        "app.mood in sql",
    ),
    _one(
        "parser made",
        "CREATE TEXT SEARCH PARSER app.parse (START = prsd_start, GETTOKEN = prsd_nexttoken,"
        " END = prsd_end, LEXTYPES = prsd_lextype)",
        "text-search-parser",
        "app.parse",
    ),
    _one(
        "template made",
        "CREATE TEXT SEARCH TEMPLATE app.simple (INIT = dsimple_init, LEXIZE = dsimple_lexize)",
        "text-search-template",
        "app.simple",
    ),
    _one(
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
    _one("wrapper made", "CREATE FOREIGN DATA WRAPPER w", "foreign-data-wrapper", "w"),
    _one("server's option", "ALTER SERVER srv OPTIONS (SET host 'other')", "foreign-server", "srv", "options"),
    _one("server's version", "ALTER SERVER srv VERSION '2'", "foreign-server", "srv", "version"),
    _one("user mapping dropped", "DROP USER MAPPING FOR PUBLIC SERVER srv", "user-mapping", "srv: PUBLIC"),
    _one(
        "foreign table's option",
        "ALTER FOREIGN TABLE app.remote OPTIONS (SET table_name 's')",
        "foreign-table",
        "app.remote",
        "foreign options",
    ),
    _one(
        "foreign column's option",
        "ALTER FOREIGN TABLE app.remote ALTER a OPTIONS (SET column_name 'y')",
        "column",
        "app.remote.a",
        "foreign options",
    ),
    # What belongs to an environment
    _one("publication made", "CREATE PUBLICATION more FOR TABLE app.base", "publication", "more"),
    _one(
        "publication's operations", "ALTER PUBLICATION pub SET (publish = 'insert')", "publication", "pub", "operations"
    ),
    _one(
        "publication's table",
        "ALTER PUBLICATION pub DROP TABLE app.users",
        "publication-table",
        "pub: app.users",
        alone=True,
    ),
    _one(
        "publication's filter",
        "ALTER PUBLICATION pub SET TABLE app.orders WHERE (n > 1), app.users",
        "publication-table",
        "pub: app.orders",
        "filter",
        since=15,
    ),
    _one(
        "publication's columns",
        "ALTER PUBLICATION pub SET TABLE app.orders (id), app.users",
        "publication-table",
        "pub: app.orders",
        "columns",
        since=15,
    ),
    _one(
        "publication's schema",
        "ALTER PUBLICATION pub ADD TABLES IN SCHEMA app",
        "publication-schema",
        "pub: app",
        since=15,
    ),
    _one(
        "subscription made",
        "CREATE SUBSCRIPTION sub CONNECTION 'host=h password=hunter2' PUBLICATION p"
        " WITH (connect = false, slot_name = NONE, enabled = false)",
        "subscription",
        "sub",
    ),
    _one("table's owner", "ALTER TABLE app.cache OWNER TO snapshot_owner", "owner", "table app.cache", "owner"),
    _one("schema's owner", "ALTER SCHEMA app OWNER TO snapshot_owner", "owner", "schema app", "owner"),
    _one(
        "function's owner", "ALTER FUNCTION app.evt() OWNER TO snapshot_owner", "owner", "function app.evt()", "owner"
    ),
    _one(
        "table's grant",
        "GRANT DELETE ON app.users TO snapshot_reader",
        "grant",
        "table app.users to snapshot_reader",
        "privileges",
    ),
    _one("grant to all", "GRANT SELECT ON app.cache TO PUBLIC", "grant", "table app.cache to PUBLIC"),
    _one(
        "grant option",
        "GRANT SELECT ON app.users TO snapshot_reader WITH GRANT OPTION",
        "grant",
        "table app.users to snapshot_reader",
        "privileges",
    ),
    _one(
        "column's grant",
        "REVOKE UPDATE (name) ON app.users FROM snapshot_reader",
        "grant",
        "column app.users.name to snapshot_reader",
    ),
    _one(
        "function's grant",
        "REVOKE EXECUTE ON FUNCTION app.cmp FROM PUBLIC",
        "grant",
        "function app.cmp(app.pair,app.pair) to PUBLIC",
    ),
    _one("schema's grant", "REVOKE USAGE ON SCHEMA app FROM snapshot_reader", "grant", "schema app to snapshot_reader"),
    _one(
        "owner's own right taken",
        "REVOKE TRUNCATE ON app.cache FROM CURRENT_USER",
        "grant",
        "table app.cache to its owner",
    ),
    _one(
        "default privileges",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE SELECT ON TABLES FROM snapshot_reader",
        "default-privileges",
        "of {superuser} in app on tables to snapshot_reader",
    ),
    _one(
        "default privileges everywhere",
        "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
        "default-privileges",
        "of {superuser} on functions to PUBLIC",
    ),
    # Hostile names
    _one(
        "hostile column",
        'ALTER TABLE "We""ird.Sch%ema"."Tab le; DROP" ALTER "col.umn ""x"" %s" SET NOT NULL',
        "column",
        '"We""ird.Sch%ema"."Tab le; DROP"."col.umn ""x"" %s"',
        "not null",
    ),
    _one(
        "hostile constraint",
        'ALTER TABLE "We""ird.Sch%ema"."Tab le; DROP" DROP CONSTRAINT "co\'n%"',
        "constraint",
        '"We""ird.Sch%ema"."Tab le; DROP"."co\'n%"',
    ),
)


def _batches(greatest: int = 16) -> tuple[tuple[Change, ...], ...]:
    """The changes, several together where none is about what another is about: a snapshot a change is slow."""
    batches: list[list[Change]] = []
    for change in CHANGES:
        room = None if change.alone else next((batch for batch in batches if _fits(change, batch, greatest)), None)
        if room is None:
            batches.append([change])
        else:
            room.append(change)
    return tuple(tuple(batch) for batch in batches)


def _fits(change: Change, batch: list[Change], greatest: int) -> bool:
    objects = {name for other in batch for _, name, _ in other.told}
    return len(batch) < greatest and not batch[0].alone and objects.isdisjoint(name for _, name, _ in change.told)


BATCHES = _batches()
