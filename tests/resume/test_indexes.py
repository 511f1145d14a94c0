"""Concurrent index builds that were cut off: their INVALID leftovers are removed and they are built again."""

from __future__ import annotations

import contextlib
import signal
import threading

import pytest

from erm_alembic import migrate
from tests.faults.deploying import Project, until
from tests.resume.killing import kill_at
from tests.resume.stopping import Stopping, in_autocommit, stop_at
from tests.support.databases import Database

HOSTILE = 'odd "name" 100%s ünï ' + "x" * 40
TABLE = 'op.execute("CREATE TABLE t (id int, other int)")\n'
AUTOCOMMIT = "with op.get_context().autocommit_block():\n    op.execute({sql!r})\n"
INDEXES = """
    SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid = {table!r}::regclass ORDER BY 1
"""


def indexes(database: Database, table: str = "t") -> list[tuple[str, bool]]:
    """The indexes of a table, each with whether it is valid."""
    return database.execute(INDEXES.format(table=table))


def building(database: Database) -> bool:
    """Whether a concurrent build (or drop) waits for another session's transaction."""
    return bool(
        database.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query ~* 'concurrently'"
            " AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"
        )
    )


def killed_in_the_middle(project: Project, database: Database) -> None:
    """Apply while another transaction holds a concurrent statement up, and kill both sides of the deployment."""
    with contextlib.closing(database.connect()) as other, project.deploying() as deployer:
        other.autocommit = False
        other.cursor().execute("LOCK TABLE t IN ROW EXCLUSIVE MODE")
        until(lambda: building(database))
        deployer.kill()
        # The orphan in the server holds the deploy lock for as long as it works: end it as well.
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND query ~* 'CONCURRENTLY' AND pid <> pg_backend_pid()"
        )
        until(lambda: not building(database))


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (id)", "i"),
        ("CREATE INDEX CONCURRENTLY ON t (id)", "t_id_idx"),
        ("create unique index concurrently if not exists i on public.t using btree (id)", "i"),
    ],
)
def test_killed_within_a_build(sql: str, name: str, project: Project, one_database: Database) -> None:
    """A build that was killed in the middle leaves an INVALID index: the next apply removes and builds it."""
    project.revision("a1", TABLE)
    assert project.apply().returncode == 0
    project.revision("b2", AUTOCOMMIT.format(sql=sql), down="a1")
    killed_in_the_middle(project, one_database)
    assert indexes(one_database) == [(name, False)]
    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Index public.{name} on t is INVALID" in done.stderr
    assert indexes(one_database) == [(name, True)]
    assert one_database.execute("SELECT count(*) FROM erm.progress") == [(0,)]


def test_a_revision_that_looks_for_its_index_does_not_find_the_broken_one(
    project: Project, one_database: Database
) -> None:
    """What a killed build left is gone before the revision looks whether its index is there."""
    project.revision("a1", TABLE)
    assert project.apply().returncode == 0
    looks = 'if not sa.inspect(op.get_bind()).get_indexes("t"):\n    '
    build = AUTOCOMMIT.format(sql="CREATE INDEX CONCURRENTLY i ON t (id)").replace("\n", "\n    ")
    project.revision("b2", looks + build, down="a1")
    killed_in_the_middle(project, one_database)
    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert indexes(one_database) == [("i", True)]


def test_killed_after_a_build_before_its_note(project: Project, one_database: Database) -> None:
    """A build that ended although nobody noted it is not done a second time."""
    project.revision("a1", TABLE)
    assert project.apply().returncode == 0
    project.revision("b2", AUTOCOMMIT.format(sql="CREATE INDEX CONCURRENTLY ON t (id)") + kill_at("built"), down="a1")
    assert project.erm("migrate", KILL_AT="built").returncode == -signal.SIGKILL
    one_database.execute("UPDATE erm.progress SET state = 'started', tag = 'CREATE INDEX', indexes_before = '{}'")
    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert indexes(one_database) == [("t_id_idx", True)]


def test_a_unique_build_that_fails(project: Project, one_database: Database) -> None:
    """A unique build over duplicates fails; once the rows are mended, the next apply removes its leftover."""
    project.revision("a1", TABLE + 'op.execute("INSERT INTO t VALUES (1, 1), (1, 2)")')
    build = AUTOCOMMIT.format(
        sql=f'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "{HOSTILE.replace(chr(34), chr(34) * 2)}" ON t (id)'
    )
    project.revision("b2", build, down="a1")
    failed = project.apply()
    assert (failed.returncode, "could not create unique index" in failed.stdout) == (1, True), failed.stderr
    name = one_database.execute("SELECT %s::name::text", HOSTILE)[0][0]
    assert indexes(one_database) == [(name, False)]
    one_database.execute("UPDATE t SET id = other")
    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert indexes(one_database) == [(name, True)]


def test_if_not_exists_over_a_leftover_of_plain_alembic(project: Project, one_database: Database) -> None:
    """An INVALID index of that name, which IF NOT EXISTS would take for the real one, is removed and built."""
    one_database.execute('CREATE SCHEMA "S x"')
    one_database.execute('CREATE TABLE "S x"."T.t" (id int)')
    one_database.execute('INSERT INTO "S x"."T.t" VALUES (1), (1)')
    with pytest.raises(Exception, match="could not create unique index"):
        one_database.execute('CREATE UNIQUE INDEX CONCURRENTLY "I%s" ON "S x"."T.t" (id)')
    one_database.execute('DELETE FROM "S x"."T.t"')
    sql = 'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "I%s" ON "T.t" (id)'
    project.revision(
        "a1",
        "op.execute('SET search_path = \"S x\"')\n"
        + AUTOCOMMIT.format(sql=sql)
        + "op.execute('SET search_path = public')",
    )
    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'Index S x.I%s on "T.t" is INVALID' in done.stderr
    assert indexes(one_database, '"S x"."T.t"') == [("I%s", True)]


