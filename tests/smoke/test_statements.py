"""What a smoke test may send: told by its words, and held against what the server makes of them."""

from __future__ import annotations

from contextlib import closing, suppress

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from erm_alembic.postgres.text.rolled_back import objection
from tests.support.databases import Database

# Of nothing that is here does anything stay, whether it writes or not.
HARMLESS = (
    "SELECT 1",
    "(SELECT 1)",
    "WITH a AS (SELECT 1) SELECT * FROM a",
    "SHOW search_path",
    "SELECT setting FROM pg_settings",
    "EXPLAIN SELECT 1",
    "SET search_path = public",
    "SET LOCAL statement_timeout = '1h'",
    "SELECT set_config('app.tenant', 'x', true)",
    "SAVEPOINT a; ROLLBACK TO SAVEPOINT a; RELEASE a",
    "SELECT ';COMMIT', $$;COMMIT$$, $a$;COMMIT$a$ /* ;COMMIT */ -- ;COMMIT",
    "SELECT E'it\\'s ;COMMIT;'",
    'SELECT 1 AS "commit;"',
    "SELECT '\U0001f600'",
    "SELECT pg_advisory_xact_lock(1)",
    "PREPARE a AS SELECT 1; EXECUTE a; DEALLOCATE a",
    "DECLARE c CURSOR FOR SELECT 1; FETCH c; CLOSE c",
    "COPY (SELECT 1) TO STDOUT",
    "SELECT 1 AS a INTO LOCAL TEMPORARY mine",
    "WITH a AS (INSERT INTO t SELECT 1 RETURNING a) INSERT INTO t SELECT * FROM a",
    "WITH a AS (INSERT INTO t VALUES (1) RETURNING a) SELECT a FROM a",
    "NOTIFY told",
    "",
)
CHANGES = (
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 2",
    "DELETE FROM t",
    "COPY t FROM STDIN",
    "CREATE TEMP TABLE mine (a int)",
    "CREATE LOCAL TEMPORARY TABLE mine (a int)",
    "CREATE TEMP RECURSIVE VIEW mine (a) AS SELECT 1",
    "CREATE TEMPORARY SEQUENCE mine",
    "MERGE INTO t USING t s ON s.a = t.a WHEN MATCHED THEN DELETE",
    "SELECT lo_create(0)",
    "SELECT pg_catalog.lo_from_bytea(0, 'x')",
)
ENDS = (
    "COMMIT",
    "commit and chain",
    "/* nothing */ COMMIT",
    "END",
    "ROLLBACK",
    "ABORT",
    "ROLLBACK TRANSACTION",
    "SELECT 1; COMMIT",
    "SELECT E'\\''; COMMIT --'",
    "PREPARE TRANSACTION 'p'",
    "COMMIT PREPARED 'p'",
    "ROLLBACK PREPARED 'p'",
    "BEGIN",
    "START TRANSACTION READ WRITE",
)
LIFTS = (
    "SET TRANSACTION READ WRITE",
    "SET LOCAL TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET default_transaction_read_only = off",
    "SET SESSION default_transaction_read_only TO off",
    'SET "default_transaction_read_only" = off',
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT pg_catalog.set_config('default_' || 'transaction_read_only', 'off', false)",
    "SELECT set_config($$role$$, 'none', true)",
    "SET ROLE postgres",
    "RESET ROLE",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET session_replication_role = replica",
    "SET standard_conforming_strings = off",
    "SET NAMES 'latin1'",
    "UPDATE pg_settings SET setting = '0' WHERE name = 'statement_' || 'timeout'",
    "WITH a AS (UPDATE pg_catalog.\"pg_settings\" SET setting = '0' RETURNING 1) SELECT 1",
    "CREATE TEMP VIEW mine AS SELECT * FROM pg_settings",
    "RESET ALL",
    "DISCARD ALL",
    "DISCARD TEMP",
    "SET statement_timeout = 0; SELECT pg_sleep(60)",
    "RELEASE SAVEPOINT erm_smoke_0",
    "ROLLBACK TO erm_smoke_0",
    "DELETE FROM pg_temp.erm_smoke_guard",
    "SET CONSTRAINTS a_smoke_test_never_commits DEFERRED",
)
REACHES_OUT = (
    "SELECT dblink_exec('dbname=x', 'DELETE FROM t')",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_terminate_backend(1)",
    "SELECT setval('s', 1)",
    "SELECT lo_export(1, '/tmp/x')",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY t TO '/tmp/x'",
    "COPY t TO PROGRAM 'cat'",
    "COPY t FROM PROGRAM 'cat'",
    "DO $$ BEGIN PERFORM 1; END $$",
    "ALTER SYSTEM SET work_mem = '1MB'",
    "CREATE DATABASE other",
    "CREATE TABLE mine (a int)",
    "EXPLAIN ANALYZE CREATE TABLE mine AS SELECT 1",
    "SELECT * INTO mine FROM t",
    "EXPLAIN ANALYZE SELECT * INTO mine FROM t",
    "SELECT 1 AS insert INTO mine",
    "SELECT 1 INTO temp.mine",
    "WITH a AS (SELECT 1) SELECT * INTO UNLOGGED mine FROM a",
    "TRUNCATE t",
    "LOCK TABLE t",
    "VACUUM",
    "LOAD 'x'",
    "SELECT query_to_xml('SELECT 1', false, false, '')",
    "SELECT pg_catalog.database_to_xml(false, false, '')",
    "SELECT * FROM ts_stat('SELECT 1')",
    "SELECT * FROM crosstab('SELECT 1') AS a (b int)",
    "CREATE FUNCTION temp() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE INDEX temp ON t (a)",
    "CREATE USER temp SUPERUSER",
    "CREATE PROCEDURE temporary() LANGUAGE sql AS 'SELECT 1'",
    'CREATE TABLE "temp" (a int)',
    "CREATE LOCAL TABLE temp (a int)",
)
# Each hides a COMMIT from a reader that takes texts apart in another way than the server does.
UNREADABLE = (
    "SELECT $\U0001f600$ ' $\U0001f600$; COMMIT; --'",
    "SELECT $\u00a0$ ' $\u00a0$; COMMIT; --'",
    "SELECT 1abc$x$ ; COMMIT; --$x$",
    'SELECT U&"\\0070g_reload_conf"()',
    "SELECT 1 \u00a0$$; COMMIT",
    "SELECT \u2028E'\\'; COMMIT; --'",
    "SELECT E'a' -- which goes on\n'\\''; COMMIT --'",
    "SELECT (1; COMMIT; SELECT 2)",
    "CREATE TEMP TABLE x AS SELECT a.begin atomic FROM t a; COMMIT",
)


