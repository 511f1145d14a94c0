"""The catalogs say by which names a statement is more than a read that any standby answers alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection

from erm_alembic.postgres.volatility import Volatility, read_volatility
from tests.support.databases import Database

SCHEMA = """
    CREATE SCHEMA other;
    CREATE TABLE plain (id int);
    CREATE VIEW plain_view AS SELECT id, now() AS at, lower('A') FROM plain;

    CREATE FUNCTION calm(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
    CREATE FUNCTION stable_one() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION "Odd "" Name"() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION mixed(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION other.mixed(text) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION touching(int, int) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION judging(int, int) RETURNS boolean VOLATILE LANGUAGE sql AS 'SELECT true';
    CREATE AGGREGATE restless (int) (SFUNC = touching, STYPE = int);
    CREATE AGGREGATE calm_sum (int) (SFUNC = int4pl, STYPE = int);
    CREATE OPERATOR @#@ (LEFTARG = int, RIGHTARG = int, FUNCTION = touching);
    CREATE OPERATOR @=@ (LEFTARG = int, RIGHTARG = int, FUNCTION = judging);
    CREATE OPERATOR @+@ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);

    CREATE SEQUENCE counter;
    CREATE VIEW by_builtin AS SELECT random() FROM plain;
    CREATE VIEW by_sequence AS SELECT nextval('counter');
    CREATE VIEW "By ""Odd"" Function" AS SELECT "Odd "" Name"() FROM plain;
    CREATE VIEW by_operator AS SELECT id @#@ 1 FROM plain;
    CREATE VIEW by_any AS SELECT id FROM plain WHERE id @=@ ANY (ARRAY[1]);
    CREATE VIEW by_aggregate AS SELECT restless(id) FROM plain;
    CREATE VIEW by_window AS SELECT restless(id) OVER () FROM plain;
    CREATE VIEW by_subquery AS SELECT id FROM plain WHERE EXISTS (SELECT FROM plain WHERE random() > 2);
    CREATE VIEW by_function_in_from AS SELECT * FROM pg_catalog.pg_ls_waldir();
    CREATE VIEW other.above AS SELECT * FROM by_builtin;
    CREATE VIEW further_above AS SELECT 1 FROM plain, other.above;
    CREATE MATERIALIZED VIEW kept AS SELECT random() FROM plain;
    CREATE VIEW above_kept AS SELECT * FROM kept;

    CREATE UNLOGGED TABLE unlogged (id int);
    CREATE VIEW above_unlogged AS SELECT id FROM unlogged;
    CREATE TEMPORARY TABLE fleeting (id int);
    CREATE FOREIGN DATA WRAPPER nothing;
    CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
    CREATE FOREIGN TABLE distant (id int) SERVER nowhere;
    CREATE TABLE parted (id int) PARTITION BY RANGE (id);
    CREATE TABLE near_part PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE FOREIGN TABLE far_part PARTITION OF parted FOR VALUES FROM (10) TO (20) SERVER nowhere;

    CREATE TABLE guarded (id int);
    ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
    CREATE POLICY by_chance ON guarded FOR SELECT USING (random() < 2);
    CREATE TABLE guarded_by_view (id int);
    ALTER TABLE guarded_by_view ENABLE ROW LEVEL SECURITY;
    CREATE POLICY by_view ON guarded_by_view USING (EXISTS (SELECT FROM by_builtin));
    CREATE TABLE guarded_calmly (id int);
    ALTER TABLE guarded_calmly ENABLE ROW LEVEL SECURITY;
    CREATE POLICY calmly ON guarded_calmly USING (id = calm(1));
    CREATE POLICY of_writers ON guarded_calmly FOR INSERT WITH CHECK (random() < 2);
    CREATE TABLE no_longer_guarded (id int);
    CREATE POLICY asleep ON no_longer_guarded USING (random() < 2);
    CREATE TABLE ruled (id int);
    CREATE RULE on_write AS ON INSERT TO ruled DO ALSO SELECT random();
"""


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A session on a database with that schema, which has a temporary table."""
    connection = database.connect()
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
    yield connection
    connection.close()


def test_names_that_lead_to_volatile_functions_are_known(connection: Connection) -> None:
    """Through operators, aggregates, views over views and policies, the server's own functions and hostile names
    included; what a standby has not or not alike is among them, and what is as good there as here is not."""
    with connection.cursor() as cursor:
        known = read_volatility(cursor)
    assert isinstance(known, Volatility)
    assert known.functions >= {"calm", "stable_one", 'Odd " Name', "mixed", "restless", "calm_sum", "now", "nextval"}
    assert known.volatile >= {
        *('Odd " Name', "mixed", "touching", "judging", "restless", "random", "nextval", "set_config", "setval"),
        *("pg_advisory_xact_lock", "pg_advisory_lock", "pg_notify", "clock_timestamp", "gen_random_uuid", "pg_sleep"),
    }
    assert not known.volatile & {"calm", "stable_one", "calm_sum", "now", "lower", "count", "sum", "array_agg"}
    assert known.operators == {"@#@", "@=@"}
    assert {name for name in known.relations if not name.startswith("pg_")} == {
        *("counter", "by_builtin", "by_sequence", 'By "Odd" Function', "by_operator", "by_any", "by_aggregate"),
        *("by_window", "by_subquery", "by_function_in_from", "above", "further_above"),
        *("unlogged", "above_unlogged", "fleeting", "distant", "parted", "far_part", "guarded", "guarded_by_view"),
    }
    assert "pg_locks" in known.relations
    assert not known.relations & {"pg_class", "pg_tables", "pg_indexes", "pg_attribute"}


def test_whatever_the_session_is_set_to_the_names_are_the_same(connection: Connection) -> None:
    """Neither a search path that hides the catalogs' functions nor a quoting that is not the usual one matters."""
    with connection.cursor() as cursor:
        usual = read_volatility(cursor)
        cursor.execute("SET search_path = other; SET standard_conforming_strings = off; SET DateStyle = 'German'")
        assert read_volatility(cursor) == usual
