"""Each way in which a revision commits before its end: what is committed is not done twice, the rest is done."""

from __future__ import annotations

import uuid

import pytest

from erm_alembic import migrate
from erm_alembic.errors import Refused
from tests.faults.deploying import ENV_PY
from tests.resume.stopping import AUTOCOMMIT, Stopping, stop_at
from tests.support.databases import Database


def indented(text: str) -> str:
    """The body of a block."""
    return "".join(f"    {line}\n" for line in text.strip().splitlines())


def in_autocommit(text: str) -> str:
    """Lines of a revision within an autocommit block."""
    return AUTOCOMMIT + indented(text)


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


FILLED = """
op.execute("CREATE TABLE t (id int, done int DEFAULT 0)")
op.execute("INSERT INTO t SELECT generate_series(1, 10)")
op.execute("CREATE TABLE counted (batches int, touched int)")
batches = touched = 0
"""


def test_a_loop_driven_by_row_counts(stopping: Stopping) -> None:
    """A batch loop that goes on until a statement touches no row sees the counts of the batches done before."""
    batch = "UPDATE t SET done = done + 1 WHERE id IN (SELECT id FROM t WHERE done = 0 ORDER BY id LIMIT 3)"
    loop = f"""
while count := op.get_bind().execute(sa.text("{batch}")).rowcount:
    batches, touched = batches + 1, touched + count
    if batches == 2:
        {stop_at("x")}
"""
    counted = 'op.execute(sa.text("INSERT INTO counted VALUES (:b, :t)").bindparams(b=batches, t=touched))'
    stopping.revision("a1", FILLED + in_autocommit(loop) + counted)
    stopping.apply("x")
    assert stopping.rows("SELECT count(*) FROM t WHERE done = 1") == [(6,)]
    stopping.apply()
    assert stopping.rows("SELECT done, count(*) FROM t GROUP BY done") == [(1, 10)]
    assert stopping.rows("SELECT * FROM counted") == [(4, 10)]


def test_a_loop_driven_by_what_is_left(stopping: Stopping) -> None:
    """A batch loop that asks what is left goes on with what is left, although its text is always the same."""
    loop = f"""
while batches < 9 and (ids := list(op.get_bind().scalars(sa.text("SELECT id FROM t WHERE done = 0 LIMIT 3")))):
    op.get_bind().execute(sa.text("UPDATE t SET done = done + 1 WHERE id = ANY(:ids)"), dict(ids=ids))
    batches += 1
    if batches == 2:
        {stop_at("x")}
"""
    stopping.revision("a1", FILLED + in_autocommit(loop))
    stopping.apply("x")
    assert stopping.rows("SELECT count(*) FROM t WHERE done = 1") == [(6,)]
    stopping.apply()
    assert stopping.rows("SELECT done, count(*) FROM t GROUP BY done") == [(1, 10)]


def test_values_of_chance(stopping: Stopping) -> None:
    """A statement whose values are another time or random number is the one that was done: nothing is doubled."""
    insert = (
        'op.get_bind().execute(sa.text("INSERT INTO t VALUES (:n, :u)"), dict(n=n, u=str(__import__("uuid").uuid4())))'
    )
    stopping.revision(
        "a1",
        'op.execute("CREATE TABLE t (n int, u text)")\n'
        'op.execute("CREATE TABLE source AS SELECT generate_series(1, 5) AS n")\nop.get_bind().connection.commit()\n'
        'numbers = [row.n for row in op.get_bind().execute(sa.text("SELECT n FROM source ORDER BY n"))]\n'
        + in_autocommit(f"for n in numbers:\n    {insert}\n    if n == 3:\n        {stop_at('x')}"),
    )
    stopping.apply("x")
    stopping.apply()
    assert stopping.rows("SELECT n, count(DISTINCT u) FROM t GROUP BY n ORDER BY n") == [(n, 1) for n in range(1, 6)]


