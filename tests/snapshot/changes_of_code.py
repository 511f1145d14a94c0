"""Changes by hand of types, views, functions, triggers, rules, policies and statistics objects."""

from __future__ import annotations

from tests.snapshot.change import Change, one

__all__ = ["CODE"]

CODE = (
    # Types
    one("enum made", "CREATE TYPE app.e AS ENUM ('a')", "enum", "app.e"),
    one("enum's label", "ALTER TYPE app.mood ADD VALUE 'so' BEFORE 'happy'", "enum", "app.mood", "labels"),
    Change(
        "enum's label renamed",
        "ALTER TYPE app.mood RENAME VALUE 'sad' TO 'blue'",
        (("enum", "app.mood", "labels"), ("column", "app.users.mood", "default")),
    ),
    one("enum's comment", "COMMENT ON TYPE app.mood IS 'm'", "enum", "app.mood", "comment"),
    one("domain made", "CREATE DOMAIN app.d AS int CHECK (VALUE > 0)", "domain", "app.d"),
    one("domain's default", "ALTER DOMAIN app.email DROP DEFAULT", "domain", "app.email", "default"),
    one("domain's not null", "ALTER DOMAIN app.email DROP NOT NULL", "domain", "app.email", "not null"),
    one("domain's check", "ALTER DOMAIN app.email DROP CONSTRAINT has_at", "constraint", "app.email.has_at"),
    one(
        "domain's check not valid",
        "ALTER DOMAIN app.email DROP CONSTRAINT has_at; ALTER DOMAIN app.email"
        " ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%') NOT VALID",
        "constraint",
        "app.email.has_at",
        "definition",
    ),
    one("composite made", "CREATE TYPE app.c AS (a int)", "composite-type", "app.c"),
    one(
        "composite's attribute",
        "ALTER TYPE app.alone ADD ATTRIBUTE c date",
        "composite-type",
        "app.alone",
        "attributes",
    ),
    one(
        "composite's attribute comment",
        "COMMENT ON COLUMN app.pair.a IS NULL",
        "composite-type",
        "app.pair",
        "attribute comments",
    ),
    one("range made", "CREATE TYPE app.r AS RANGE (subtype = int)", "range-type", "app.r"),
    one(
        "range changed",
        "DROP TYPE app.span; CREATE TYPE app.span AS RANGE (subtype = float8)",
        "range-type",
        "app.span",
        "subtype difference",
    ),
    # Views
    one("view made", "CREATE VIEW app.v AS SELECT 1 AS a", "view", "app.v"),
    one("view changed", "CREATE OR REPLACE VIEW app.rec AS SELECT 1 AS n", "view", "app.rec", "definition"),
    one("view's option", "ALTER VIEW app.active RESET (security_barrier)", "view", "app.active", "options"),
    one("view's column default", "ALTER VIEW app.active ALTER n SET DEFAULT 4", "column", "app.active.n", "default"),
    one("view's comment", "COMMENT ON VIEW app.active IS 'w'", "view", "app.active", "comment"),
    one("materialised view made", "CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS a", "materialized-view", "app.m"),
    one(
        "materialised view emptied",
        "REFRESH MATERIALIZED VIEW app.filled WITH NO DATA",
        "materialized-view",
        "app.filled",
        "populated",
    ),
    one(
        "materialised view's column",
        "ALTER MATERIALIZED VIEW app.summary ALTER mood SET STATISTICS 5",
        "column",
        "app.summary.mood",
    ),
    # Functions
    one("function made", "CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function", "app.f()"),
    Change(
        "function overloaded",
        "CREATE FUNCTION app.add(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        (("function", "app.add(text)", ""),),
    ),
    one("function dropped", "DROP FUNCTION app.many", "function", "app.many(app.mood[])"),
    one(
        "function's body",
        "CREATE OR REPLACE FUNCTION app.evt() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END'",
        "function",
        "app.evt()",
        "definition",
    ),
    *(
        one(f"function {how}", f"ALTER FUNCTION app.add {how}", "function", "app.add(integer,integer)", "definition")
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
    one("function's comment", "COMMENT ON FUNCTION app.evt() IS 'x'", "function", "app.evt()", "comment"),
    one(
        "procedure's body",
        "CREATE OR REPLACE PROCEDURE app.proc(INOUT a integer) LANGUAGE plpgsql AS $$BEGIN a := a + 2; END$$",
        "procedure",
        "app.proc(integer)",
        "definition",
    ),
    one("procedure dropped", "DROP PROCEDURE app.proc", "procedure", "app.proc(integer)"),
    Change(
        "aggregate changed",
        "DROP AGGREGATE app.total(integer); CREATE AGGREGATE app.total(integer)"
        " (sfunc = int4pl, stype = integer, initcond = '1', parallel = safe, combinefunc = int4pl)",
        # Default privileges give the new one to nobody else.
        (("aggregate", "app.total(integer)", "initial state"), ("grant", "aggregate app.total(integer) to PUBLIC", "")),
    ),
    # Triggers and rules
    one(
        "trigger made",
        "CREATE TRIGGER t AFTER INSERT ON app.users FOR EACH ROW EXECUTE FUNCTION app.touch()",
        "trigger",
        "app.users.t",
    ),
    one("trigger dropped", "DROP TRIGGER touch ON app.users", "trigger", "app.users.touch"),
    one(
        "trigger changed",
        "DROP TRIGGER touch ON app.users; CREATE TRIGGER touch BEFORE UPDATE OF name ON app.users"
        " FOR EACH ROW EXECUTE FUNCTION app.touch()",
        "trigger",
        "app.users.touch",
        "definition",
    ),
    one("trigger disabled", "ALTER TABLE app.users DISABLE TRIGGER touch", "trigger", "app.users.touch", "enabled"),
    one("trigger always", "ALTER TABLE app.orders ENABLE ALWAYS TRIGGER off", "trigger", "app.orders.off", "enabled"),
    one("trigger's comment", "COMMENT ON TRIGGER off ON app.orders IS NULL", "trigger", "app.orders.off", "comment"),
    one(
        "partition's trigger disabled",
        "ALTER TABLE app.events_2023 DISABLE TRIGGER touch_events",
        "trigger",
        "app.events_2023.touch_events",
    ),
    one(
        "event trigger made",
        "CREATE EVENT TRIGGER more ON ddl_command_end EXECUTE FUNCTION app.evt()",
        "event-trigger",
        "more",
    ),
    one("event trigger disabled", "ALTER EVENT TRIGGER evt DISABLE", "event-trigger", "evt", "enabled"),
    one("rule made", "CREATE RULE r AS ON DELETE TO app.cache DO INSTEAD NOTHING", "rule", "app.cache.r"),
    one("rule dropped", "DROP RULE redirect ON app.cache", "rule", "app.cache.redirect"),
    one(
        "rule changed",
        "CREATE OR REPLACE RULE redirect AS ON INSERT TO app.cache DO INSTEAD NOTHING",
        "rule",
        "app.cache.redirect",
        "definition",
    ),
    one("rule disabled", "ALTER TABLE app.cache DISABLE RULE redirect", "rule", "app.cache.redirect", "enabled"),
    # Policies
    one("policy made", "CREATE POLICY p ON app.users", "policy", "app.users.p"),
    one("policy dropped", "DROP POLICY mine ON app.orders", "policy", "app.orders.mine"),
    one("policy's USING", "ALTER POLICY mine ON app.orders USING (true)", "policy", "app.orders.mine", "using"),
    one("policy's CHECK", "ALTER POLICY mine ON app.orders WITH CHECK (true)", "policy", "app.orders.mine", "check"),
    one("policy's roles", "ALTER POLICY mine ON app.orders TO snapshot_reader", "policy", "app.orders.mine", "roles"),
    # Statistics objects
    one("statistics made", "CREATE STATISTICS app.s ON id, name FROM app.users", "statistics", "app.s"),
    one("statistics dropped", "DROP STATISTICS app.stat", "statistics", "app.stat"),
    one("statistics' target", "ALTER STATISTICS app.stat SET STATISTICS 56", "statistics", "app.stat", "target"),
)
