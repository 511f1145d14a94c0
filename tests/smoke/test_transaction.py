"""The transaction that holds a smoke test, past the words of its statements: what the server does, and says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from erm_alembic.testing.smoke import turns
from erm_alembic.testing.smoke.connection import plain_cursor
from erm_alembic.testing.smoke.escapes import Escape
from erm_alembic.testing.smoke.terms import Terms
from erm_alembic.testing.smoke.transaction import SmokeTransaction
from tests.smoke.holding import PlainConnection, send
from tests.support.databases import Database


def rows(database: Database) -> int:
    return int(database.execute("SELECT count(*) FROM t")[0][0])


def test_what_is_written_is_seen_by_the_test_and_by_nobody_afterwards(
    database: Database, held: SmokeTransaction
) -> None:
    """Each test has a transaction of its own, of which the server says that it is aborted."""
    held.begin(Terms(writes=True))
    send(held, "INSERT INTO t (a) VALUES (%s)", 1)
    assert send(held, "SELECT count(*) FROM t") == [(1,)]
    held.end()
    assert held.traces.sequences == ("public.t_id_seq",)
    assert held.traces.transaction_id is not None
    held.begin(Terms())
    assert send(held, "SELECT count(*) FROM t") == [(0,)]
    held.end()
    assert held.traces.transaction_id is None
    assert rows(database) == 0


def test_the_server_refuses_a_commit_that_comes_past_everything(database: Database, held: SmokeTransaction) -> None:
    """No commit satisfies the constraint that the transaction holds; the test fails, and no further one is run."""
    held.begin(Terms(writes=True))
    send(held, "INSERT INTO t (a) VALUES (1)")
    with pytest.raises(psycopg2.errors.UniqueViolation, match="a_smoke_test_never_commits"):
        PlainConnection.commit(held.connection)
    with pytest.raises(Escape, match="had ended before the test did") as refused:
        held.end()
    assert "It was rolled back" in refused.value.effect
    with pytest.raises(Escape, match="was lost"):
        held.begin(Terms())
    assert rows(database) == 0


def test_the_server_refuses_a_commit_as_another_role_too(database: Database, held: SmokeTransaction) -> None:
    """What holds the transaction belongs to the login role: that of the test cannot take it away."""
    database.execute("DO $$ BEGIN IF to_regrole('smoker') IS NULL THEN CREATE ROLE smoker; END IF; END $$")
    database.execute("GRANT ALL ON t, t_id_seq TO smoker")
    held.role = "smoker"
    held.begin(Terms(writes=True))
    assert send(held, "SELECT current_user") == [("smoker",)]
    send(held, "INSERT INTO t (a) VALUES (1)")
    send(held, "SET CONSTRAINTS ALL IMMEDIATE")
    assert send(held, "SELECT current_user") == [("smoker",)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), plain_cursor(held.connection) as cursor:
        cursor.execute("DELETE FROM pg_temp.erm_smoke_guard")
    held.rollback()
    with pytest.raises(psycopg2.errors.UniqueViolation):
        PlainConnection.commit(held.connection)
    assert rows(database) == 0
    PlainConnection.rollback(held.connection)
    database.execute("DROP OWNED BY smoker")


def test_what_keeps_a_test_from_beginning_is_told(database: Database, held: SmokeTransaction) -> None:
    """A right that is missing, a role that is not there."""
    held.role = "nobody_of_that_name"
    with pytest.raises(Escape, match=r"act as 'nobody_of_that_name': role .* does not exist") as refused:
        held.begin(Terms())
    assert "smoke.role" in refused.value.cure
    held.role = None
    held.begin(Terms())
    held.end()


def test_a_procedure_cannot_commit(database: Database, held: SmokeTransaction) -> None:
    """The server refuses transaction control within a transaction."""
    database.execute(
        "CREATE PROCEDURE keep() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t (a) VALUES (1); COMMIT; END $$"
    )
    held.begin(Terms(writes=True))
    with pytest.raises(psycopg2.errors.InvalidTransactionTermination):
        send(held, "CALL keep()")
    held.end()
    assert rows(database) == 0


def test_deferred_constraints_can_be_checked(held: SmokeTransaction) -> None:
    """A transaction that never commits would never check them by itself."""
    held.begin(Terms(writes=True))
    send(held, "INSERT INTO t (a) VALUES (1)")
    send(held, "SET CONSTRAINTS ALL IMMEDIATE")
    send(held, "SET CONSTRAINTS ALL DEFERRED")
    send(held, "INSERT INTO t (a) VALUES (1)")
    with pytest.raises(psycopg2.errors.UniqueViolation, match="t_a_key"):
        send(held, "SET CONSTRAINTS ALL IMMEDIATE")
    held.end()


def test_a_test_that_reads_cannot_be_made_to_write(database: Database, held: SmokeTransaction) -> None:
    """Where the words let it pass, the server refuses: functions, and rows that are changed within a query."""
    database.execute(
        "CREATE FUNCTION lift() RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM set_config('transaction_read_only', 'off', false); INSERT INTO t (a) VALUES (1); END $$"
    )
    for sql in ("WITH n AS (INSERT INTO t (a) VALUES (1) RETURNING a) SELECT * FROM n", "SELECT lift()"):
        held.begin(Terms())
        with pytest.raises(psycopg2.Error, match=r"read-only|read-write"):
            send(held, sql)
        held.end()
    assert rows(database) == 0


def test_nothing_of_the_session_reaches_the_next_test(held: SmokeTransaction) -> None:
    """Settings, prepared statements and temporary tables are gone with the test."""
    held.begin(Terms(writes=True))
    send(held, "SET search_path = nowhere")
    send(held, "PREPARE mine AS SELECT 1")
    send(held, "CREATE TEMP TABLE mine (a int)")
    held.end()
    held.begin(Terms())
    assert send(held, "SHOW search_path") == [('"$user", public',)]
    assert send(held, "SELECT count(*) FROM pg_prepared_statements") == [(0,)]
    assert send(held, "SELECT to_regclass('pg_temp.mine')") == [(None,)]
    held.end()


@pytest.mark.parametrize(
    "sql", ["SET statement_timeout = 0", "SELECT set_config('statement_timeout', '1h', false)", "SELECT gives()"]
)
def test_a_test_cannot_give_itself_more_time(database: Database, held: SmokeTransaction, sql: str) -> None:
    """Less it can."""
    database.execute(
        "CREATE FUNCTION gives() RETURNS text LANGUAGE sql AS $$ SELECT set_config('statement_timeout', '0', false) $$"
    )
    held.begin(Terms())
    send(held, sql)
    assert send(held, "SHOW statement_timeout") == [("2s",)]
    send(held, "SET LOCAL statement_timeout = '500ms'")
    with pytest.raises(psycopg2.errors.QueryCanceled):
        send(held, "SELECT pg_sleep(60)")
    held.end()


def test_commits_of_the_driver_are_refused_and_rollbacks_go_back_to_a_savepoint(held: SmokeTransaction) -> None:
    """Whichever of psycopg2's ways ends a transaction, this one goes on."""
    held.begin(Terms(writes=True))
    connection = held.connection
    connection.rollback()
    send(held, "INSERT INTO t (a) VALUES (1)")
    for leave in (
        connection.commit,
        connection.reset,
        connection.tpc_prepare,
        lambda: connection.set_isolation_level(0),
        lambda: connection.set_session(autocommit=True),
        lambda: setattr(connection, "autocommit", True),
        lambda: connection.set_client_encoding("LATIN1"),
    ):
        with pytest.raises(Escape):
            leave()
    connection.close()
    assert (connection.info.password, connection.info.host, connection.dsn) == (None, None, "host=erm-smoke.invalid")
    with connection.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor, pytest.raises(Escape):
        cursor.execute("COMMIT")
    assert send(held, "SELECT count(*) FROM t") == [(1,)]
    connection.rollback()
    assert send(held, "SELECT count(*) FROM t") == [(0,)]
    held.end()