def test_a_revision_that_looks_before_it_leaps(stopping: Stopping) -> None:
    """A revision that leaves out what it finds done goes on with the rest, also a third time."""
    looks = 'if not sa.inspect(op.get_bind()).has_table("{0}"):\n    op.execute("CREATE TABLE {0} AS SELECT 1 AS n")\n'
    stopping.revision(
        "a1",
        in_autocommit(
            looks.format("a") + 'op.execute("UPDATE a SET n = n + 1")\n' + stop_at("x") + "\n"
            + looks.format("b") + 'op.execute("UPDATE a SET n = n + 1")\n' + stop_at("y") + "\n"
            + 'op.execute("UPDATE a SET n = n + 1")\n'
        ),
    )  # fmt: skip
    for stop in ("x", "y", "y", None):
        stopping.apply(stop)
    assert stopping.rows("SELECT * FROM a") == [(4,)]


@pytest.mark.parametrize(
    ("insert", "refused"),
    [
        ('op.get_bind().execute(sa.text("INSERT INTO t DEFAULT VALUES RETURNING id")).scalar()', True),
        ('op.get_bind().connection.cursor().execute("INSERT INTO t DEFAULT VALUES RETURNING id")', False),
        ("op.get_bind().execute(sa.insert(t))", False),
        ("op.get_bind().execute(sa.insert(t).returning(t.c.id)).all()", True),
        (
            "try:\n    op.get_bind().scalar(sa.text(\"SELECT nextval('t_id_seq')\"))\nexcept Exception:\n    pass",
            True,
        ),
    ],
)
def test_rows_of_a_statement_that_is_not_sent_again(insert: str, refused: bool, stopping: Stopping) -> None:
    """Where a revision asks for rows that a committed INSERT answered, it is refused with its line and the way out."""
    stopping.revision(
        "a1",
        't = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))\n'
        'op.execute("CREATE TABLE t (id serial PRIMARY KEY)")\n' + in_autocommit(f"{insert}\n{stop_at('x')}"),
    )
    stopping.apply("x")
    if not refused:
        stopping.apply()
        assert stopping.rows("SELECT count(*) FROM t") == [(1,)]
        return
    with pytest.raises(
        Refused, match=r"a1\.py:\d+: revision a1 is half done and cannot be gone on with: it asks"
    ) as told:
        stopping.apply()
    assert "`erm repair a1`" in told.value.cure
    assert stopping.rows("SELECT version_num FROM alembic_version") == []


def test_a_do_block(stopping: Stopping) -> None:
    """A DO block is done whole or not at all; one that commits by itself is done between two notes."""
    stopping.revision(
        "a1",
        'op.execute("CREATE TABLE t (n int)")\n'
        'op.execute("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (3); COMMIT; END $$")\n'
        + in_autocommit(
            'op.execute("DO $$ BEGIN INSERT INTO t VALUES (1); END $$")\n'
            'op.execute("DO $$ BEGIN INSERT INTO t VALUES (2); COMMIT; END $$")\n'
            f'op.execute("CALL p()")\n{stop_at("x")}'
        ),
    )
    stopping.apply("x")
    assert [tag for _, tag, _ in stopping.noted()] == ["CREATE TABLE", "CREATE PROCEDURE", "DO", "DO", "CALL"]
    stopping.apply()
    assert stopping.rows("SELECT n FROM t ORDER BY n") == [(1,), (2,), (3,)]


def test_a_do_block_that_fails_between_its_commits(stopping: Stopping) -> None:
    """What has committed a part of its work by itself is not sent again: the next apply says so, and what to do."""
    fails = "INSERT INTO t VALUES (1 / (SELECT count(*) FROM t WHERE n > 1))"
    block = f"DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; {fails}; END $$"
    stopping.revision("a1", 'op.execute("CREATE TABLE t (n int)")\n' + in_autocommit(f'op.execute("{block}")'))
    with stopping.monkeypatch.context() as patch:
        patch.chdir(stopping.project.root)
        patch.setenv("ERM_DATABASE_URL", stopping.database.url)
        assert migrate.apply().outcome.result == "failed"
    with pytest.raises(Refused, match=r"a1\.py:\d+: .*`DO \$\$\.\.\.\$\$` was under way outside a transaction"):
        stopping.apply(overridden=True)
    assert stopping.rows("SELECT n FROM t") == [(1,)]


