"""How a snapshot is taken: with few queries, without a trace, and in spite of what others do meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INTRANS

from erm_alembic.errors import TargetError
from erm_alembic.postgres.snapshot import catalog_fingerprint, differences, session, take_snapshot
from erm_alembic.postgres.snapshot.family import common_tables, parameters
from erm_alembic.postgres.snapshot.indexes import DEFINITION, HELPERS, NOT_DISTINCT
from erm_alembic.postgres.snapshot.session import steady_session
from tests.support.databases import Database


class CountingCursor(psycopg2.extensions.cursor):
    """Counts what it is asked to send."""

    sent = 0

    def execute(self, query: Any, vars: Any = None) -> None:
        CountingCursor.sent += 1
        super().execute(query, vars)


@pytest.fixture
def cursor(database: Database) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor in autocommit mode on an empty database."""
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        yield cursor


def test_the_number_of_queries_does_not_depend_on_the_number_of_tables(database: Database) -> None:
    """As many for twenty tables as for none."""
    counts = []
    with closing(database.connect(cursor_factory=CountingCursor)) as connection, connection.cursor() as cursor:
        for number in (0, 20):
            for table in range(number):
                cursor.execute(
                    f"CREATE TABLE t{table} (id serial PRIMARY KEY, a int UNIQUE, b int REFERENCES t{table})"
                )
            CountingCursor.sent = 0
            take_snapshot(cursor)
            counts.append(CountingCursor.sent)
    assert counts[0] == counts[1]


def test_a_session_is_left_as_it_was(database: Database) -> None:
    """Settings, transaction and locks of the caller's are what they were before; the reading takes nothing with it."""
    settings = "SELECT name, setting FROM pg_settings ORDER BY name"
    with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
        take_snapshot(cursor)
        catalog_fingerprint(cursor)
        assert connection.info.transaction_status == TRANSACTION_STATUS_IDLE
        cursor.execute("SET search_path = pg_temp; SET jit = on; CREATE TABLE public.t (a int)")
        cursor.execute("CREATE VIEW public.v AS SELECT a FROM public.t")
        cursor.execute(settings)
        before = cursor.fetchall()
        snapshot = take_snapshot(cursor)
        catalog_fingerprint(cursor)
        assert connection.info.transaction_status == TRANSACTION_STATUS_INTRANS
        cursor.execute(settings)
        assert cursor.fetchall() == before
        # What the transaction has made is seen, and still there.
        assert ("view", "public.v") in snapshot.objects
        connection.commit()
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        assert take_snapshot(cursor) == snapshot
        assert connection.info.transaction_status == TRANSACTION_STATUS_IDLE


def test_what_is_left_out_is_not_there(cursor: psycopg2.extensions.cursor) -> None:
    """Schemas, tables with all that is theirs, and the objects of extensions are as if they were not."""
    before = take_snapshot(cursor), catalog_fingerprint(cursor)
    cursor.execute('CREATE SCHEMA "le.dger" CREATE TABLE runs (id serial PRIMARY KEY)')
    cursor.execute('CREATE TABLE "alembic version" (id serial PRIMARY KEY, num varchar(32) UNIQUE)')
    assert take_snapshot(cursor) != before[0]
    left_out = (["le.dger"], ['public."alembic version"'])
    assert (take_snapshot(cursor, *left_out), catalog_fingerprint(cursor, *left_out)) == before


def test_what_belongs_to_an_extension_is_its_own(cursor: psycopg2.extensions.cursor) -> None:
    """An extension is one object, whatever it brings along."""
    before = take_snapshot(cursor)
    cursor.execute("SELECT FROM pg_available_extensions WHERE name = 'hstore'")
    if cursor.rowcount == 0:
        pytest.skip("this server has no extension hstore")
    cursor.execute("CREATE EXTENSION hstore")
    told = differences(before, take_snapshot(cursor))
    assert [(one.kind, one.object) for one in told] == [("extension", "hstore")]


def test_a_concurrent_change_of_the_schema_does_no_harm(database: Database) -> None:
    """While tables, views and functions come and go, snapshots are taken, each of one moment."""
    database.execute("CREATE TABLE stays (id serial PRIMARY KEY, a int UNIQUE)")
    stop = threading.Event()
    failed: list[BaseException] = []

    def churn() -> None:
        try:
            with closing(database.connect()) as connection, connection.cursor() as cursor:
                while not stop.is_set():
                    cursor.execute(
                        "CREATE TABLE comes (id serial PRIMARY KEY, a int CHECK (a > 0), b text DEFAULT 'x');"
                        "CREATE INDEX comes_a ON comes ((a + 1)) WHERE a > 1; CREATE VIEW seen AS SELECT * FROM comes;"
                        "CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1';"
                        "CREATE STATISTICS gathered ON id, a FROM comes"
                    )
                    cursor.execute("DROP VIEW seen; DROP TABLE comes; DROP FUNCTION made()")
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        with closing(database.connect()) as connection, connection.cursor() as cursor:
            for _ in range(10):
                snapshot = take_snapshot(cursor)
                catalog_fingerprint(cursor)
                assert ("table", "public.stays") in snapshot.objects
                # All of it or nothing.
                assert (("table", "public.comes") in snapshot.objects) == (("view", "public.seen") in snapshot.objects)
    finally:
        stop.set()
        thread.join()
    assert failed == []