@pytest.mark.parametrize("sql", HARMLESS)
@pytest.mark.parametrize("writes", [False, True])
def test_what_stays_within_the_transaction_is_let_pass(sql: str, writes: bool) -> None:
    """Reads, savepoints, settings of the session, prepared statements."""
    assert objection(sql, writes=writes) is None


@pytest.mark.parametrize("sql", CHANGES)
def test_rows_are_changed_only_where_the_test_says_so(sql: str) -> None:
    """A test reads unless it says that it writes."""
    assert objection(sql, writes=False) is not None
    assert objection(sql, writes=True) is None


@pytest.mark.parametrize("sql", [*ENDS, *LIFTS, *REACHES_OUT, *UNREADABLE])
@pytest.mark.parametrize("writes", [False, True])
def test_what_would_outlive_the_transaction_is_objected_to(sql: str, writes: bool) -> None:
    """Whatever ends it, lifts what holds it, acts outside of it, or cannot be read."""
    assert objection(sql, writes=writes) is not None


def test_functions_and_tables_of_the_database_are_objected_to_by_name() -> None:
    """Those that act outside by what they call are told by the catalog."""
    assert objection("SELECT app.tell()", writes=False, outside=frozenset({"tell"})) is not None
    assert objection("SELECT app.told()", writes=False, outside=frozenset({"tell"})) is None


def test_nothing_that_is_let_pass_ends_a_transaction(database: Database) -> None:
    """The server agrees: after each text that nothing speaks against, its transaction is under way, or has failed."""
    every = (*HARMLESS, *CHANGES, *ENDS, *LIFTS, *REACHES_OUT, *UNREADABLE)
    passing = [sql for sql in every if objection(sql, writes=True) is None and "COPY" not in sql]
    assert len(passing) > 15
    with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
        for sql in passing:
            cursor.execute("CREATE TEMP TABLE t (a int)")
            if sql:
                try:
                    cursor.execute(sql)
                except psycopg2.Error as error:
                    assert "MERGE" in sql and database.server.binaries.major < 15, (sql, error)
            assert connection.info.transaction_status != TRANSACTION_STATUS_IDLE, sql
            connection.rollback()


# What begins, ends, escapes or hides in SQL; put together at random, with a COMMIT at the end that may be hidden.
FRAGMENTS = (
    *(
        "SELECT 1",
        ";",
        "'",
        "''",
        "E'",
        "\\'",
        "\\",
        "$$",
        "$a$",
        "$\u00e9$",
        "$1",
        "$",
        "a$b$",
        "/*",
        "*/",
        "--",
        "\n",
        "\r",
    ),
    *(
        "\u00a0",
        "\u2028",
        "\x85",
        "\x1c",
        "\U0001f600",
        "\u00e9",
        "\u0663",
        "1",
        "1e",
        "U&'",
        'U&"',
        '"',
        "(",
        ")",
        " ",
    ),
    *(
        "PREPARE p AS",
        "ROLLBACK TO",
        "CREATE TEMP TABLE z AS SELECT 1",
        "begin",
        "atomic",
        "E'a' --",
        "--c\n'",
        "'\\''",
    ),
)
ENDINGS = ("; COMMIT", "; COMMIT --'", "; COMMIT; --$a$", '; COMMIT --"', "; COMMIT /*")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(parts=st.lists(st.sampled_from(FRAGMENTS), max_size=7), ending=st.sampled_from(ENDINGS))
def test_no_commit_hides_from_the_reader(one_database: Database, parts: list[str], ending: str) -> None:
    """Whichever way a text is put together: where the server commits, something speaks against it."""
    sql = "SELECT 1 " + "".join(parts) + ending
    if objection(sql, writes=True) is not None:
        return
    with closing(psycopg2.connect(one_database.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        with suppress(psycopg2.Error):
            cursor.execute(sql)
        assert connection.info.transaction_status != TRANSACTION_STATUS_IDLE


def test_functions_of_the_server_that_run_a_text_are_all_known(one_database: Database) -> None:
    """Its catalog has none besides that takes a query, a cursor, or what is to be made XML of."""
    found = one_database.execute(
        "SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
        " AND (proname ~ '_to_xml' OR (proargnames::text ~* '\\y(query|sql|statement|command)\\y'"
        " AND 'text'::regtype = ANY (proargtypes)))"
    )
    assert {"query_to_xml", "ts_stat"} <= {name for (name,) in found}
    assert {name for (name,) in found if objection(f"SELECT {name}()", writes=True) is None} == set()