def test_a_new_value_of_an_enum(stopping: Stopping) -> None:
    """ALTER TYPE ... ADD VALUE in an autocommit block, and the value used afterwards."""
    stopping.revision(
        "a1",
        'op.execute("CREATE TYPE mood AS ENUM (\'ok\')")\nop.execute("CREATE TABLE t (m mood)")\n'
        + in_autocommit(f"op.execute(\"ALTER TYPE mood ADD VALUE 'glad'\")\n{stop_at('x')}")
        + "op.execute(\"INSERT INTO t VALUES ('glad')\")",
    )
    stopping.apply("x")
    stopping.apply()
    assert stopping.rows("SELECT m::text FROM t") == [("glad",)]


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


def test_temporary_tables_of_a_session_that_ended(stopping: Stopping) -> None:
    """What a revision put in temporary tables is gone with its session: it is refused, with its line."""
    stopping.revision(
        "a1", 'op.execute("CREATE TEMP TABLE t (n int)")\nop.get_bind().connection.commit()\n' + stop_at("x")
    )
    stopping.apply("x")
    with pytest.raises(Refused, match=r"a1\.py:12: .* it had made temporary tables"):
        stopping.apply(overridden=True)


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


def test_another_role(stopping: Stopping, one_database: Database) -> None:
    """Progress is noted as the login role, whoever the revision acts as, and that goes on."""
    owner = f"owner_{uuid.uuid4().hex[:8]}"
    one_database.execute(f"CREATE ROLE {owner}; GRANT CREATE ON SCHEMA public TO {owner}")
    try:
        stopping.project.config(f"migrations: {{role: {owner}}}\n")
        stopping.revision(
            "a1",
            'op.execute("CREATE TABLE t (n int)")\n'
            + in_autocommit(
                'op.execute("CREATE INDEX CONCURRENTLY i ON t (n)")\nop.execute("CREATE TABLE u (n int)")\n'
                + stop_at("x")
            )
            + 'op.execute("CREATE TABLE v AS SELECT current_user::text AS who")',
        )
        stopping.apply("x")
        stopping.apply()
        assert stopping.rows("SELECT who FROM v") == [(owner,)]
        owned = "SELECT tablename FROM pg_tables WHERE tableowner = '" + owner + "' ORDER BY 1"
        assert stopping.rows(owned) == [("alembic_version",), ("t",), ("u",), ("v",)]
    finally:
        one_database.execute(f"DROP OWNED BY {owner} CASCADE; DROP ROLE {owner}")


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


def test_a_plan_of_a_half_done_revision_that_reads_what_it_has_changed(stopping: Stopping) -> None:
    """A revision that does not find what its own committed part has renamed is planned all the same, as partial."""
    stopping.database.execute("CREATE TABLE t (old int)")
    stopping.revision(
        "a1",
        'op.get_bind().execute(sa.text("SELECT old FROM t")).all()\n'
        'op.alter_column("t", "old", new_column_name="new")\n'
        f"op.get_bind().connection.commit()\n{stop_at('x')}",
    )
    stopping.apply("x")
    with stopping.monkeypatch.context() as patch:
        patch.chdir(stopping.project.root)
        patch.setenv("ERM_DATABASE_URL", stopping.database.url)
        (step,) = migrate.plan().steps
    assert (step.rendered, step.reason) == (
        "partial",
        "line 12 does not find what its own committed part has changed (ProgrammingError)",
    )