def test_a_test_with_nested_commits_ends_savepoints(database: Database, held: SmokeTransaction) -> None:
    """What the application commits is there for the rest of the test, and not afterwards."""
    owner = object()
    held.begin(Terms(writes=True, nested_commits=True))
    held.push(owner)
    send(held, "INSERT INTO t (a) VALUES (1)")
    held.ends(owner)
    held.connection.commit()
    held.push(owner)
    send(held, "INSERT INTO t (a) VALUES (2)")
    held.ends(owner)
    held.connection.rollback()
    assert send(held, "SELECT a FROM t") == [(1,)]
    held.end()
    assert rows(database) == 0


def test_functions_that_reach_outside_are_known_by_what_they_call(database: Database, held: SmokeTransaction) -> None:
    """By whichever ways, and so are tables whose triggers do."""
    database.execute(
        "CREATE FUNCTION reload() RETURNS void LANGUAGE sql AS 'SELECT pg_reload_conf()';"
        " CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM reload(); RETURN NEW; END';"
        " CREATE TABLE loud (a int); CREATE TRIGGER tell AFTER INSERT ON loud FOR EACH ROW EXECUTE FUNCTION told()"
    )
    held.look_around()
    held.begin(Terms(writes=True))
    for sql in ("SELECT reload()", "INSERT INTO loud VALUES (1)"):
        with pytest.raises(Escape, match="no rollback takes back"):
            send(held, sql)
    held.end()


