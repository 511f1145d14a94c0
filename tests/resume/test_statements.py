"""Each way in which a revision commits before its end: what is committed is not done twice, the rest is done."""

from __future__ import annotations

from tests.faults.deploying import ENV_PY
from tests.resume.stopping import Stopping, in_autocommit, stop_at


def test_a_transactional_revision_notes_nothing(stopping: Stopping) -> None:
    """What stands in one transaction is there whole or not at all, and the ledger keeps no progress of it."""
    stopping.revision("a1", f'op.execute("CREATE TABLE t (id int)")\n{stop_at("x")}')
    stopping.apply("x")
    assert stopping.noted() == []
    stopping.apply()
    assert stopping.rows("SELECT * FROM t") == []


def test_a_commit_by_the_connection(stopping: Stopping) -> None:
    """`connection.commit()` of the driver, and an open transaction after it that is rolled back."""
    stopping.revision(
        "a1",
        'op.execute("CREATE TABLE t (id int)")\nop.get_bind().connection.commit()\n'
        f'op.execute("INSERT INTO t VALUES (1)")\n{stop_at("x")}',
    )
    stopping.apply("x")
    assert stopping.noted() == [("done", "CREATE TABLE", -1)]
    stopping.apply()
    assert stopping.rows("SELECT * FROM t") == [(1,)]
    assert stopping.noted() == []


def test_a_raw_commit(stopping: Stopping) -> None:
    """COMMIT as text, then statements that stand in no transaction, psycopg2 not knowing of it."""
    stopping.revision(
        "a1",
        'op.execute("CREATE TABLE t (id int)")\nop.execute("COMMIT")\n'
        'op.execute("CREATE INDEX CONCURRENTLY i ON t (id)")\nop.execute("INSERT INTO t VALUES (1)")\n'
        f'{stop_at("x")}\nop.execute("INSERT INTO t VALUES (2)")',
    )
    stopping.apply("x")
    assert stopping.rows("SELECT * FROM t") == [(1,)]
    stopping.apply()
    assert stopping.rows("SELECT * FROM t") == [(1,), (2,)]
    assert stopping.rows("SELECT version_num FROM alembic_version") == [("a1",)]


def test_savepoints(stopping: Stopping) -> None:
    """What was rolled back to a savepoint before the commit is not taken for committed."""
    stopping.revision(
        "a1",
        'bind = op.get_bind()\nop.execute("CREATE TABLE t (n int)")\nnested = bind.begin_nested()\n'
        'op.execute("INSERT INTO t VALUES (1)")\nnested.rollback()\n'
        'with bind.begin_nested():\n    op.execute("INSERT INTO t VALUES (2)")\n'
        f'bind.connection.commit()\n{stop_at("x")}\nop.execute("INSERT INTO t VALUES (1)")',
    )
    stopping.apply("x")
    assert [tag for _, tag, _ in stopping.noted()] == ["CREATE TABLE", "INSERT"]
    stopping.apply()
    assert stopping.rows("SELECT n FROM t ORDER BY n") == [(1,), (2,)]


def test_a_connection_of_its_own(stopping: Stopping) -> None:
    """What a revision commits on a second connection of the engine is not done twice either."""
    stopping.database.execute("CREATE TABLE t (n int)")
    stopping.revision(
        "a1",
        'op.execute("CREATE TABLE u (n int)")\nwith op.get_bind().engine.begin() as second:\n'
        f'    second.execute(sa.text("INSERT INTO t VALUES (1)"))\n{stop_at("x")}',
    )
    stopping.apply("x")
    stopping.apply()
    assert stopping.rows("SELECT n FROM t") == [(1,)]
    assert stopping.rows("SELECT n FROM u") == []