def test_a_lock_that_somebody_holds_is_told(
    cursor: psycopg2.extensions.cursor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The definition of a view waits for an exclusive lock on its table: briefly, and then says so."""
    monkeypatch.setattr(session, "APPLY", f"{session.APPLY}; SET LOCAL lock_timeout = '50ms'")
    cursor.execute("CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t")
    with closing(psycopg2.connect(database.url)) as other, other.cursor() as holder:
        holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TargetError, match="somebody holds an exclusive lock") as told:
            take_snapshot(cursor)
        assert told.value.effect == "Nothing was changed; nothing was compared."
        assert cursor.connection.info.transaction_status == TRANSACTION_STATUS_IDLE


def test_a_catalog_that_may_not_be_read_is_told(
    cursor: psycopg2.extensions.cursor,
) -> None:
    """Where an administrator took it from everybody, the message names the catalog."""
    cursor.execute("BEGIN; REVOKE SELECT ON pg_catalog.pg_opfamily FROM PUBLIC; SET LOCAL ROLE pg_monitor")
    with pytest.raises(TargetError, match="may not be read: permission denied for table pg_opfamily"):
        take_snapshot(cursor)
    cursor.execute("ROLLBACK")


def test_the_definition_of_a_plain_index_is_the_servers_own(cursor: psycopg2.extensions.cursor) -> None:
    """What is put together without the server's function is letter by letter what the function says."""
    cursor.execute(
        'CREATE TABLE "T %" (a varbit, b text COLLATE "C", c int4, d varchar(3), e int[], f inet, g cidr,'
        ' "h %" char(2),'
        " i name, j numrange, k oid, l bit, m text, PRIMARY KEY (c, d))"
    )
    cursor.execute(
        'CREATE INDEX ON "T %" (a); CREATE INDEX ON "T %" (a bit_ops); CREATE INDEX ON "T %" (b);'
        'CREATE INDEX ON "T %" (b COLLATE "default"); CREATE INDEX ON "T %" (c oid_ops);'
        'CREATE INDEX ON "T %" (c, d, m);'
        'CREATE INDEX ON "T %" (d varchar_ops); CREATE INDEX ON "T %" (d text_ops); CREATE INDEX ON "T %" (e);'
        'CREATE INDEX ON "T %" USING gin (e); CREATE INDEX ON "T %" (f, g); CREATE INDEX ON "T %" USING hash ("h %");'
        'CREATE INDEX ON "T %" ("h %" DESC); CREATE INDEX ON "T %" (m COLLATE "C"); CREATE INDEX ON "T %" (i, k, l);'
        'CREATE INDEX ON "T %" USING gist (j); CREATE INDEX ON "T %" USING brin (c, m); CREATE INDEX ON "T %" (j);'
        "CREATE TYPE mine AS (a int); CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN word AS text COLLATE \"C\";"
        "CREATE TABLE p (a mood, b word, c mine) PARTITION BY LIST (a); CREATE INDEX ON p (a, b);"
        "CREATE INDEX ON p (c);"
        "CREATE TABLE p1 PARTITION OF p DEFAULT"
    )
    assert _texts_that_differ(cursor) == []
    # Operator classes that a type brings along may make others ambiguous.
    cursor.execute(
        "CREATE TYPE own AS ENUM ('b'); CREATE FUNCTION compare(mood, mood) RETURNS int LANGUAGE sql IMMUTABLE"
        " AS 'SELECT 0'; CREATE OPERATOR FAMILY fam USING btree; CREATE OPERATOR CLASS cls DEFAULT FOR TYPE mood USING"
        " btree FAMILY fam AS FUNCTION 1 compare(mood, mood)"
    )
    assert _texts_that_differ(cursor) == []


def _texts_that_differ(cursor: psycopg2.extensions.cursor) -> list[tuple[str, str]]:
    definition = DEFINITION.replace(
        "{not distinct}", NOT_DISTINCT.sql if cursor.connection.server_version >= NOT_DISTINCT.version else "false"
    )
    # The indexes of PostgreSQL's own tables are examples of their own.
    every = common_tables().replace("nspname !~ '^pg_' AND", "")
    with steady_session(cursor):
        cursor.execute(
            f"{every}, {HELPERS} SELECT ours, theirs FROM (SELECT {definition} AS ours,"
            " pg_get_indexdef(i.indexrelid) AS theirs FROM relations r JOIN pg_index i ON i.indrelid = r.oid"
            " JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam"
            " JOIN column_names n ON n.attrelid = r.oid) both_ways WHERE ours IS DISTINCT FROM theirs",
            parameters((), ()),
        )
        return list(cursor.fetchall())