def test_a_leftover_of_reindex(project: Project, one_database: Database) -> None:
    """REINDEX CONCURRENTLY that was cut off leaves `_ccnew`: the next apply removes it and does it again."""
    project.revision("a1", TABLE + 'op.execute("CREATE INDEX i ON t (id)")')
    assert project.apply().returncode == 0
    project.revision("b2", AUTOCOMMIT.format(sql="REINDEX TABLE CONCURRENTLY t"), down="a1")
    killed_in_the_middle(project, one_database)
    assert ("i_ccnew", False) in indexes(one_database)
    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert indexes(one_database) == [("i", True)]


def test_killed_within_a_drop(project: Project, one_database: Database) -> None:
    """DROP INDEX CONCURRENTLY that was killed is sent again; where it was done after all, that is well too."""
    project.revision("a1", TABLE + 'op.execute("CREATE INDEX i ON t (id)")')
    assert project.apply().returncode == 0
    project.revision("b2", AUTOCOMMIT.format(sql="DROP INDEX CONCURRENTLY i") + kill_at("dropped"), down="a1")
    killed_in_the_middle(project, one_database)
    assert project.erm("migrate", KILL_AT="dropped").returncode == -signal.SIGKILL
    one_database.execute("UPDATE erm.progress SET state = 'started', tag = 'DROP INDEX'")
    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    assert indexes(one_database) == []


@pytest.mark.parametrize(("name", "built"), [("i", "i"), ("", "t_id_idx")])
def test_what_others_did_meanwhile_is_not_taken_for_the_index(name: str, built: str, stopping: Stopping) -> None:
    """An index that a DBA has added to the table since, and another tenant's INVALID one, are neither ours nor removed.

    The table is the one that the session meant when the build began, whatever others are called like it.
    """
    two = "CREATE SCHEMA {0}; CREATE TABLE {0}.t (id int, other int); INSERT INTO {0}.t VALUES (1, 1), (1, 2)"
    for tenant in ("a", "b"):
        stopping.database.execute(two.format(tenant))
    build = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {{}}t (id)"
    stopping.revision(
        "a1",
        "op.execute('SET search_path = a')\n"
        + in_autocommit(f"op.execute({build.format('')!r})")
        + "op.execute('SET search_path = public')",
    )
    with stopping.monkeypatch.context() as patch:
        patch.chdir(stopping.project.root)
        patch.setenv("ERM_DATABASE_URL", stopping.database.url)
        assert "could not create unique index" in (migrate.apply().outcome.error or "")
    stopping.database.execute("UPDATE a.t SET id = other; CREATE INDEX by_hand ON a.t (other)")
    with pytest.raises(Exception, match="could not create unique index"):
        stopping.database.execute(build.format("b."))
    stopping.apply()
    assert indexes(stopping.database, "a.t") == sorted([("by_hand", True), (built, True)])
    assert indexes(stopping.database, "b.t") == [(built, False)]


def test_what_a_rebuild_of_another_tenant_left_is_not_removed(stopping: Stopping) -> None:
    """After REINDEX CONCURRENTLY was cut off, `_ccnew` is removed from its own table, not from one of that name."""
    for tenant in ("a", "b"):
        stopping.database.execute(f"CREATE SCHEMA {tenant}; CREATE TABLE {tenant}.t (id int)")
    stopping.revision("a1", in_autocommit(f'op.execute("REINDEX TABLE CONCURRENTLY a.t")\n{stop_at("x")}'))
    stopping.apply("x")
    for tenant in ("a", "b"):
        stopping.database.execute(
            f"CREATE INDEX t_ccnew ON {tenant}.t (id);"
            f" UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{tenant}.t_ccnew'::regclass"
        )
    stopping.database.execute("UPDATE erm.progress SET state = 'started', tag = 'REINDEX'")
    stopping.apply()
    assert (indexes(stopping.database, "a.t"), indexes(stopping.database, "b.t")) == ([], [("t_ccnew", False)])


def test_an_index_that_backs_a_constraint_is_not_removed(stopping: Stopping) -> None:
    """An INVALID index that a constraint needs cannot be dropped, and stops nobody."""
    stopping.database.execute(
        "CREATE TABLE t (id int, CONSTRAINT i UNIQUE (id));"
        " UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass"
    )
    stopping.revision("a1", in_autocommit('op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id)")'))
    stopping.apply()
    assert indexes(stopping.database) == [("i", False)]


def test_an_index_that_another_session_builds_is_left_alone(project: Project, one_database: Database) -> None:
    """An INVALID index that somebody is building right now is not removed: the run stops, and names the process."""
    one_database.execute("CREATE TABLE t (id int)")
    sql = "CREATE INDEX CONCURRENTLY i ON t (id)"
    project.revision("a1", AUTOCOMMIT.format(sql=sql))
    with contextlib.closing(one_database.connect()) as holder, contextlib.closing(one_database.connect()) as builder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE t IN ROW EXCLUSIVE MODE")
        build = threading.Thread(target=lambda: builder.cursor().execute(sql))
        build.start()
        until(lambda: building(one_database) and indexes(one_database))
        done = project.apply()
        holder.rollback()
        build.join()
        pid = builder.info.backend_pid
    assert (done.returncode, f"is being built by another session, pid {pid}" in done.stderr) == (
        1,
        True,
    ), done.stderr
    assert indexes(one_database) == [("i", True)]