def test_a_rollback_that_is_half_done(stopping: Stopping) -> None:
    """A downgrade is gone on with in the same way."""
    down = (
        in_autocommit(f'op.execute("UPDATE t SET n = n + 1")\n{stop_at("x")}') + 'op.execute("UPDATE t SET n = n + 10")'
    )
    stopping.revision("a1", 'op.execute("CREATE TABLE t AS SELECT 0 AS n")', down)
    stopping.apply()
    stopping.rollback("x")
    assert stopping.rows("SELECT direction FROM erm.progress") == [("downgrade",)]
    stopping.rollback()
    assert stopping.rows("SELECT n FROM t") == [(11,)]


def test_two_heads(stopping: Stopping) -> None:
    """With two heads half done, each is gone on with."""
    for head in ("a", "b"):
        block = in_autocommit(f'op.execute("CREATE TABLE {head} (n int)")\n{stop_at(head)}')
        stopping.revision(head, block + f'op.execute("INSERT INTO {head} VALUES (1)")')
    stopping.apply("a", to="a")
    stopping.apply("b", to="b", overridden=True)
    assert stopping.rows("SELECT revision FROM erm.progress ORDER BY 1") == [("a",), ("b",)]
    stopping.apply()
    assert stopping.rows("SELECT * FROM a UNION ALL SELECT * FROM b") == [(1,), (1,)]
    assert stopping.noted() == []


def test_what_plain_alembic_ended_is_forgotten(stopping: Stopping) -> None:
    """Progress of a revision that the version table records since does not hold up a later apply of it."""
    stopping.revision(
        "a1", in_autocommit(f'op.execute("CREATE TABLE t (n int)")\n{stop_at("x")}'), 'op.drop_table("t")'
    )
    stopping.apply("x")
    stopping.database.execute("INSERT INTO alembic_version VALUES ('a1')")
    stopping.rollback()
    stopping.apply()
    assert stopping.rows("SELECT * FROM t") == []


def test_what_env_py_set_in_a_transaction_survives_a_rollback(stopping: Stopping) -> None:
    """A search path that env.py sets for its transaction, and its lock, hold when a revision is rolled back."""
    stopping.database.execute("CREATE SCHEMA tenant")
    stopping.project.env_py(
        ENV_PY.replace(
            "    with context.begin",
            "    context.get_bind().execute(text('SET LOCAL search_path = tenant'))\n"
            "    context.get_bind().execute(text('SELECT pg_advisory_xact_lock(4711)'))\n    with context.begin",
        )
    )
    stopping.revision(
        "a1",
        "op.get_bind().connection.dbapi_connection.rollback()\n"
        'op.execute("CREATE TABLE t AS SELECT count(*) AS n FROM pg_locks WHERE objid = 4711 AND objsubid = 1")',
    )
    stopping.apply()
    assert stopping.rows("SELECT n FROM tenant.t") == [(1,)]


def test_a_driver_in_autocommit_mode(stopping: Stopping) -> None:
    """A revision that leaves the driver's autocommit on is recorded in one transaction all the same."""
    stopping.revision(
        "a1",
        "raw = op.get_bind().connection.dbapi_connection\nraw.commit()\nraw.autocommit = True\n"
        f'op.execute("CREATE TABLE t (n int)")\n{stop_at("x")}\nop.execute("INSERT INTO t VALUES (1)")',
    )
    stopping.apply("x")
    stopping.apply()
    assert stopping.rows("SELECT n FROM t") == [(1,)]
    assert stopping.rows("SELECT version_num, outcome FROM alembic_version, erm.revision WHERE outcome = 'done'") == [
        ("a1", "done")
    ]


def test_the_file_is_kept_once_an_attempt(stopping: Stopping) -> None:
    """The text of the file is kept with the first statement that is noted, whatever was only read before."""
    stopping.revision(
        "a1",
        in_autocommit(
            'op.execute("SELECT 1")\nop.execute("CREATE TABLE t (n int)")\nop.execute("INSERT INTO t VALUES (1)")\n'
            + stop_at("x")
        ),
    )
    stopping.apply("x")
    text = stopping.project.versions.joinpath("a1.py").read_text()
    assert stopping.rows("SELECT tag, source FROM erm.progress ORDER BY place") == [
        ("CREATE TABLE", text),
        ("INSERT", None),
    ]
