"""Statements that cannot run in a transaction, other roles, locks that are not had: each effect is there once."""

from __future__ import annotations

import uuid

import pytest

from erm_alembic import migrate
from tests.resume.stopping import Stopping, in_autocommit, stop_at
from tests.support.databases import Database


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
        "line 12 does not find what its own committed part has changed "
        '(ProgrammingError: (psycopg2.errors.UndefinedColumn) column "old" does not exist)',
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
    """DETACH PARTITION CONCURRENTLY that was cut off in the middle is finished, once; another tenant's is not."""
    for schema in ("public", "other"):
        stopping.database.execute(
            f"CREATE SCHEMA IF NOT EXISTS {schema}; CREATE TABLE {schema}.p (n int) PARTITION BY LIST (n);"
            f" CREATE TABLE {schema}.p1 PARTITION OF {schema}.p FOR VALUES IN (1)"
        )
    stopping.database.execute("UPDATE pg_inherits SET inhdetachpending = true WHERE inhparent = 'other.p'::regclass")
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
    assert stopping.rows("SELECT inhdetachpending FROM pg_inherits WHERE inhparent = 'other.p'::regclass") == [(True,)]