def test_a_lock_that_is_not_had_after_a_commit(stopping: Stopping) -> None:
    """A try within the same run that comes after a commit in the middle does not do the committed part twice."""
    stopping.database.execute("CREATE TABLE busy (n int); CREATE TABLE t (n int)")
    stopping.project.config("execution: {lock_timeout: 100ms, retry_delay: 50ms}\n")
    tries = "tries = __import__('os').environ\ntries['TRIES'] = str(int(tries.get('TRIES', '0')) + 1)\n"
    frees = (
        'if "plan" not in op.get_bind().connection.dbapi_connection.info.dsn_parameters["fallback_application_name"]'
        " and tries['TRIES'] == '3':\n"
        "    op.execute(\"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder'\")\n"
        "    op.execute(\"DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_locks WHERE relation = 'busy'::regclass) LOOP"
        ' PERFORM pg_sleep(0.01); END LOOP; END $$")\n'
    )
    stopping.revision(
        "a1",
        tries
        + in_autocommit('op.execute("INSERT INTO t VALUES (1)")')
        + 'op.execute("INSERT INTO t VALUES (2)")\n'
        + frees
        + 'op.execute("ALTER TABLE busy ADD COLUMN m int")',
    )
    holder = stopping.database.connect(application_name="holder")
    holder.autocommit = False
    holder.cursor().execute("LOCK TABLE busy IN ACCESS SHARE MODE")
    stopping.monkeypatch.setenv("TRIES", "0")
    stopping.apply()
    holder.close()
    assert stopping.rows("SELECT n FROM t ORDER BY n") == [(1,), (2,)]
    assert stopping.noted() == []


@pytest.mark.parametrize(
    ("before", "sql", "after"),
    [
        ("", "VACUUM t", "SELECT 1"),
        ("", "CREATE DATABASE {other}", "SELECT 1 FROM pg_database WHERE datname = '{other}'"),
        ("CREATE DATABASE {other}", "DROP DATABASE {other}", "SELECT 1"),
        (
            "CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
            "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
            "SELECT 1 - count(*)::int FROM pg_inherits WHERE inhparent = 'p'::regclass",
        ),
    ],
)  # fmt: skip
def test_what_was_cut_off_and_was_done_after_all(before: str, sql: str, after: str, stopping: Stopping) -> None:
    """A statement that ended although nobody noted it is sent again where that is safe, and taken for done."""
    other = f"other_{uuid.uuid4().hex[:8]}"
    stopping.database.execute("CREATE TABLE t (n int)")
    if before:
        stopping.database.execute(before.format(other=other))
    stopping.revision("a1", in_autocommit(f"op.execute({sql.format(other=other)!r})\n{stop_at('x')}"))
    try:
        stopping.apply("x")
        what = "DETACH" if "DETACH" in sql else " ".join(sql.split()[: 2 if "DATABASE" in sql else 1])
        stopping.database.execute("UPDATE erm.progress SET state = 'started', tag = %s", what)
        stopping.apply()
        assert stopping.rows(after.format(other=other)) == [(1,)]
        assert stopping.noted() == []
    finally:
        stopping.database.execute(f"DROP DATABASE IF EXISTS {other}")


def test_a_partition_that_is_half_detached(stopping: Stopping) -> None:
    """DETACH PARTITION CONCURRENTLY that was cut off in the middle is finished, once."""
    stopping.database.execute(
        "CREATE TABLE p (n int) PARTITION BY LIST (n); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)"
    )
    sql = "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY"
    stopping.revision("a1", in_autocommit(f'op.execute("SET statement_timeout = 500")\nop.execute("{sql}")'))
    holder = stopping.database.connect()
    holder.autocommit = False
    holder.cursor().execute("SELECT count(*) FROM p")
    with stopping.monkeypatch.context() as patch:
        patch.chdir(stopping.project.root)
        patch.setenv("ERM_DATABASE_URL", stopping.database.url)
        assert migrate.apply().outcome.result == "failed"
    holder.close()
    assert stopping.rows("SELECT inhdetachpending FROM pg_inherits WHERE inhparent = 'p'::regclass") == [(True,)]
    stopping.apply()
    assert stopping.rows("SELECT 1 FROM pg_inherits WHERE inhparent = 'p'::regclass") == []