def test_a_killed_session_leaves_nothing(database: Database, held: SmokeTransaction) -> None:
    """The server rolls back; the test is told, and no further one is run."""
    held.begin(Terms(writes=True))
    send(held, "INSERT INTO t (a) VALUES (1)")
    database.execute("SELECT pg_terminate_backend(%s)", held.connection.info.backend_pid)
    with pytest.raises(psycopg2.Error):
        send(held, "SELECT 1")
    held.end()
    assert held.is_lost
    assert rows(database) == 0


def test_values_that_are_more_than_values_are_looked_at(held: SmokeTransaction) -> None:
    """What the server gets is read, not what it was made from."""
    held.begin(Terms(writes=True))
    with pytest.raises(Escape, match="it commits"):
        send(held, "SELECT %s", psycopg2.extensions.AsIs("1; COMMIT"))
    assert send(held, "SELECT %s", "1; COMMIT") == [("1; COMMIT",)]
    held.end()


def test_what_begins_by_itself_cannot_write(database: Database, held: SmokeTransaction) -> None:
    """Once the transaction of a test that writes is over, the driver's next one is read only."""
    held.begin(Terms(writes=True))
    PlainConnection.rollback(held.connection)
    with (
        plain_cursor(held.connection) as cursor,
        pytest.raises(psycopg2.errors.ReadOnlySqlTransaction),
    ):
        cursor.execute("INSERT INTO t (a) VALUES (1)")
    with pytest.raises(Escape, match="had ended before the test did"):
        held.end()
    assert held.doubt is not None
    assert rows(database) == 0


def test_between_two_tests_nobody_ends_begins_or_closes_anything(
    database: Database, held: SmokeTransaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a thread of the application does then, the connection is there for the next test, and nothing stays."""
    monkeypatch.setattr(turns, "MOST_SECONDS", 0)
    owner = object()
    held.begin(Terms(writes=True, nested_commits=True))
    held.push(owner)
    rest = held.connection.cursor("rest")
    rest.execute("SELECT generate_series(1, 3)")
    held.end()

    def go_on() -> None:
        held.push(owner)
        with pytest.raises(Escape, match="while no smoke test runs"):
            send(held, "INSERT INTO t (a) VALUES (1)")
        with pytest.raises(psycopg2.InterfaceError):
            rest.fetchone()
        with pytest.raises(psycopg2.InterfaceError):
            held.connection.lobject(0, "w")
        with pytest.raises(Escape):
            held.connection.autocommit = True
        rest.close()
        held.connection.commit()
        held.connection.rollback()
        held.connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(go_on).result()
    assert held.connection.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_IDLE
    held.begin(Terms())
    assert send(held, "SELECT count(*) FROM t") == [(0,)]
    held.end()
    assert not held.is_lost and held.doubt is None
    assert rows(database) == 0


def test_a_thread_of_the_application_waits_for_the_next_test(held: SmokeTransaction) -> None:
    """Between two tests it is not held against them."""
    held.begin(Terms())
    held.end()
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(send, held, "SELECT 1")
        held.begin(Terms())
        assert found.result() == [(1,)]
        held.end()
    assert held.escapes.take() == ()


def test_a_fate_that_nobody_can_tell_counts_as_lost(held: SmokeTransaction, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known to be rolled back is not said to be."""

    def fails(*_: object) -> str:
        raise psycopg2.OperationalError

    held.begin(Terms(writes=True))
    monkeypatch.setattr("erm_alembic.testing.smoke.transaction.fate_of", fails)
    with pytest.raises(Escape, match="had ended") as refused:
        held.end()
    assert held.is_lost and held.doubt is not None
    assert "may be committed" in refused.value.effect


@pytest.mark.parametrize(("name", "value"), [("client_encoding", "SJIS"), ("standard_conforming_strings", "off")])
def test_no_text_is_sent_that_the_server_reads_in_another_way(
    database: Database, held: SmokeTransaction, name: str, value: str
) -> None:
    """By whatever a function of the database sets, where a string ends is known; both tests fail."""
    database.execute(
        f"CREATE FUNCTION sets() RETURNS text LANGUAGE sql AS $$ SELECT set_config('{name}', '{value}', false) $$"
    )
    held.begin(Terms())
    for sql in (
        "SELECT sets()",
        "SELECT E'\u00c3\\'; COMMIT; BEGIN READ WRITE; INSERT INTO t (a) VALUES (1); COMMIT; --'",
    ):
        with pytest.raises(Escape, match=name):
            send(held, sql)
    held.end()
    assert not held.is_lost and rows(database) == 0
    held.begin(Terms())
    assert send(held, "SELECT 1") == [(1,)]
    held.end()
