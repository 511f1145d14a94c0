"""Nothing is written within a block that prevents writes, whichever way it is sent; the primary is a healthy one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from erm_alembic.routing import Cluster, ReplicaReadOptions, RoutingSession, WritePrevented, replica_read
from tests.routing.applications import ASYNCHRONOUS, Application, User, application
from tests.routing.servers import Servers

INSERT = sa.text("INSERT INTO users VALUES (2, 'Grace', 1)")
GRACE = sa.insert(User.__table__).values(id=2, name="Grace", score=1)

Write = Callable[[RoutingSession, Cluster], object]
WRITES: dict[str, Write] = {
    "text": lambda session, _: session.execute(INSERT),
    "text that begins as a read": lambda session, _: session.execute(
        sa.text("WITH new AS (INSERT INTO users VALUES (2, 'Grace', 1) RETURNING id) SELECT id FROM new")
    ),
    "TRUNCATE": lambda session, _: session.execute(sa.text("TRUNCATE users CASCADE")),
    "DDL": lambda session, _: session.execute(sa.DDL("CREATE TABLE users_too (id int)")),
    "setval": lambda session, _: session.scalar(sa.select(sa.func.setval("users_id_seq", 77))),
    "a function by itself": lambda session, _: session.execute(sa.func.setval("users_id_seq", 77)),
    "an INSERT over its connection": lambda session, _: session.connection().execute(GRACE),
    "text over its connection": lambda session, _: session.connection().execute(INSERT),
    "the driver's text": lambda session, _: session.connection().exec_driver_sql(INSERT.text),
    "bind_arguments": lambda session, cluster: session.execute(GRACE, bind_arguments={"bind": cluster.writer()}),
    "text by bind_arguments": lambda session, cluster: session.execute(
        INSERT, bind_arguments={"bind": cluster.writer()}
    ),
}


def _state(app: Application) -> object:
    return app.on_primary(
        "SELECT (SELECT array_agg(id) FROM users), (SELECT last_value FROM users_id_seq), to_regclass('users_too')"
    )


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_no_way_to_write_gets_through(write: Write, app: Application, cluster: Cluster) -> None:
    """The transaction goes on as it was, the pool too, and after the block it may write."""
    before = _state(app)
    with cluster.sessionmaker(read=True)() as session:
        with replica_read(prevent_writes=True):
            pid = session.scalar(sa.text("SELECT pg_backend_pid()"))
            with pytest.raises(WritePrevented):
                write(session, cluster)
            assert session.scalar(sa.text("SELECT pg_backend_pid()")) == pid
            session.commit()
            assert _state(app) == before
            assert session.scalar(sa.text("SELECT pg_backend_pid()")) == pid
        write(session, cluster)
        session.commit()
        assert _state(app) != before
    app.on_primary("DROP TABLE IF EXISTS users_too")
    app.on_primary("SELECT setval('users_id_seq', 1)")


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO users VALUES (2, 'Grace', 1) -- erm_reads_only",
        "COMMIT; INSERT INTO users VALUES (2, 'Grace', 1); BEGIN; SAVEPOINT erm_reads_only",
        "RELEASE SAVEPOINT erm_reads_only; INSERT INTO users VALUES (2, 'Grace', 1); SAVEPOINT erm_reads_only",
        "SELECT 1; SELECT 2",
        "COMMIT",
        "/* so */ ROLLBACK TO SAVEPOINT a",
        "SAVEPOINT a",
        "PREPARE TRANSACTION 'a'",
        "LOCK TABLE users",
        "LOCK users IN ACCESS SHARE MODE",
    ],
)
def test_no_text_gets_out_of_what_holds_it(text: str, app: Application, cluster: Cluster) -> None:
    """Nor ends the transaction, nor takes a lock; a semicolon within a string, or at the end, does no harm."""
    with cluster.sessionmaker(read=True)() as session:
        with replica_read(prevent_writes=True):
            pid = session.scalar(sa.text("SELECT pg_backend_pid() -- ; that is all\n;"))
            with pytest.raises(WritePrevented):
                session.execute(sa.text(text))
            assert session.scalar(sa.text("SELECT 'COMMIT; SELECT 1'")) == "COMMIT; SELECT 1"
            assert session.scalar(sa.text("SELECT pg_backend_pid()")) == pid
        session.commit()
    assert app.on_primary("SELECT count(*) FROM users") == [(1,)]


def test_savepoints_of_the_session_are_its_own(app: Application, cluster: Cluster) -> None:
    """They write nothing, and stay until the session releases them."""
    with cluster.sessionmaker(read=True)() as session:
        with replica_read(prevent_writes=True):
            with session.begin_nested():
                with pytest.raises(WritePrevented):
                    session.execute(INSERT)
                assert session.scalar(sa.text("SELECT count(*) FROM users")) == 1
            with pytest.raises(ZeroDivisionError), session.begin_nested():
                session.execute(sa.text("SELECT 1"))
                raise ZeroDivisionError
        session.execute(INSERT)
        session.commit()
    assert app.on_primary("SELECT count(*) FROM users") == [(2,)]


def test_large_objects_are_not_written(servers: Servers) -> None:
    """Also on a server that lets them be written in a READ ONLY transaction."""
    count = "SELECT count(*) FROM pg_largeobject_metadata"
    with application(servers, "psycopg2") as app, app.cluster() as cluster:
        before = app.on_primary(count)
        for write in (sa.select(sa.func.lo_create(0)), sa.text("SELECT \"lo_from_bytea\"(0, 'x')")):
            with cluster.sessionmaker(read=True)() as session, replica_read(prevent_writes=True):
                with pytest.raises(WritePrevented):
                    session.execute(write)
                session.commit()
        assert app.on_primary(count) == before


def test_a_transaction_that_has_written_before_the_block_keeps_that(app: Application, cluster: Cluster) -> None:
    """What is only in the block is held to reading, over a connection that was taken before it too."""
    with cluster.sessionmaker(read=True)() as session:
        connection = session.connection()
        session.execute(INSERT)
        with replica_read(prevent_writes=True):
            for send in (connection.execute, session.execute):
                with pytest.raises(WritePrevented):
                    send(sa.text("DELETE FROM users"))
            assert session.scalar(sa.text("SELECT count(*) FROM users")) == 2
        session.execute(sa.text("UPDATE users SET score = 9"))
        session.commit()
    assert app.on_primary("SELECT id, score FROM users ORDER BY id") == [(1, 9), (2, 9)]


def test_a_statement_that_may_not_write_says_so_by_its_option(app: Application, cluster: Cluster) -> None:
    """As a block does; the other statements of the transaction may."""
    reads = {"replica_read": ReplicaReadOptions(prevent_writes=True)}
    with cluster.sessionmaker()() as session:
        with pytest.raises(WritePrevented):
            session.execute(INSERT, execution_options=reads)
        with pytest.raises(WritePrevented):
            session.execute(INSERT.execution_options(**reads))
        session.execute(INSERT)
        session.commit()
    assert app.on_primary("SELECT count(*) FROM users") == [(2,)]


def test_a_connection_that_commits_each_statement_sends_only_known_reads(app: Application) -> None:
    """There is no transaction that could be held to reading."""
    with (
        app.cluster(engine_options={"isolation_level": "AUTOCOMMIT"}) as cluster,
        cluster.sessionmaker()() as session,
        replica_read(prevent_writes=True),
    ):
        for text in (INSERT, sa.text("SELECT 1")):
            with pytest.raises(WritePrevented):
                session.execute(text)
        assert len(session.scalars(sa.select(User)).all()) == 1
    assert app.on_primary("SELECT count(*) FROM users") == [(1,)]


@pytest.mark.parametrize("driver", ASYNCHRONOUS)
def test_neither_gets_it_through_by_asyncio(driver: str, newest_servers: Servers) -> None:
    """Over the session and over its connection."""

    async def run(cluster: Cluster) -> int:
        async with cluster.async_sessionmaker(read=True)() as session:
            with replica_read(prevent_writes=True):
                with pytest.raises(WritePrevented):
                    await session.execute(INSERT)
                connection = await session.connection()
                for statement in (INSERT, GRACE):
                    with pytest.raises(WritePrevented):
                        await connection.execute(statement)
            count: int = await session.scalar(sa.text("SELECT count(*) FROM users"))
            await session.commit()
        await cluster.aclose()
        return count

    with application(newest_servers, driver) as app, app.cluster() as cluster:
        assert asyncio.run(run(cluster)) == 1
        assert app.on_primary("SELECT count(*) FROM users") == [(1,)]
