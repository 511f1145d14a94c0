"""What a statement reaches outside of its transaction without naming it: followed by the catalog."""

from __future__ import annotations

from erm_alembic.testing.smoke.transaction import SmokeTransaction
from tests.support.databases import Database


def test_what_runs_unnamed_is_followed_by_the_catalog(database: Database, held: SmokeTransaction) -> None:
    """Cascades, partitions, views, defaults, checks, domains, rules and aggregates; their neighbours are let pass."""
    database.execute(
        "CREATE FUNCTION outward(i int) RETURNS int LANGUAGE sql AS 'SELECT pg_reload_conf()::int';"
        " CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM outward(1); RETURN NEW; END';"
        " CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (p int REFERENCES parent ON DELETE CASCADE);"
        " CREATE TRIGGER tell AFTER DELETE ON child FOR EACH ROW EXECUTE FUNCTION told();"
        " CREATE VIEW seen AS SELECT * FROM child; CREATE TABLE plain (a int REFERENCES parent);"
        " CREATE TABLE whole (k int) PARTITION BY LIST (k); CREATE TABLE part PARTITION OF whole FOR VALUES IN (1);"
        " CREATE TRIGGER tell AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION told();"
        " CREATE TABLE filled (a int DEFAULT outward(1)); CREATE TABLE checked (a int CHECK (outward(a) > 0));"
        " CREATE DOMAIN narrow AS int CHECK (outward(VALUE) > 0); CREATE TABLE typed (a narrow);"
        " CREATE TABLE ruled (a int); CREATE RULE r AS ON INSERT TO ruled DO ALSO SELECT outward(1);"
        " CREATE AGGREGATE summed (int) (sfunc = int4pl, stype = int, finalfunc = outward)"
    )
    held.look_around()
    wanted = {
        "outward",
        "told",
        "child",
        "parent",
        "seen",
        "whole",
        "part",
        "filled",
        "checked",
        "narrow",
        "typed",
        "ruled",
    }
    assert held.outside == wanted | {"summed", "_narrow"}


def test_what_is_named_in_a_body_or_a_policy_is_followed(database: Database, held: SmokeTransaction) -> None:
    """So are indexes, keys of partitions, casts, and types made of others; comments and quotes hide no call."""
    database.execute(
        "CREATE FUNCTION outward(i int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT pg_reload_conf()::int';"
        " CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM outward(1); RETURN NEW; END';"
        ' CREATE TABLE "the log" (a int); CREATE TRIGGER tell AFTER INSERT ON "the log" EXECUTE FUNCTION told();'
        " CREATE FUNCTION chained() RETURNS trigger LANGUAGE plpgsql AS"
        """ 'BEGIN INSERT INTO "the log" VALUES (1); RETURN NEW; END';"""
        " CREATE TABLE orders (a int); CREATE TRIGGER tell AFTER INSERT ON orders EXECUTE FUNCTION chained();"
        " CREATE PROCEDURE place() LANGUAGE sql AS 'INSERT INTO orders VALUES (1)';"
        " CREATE FUNCTION commented() RETURNS int LANGUAGE sql AS 'SELECT outward /* c */ (1)';"
        """ CREATE FUNCTION "do it"() RETURNS int LANGUAGE sql AS 'SELECT "outward"(1)';"""
        """ CREATE FUNCTION quoted() RETURNS int LANGUAGE sql AS 'SELECT "do it" ()';"""
        " CREATE TABLE guarded (a int); CREATE POLICY p ON guarded USING (outward(a) > 0);"
        " CREATE TABLE found (a int); CREATE INDEX ON found ((outward(a)));"
        " CREATE TABLE sought (a int); CREATE INDEX ON sought (a) WHERE outward(a) > 0;"
        " CREATE TABLE parted (a int) PARTITION BY LIST ((outward(a)));"
        " CREATE DOMAIN narrow AS int CHECK (outward(VALUE) > 0); CREATE DOMAIN narrower AS narrow;"
        " CREATE TYPE pair AS (a narrower, b int); CREATE TABLE pairs (a pair[]);"
        " CREATE TYPE mood AS ENUM ('a'); CREATE FUNCTION felt(int) RETURNS mood IMMUTABLE LANGUAGE sql AS"
        " 'SELECT outward($1); SELECT ''a''::mood'; CREATE CAST (int AS mood) WITH FUNCTION felt(int);"
        " CREATE TABLE moods (a mood); CREATE TABLE plain (a int, b text);"
        " CREATE FUNCTION harmless() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM plain'"
    )
    held.look_around()
    functions = {"outward", "told", "chained", "place", "commented", "do it", "quoted", "felt"}
    tables = {"the log", "orders", "guarded", "found", "sought", "parted", "pairs", "moods"}
    types = {"narrow", "narrower", "pair", "mood"}
    assert {name for name in held.outside if not name.startswith("_")} == functions | tables | types
