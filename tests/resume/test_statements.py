"""Each way in which a revision commits before its end: what is committed is not done twice, the rest is done."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize(
    "ends",
    ["raw.reset()", "raw.tpc_rollback()", "raw.set_isolation_level(2)", 'raw.set_client_encoding("LATIN1")'],
)
def test_what_the_driver_rolls_back_in_another_way(ends: str, stopping: Stopping) -> None:
    """What was rolled back by any method of the driver is not noted with the next commit; what was kept is."""
    stopping.database.execute("CREATE TABLE t (n int)")
    begins = 'raw.tpc_begin(raw.xid(1, "a", "b"))\n' if "tpc" in ends else ""
    stopping.revision(
        "a1",
        f"raw = op.get_bind().connection.dbapi_connection\nraw.commit()\n{begins}"
        f'op.execute("INSERT INTO t VALUES (1)")\n{ends}\nraw.set_client_encoding(raw.encoding)\n'
        'op.execute("INSERT INTO t VALUES (2)")\nraw.set_client_encoding(raw.encoding)\nraw.commit()\n' + stop_at("x"),
    )
    stopping.apply("x")
    assert stopping.noted() == [("done", "INSERT", 1)]


def test_a_two_phase_commit(stopping: Stopping) -> None:
    """What the driver commits as a two-phase transaction is not done twice."""
    stopping.database.execute("CREATE TABLE t (n int)")
    stopping.revision(
        "a1",
        'raw = op.get_bind().connection.dbapi_connection\nraw.commit()\nraw.tpc_begin(raw.xid(1, "a", "b"))\n'
        f'op.execute("INSERT INTO t VALUES (1)")\nraw.tpc_commit()\n{stop_at("x")}',
    )
    stopping.apply("x")
    stopping.apply()
    assert stopping.rows("SELECT n FROM t") == [(1,)]


def test_reads_that_are_made_again_leave_no_savepoints(stopping: Stopping) -> None:
    """A loop of reads that a resume makes again does not pile up savepoints in the server."""
    stopping.revision(
        "a1",
        "bind = op.get_bind()\nfor _ in range(3):\n    bind.execute(sa.text('SELECT 1')).all()\n"
        "cursor = bind.connection.dbapi_connection.cursor(cursor_factory=__import__('psycopg2').extensions.cursor)\n"
        "cursor.execute('SAVEPOINT mine')\n"
        "try:\n    cursor.execute('RELEASE SAVEPOINT erm_again')\n    left = True\n"
        "except Exception:\n    cursor.execute('ROLLBACK TO SAVEPOINT mine')\n    left = False\n"
        "assert not left\nop.execute('CREATE TABLE u ()')\nbind.connection.commit()\n" + stop_at("x"),
    )
    stopping.apply("x")
    stopping.apply()


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
