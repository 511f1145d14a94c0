"""A revision that fails while it runs: rolled back alone, told with its line, and run again once it is mended."""

from __future__ import annotations

import re

from tests.faults.deploying import SLEEPS, Project, advisory_locks, sleeping, tables, until
from tests.support.databases import Database

THREE = """
op.execute("CREATE TABLE one (id int)")
op.execute("CREATE TABLE two (id int)")
op.execute("{third}")
"""
DROPS = 'op.drop_table("one")\nop.drop_table("two")'


def test_the_third_statement_fails(project: Project, one_database: Database) -> None:
    """The failing revision is rolled back whole, earlier ones stay, later ones are not run, and mending it helps."""
    project.table("a1", "first")
    project.revision("b2", THREE.format(third="INSERT INTO one VALUES (1), (1 / 0)"), DROPS, down="a1")
    project.table("c3", "last", down="b2")
    done = project.apply()
    assert done.returncode == 1
    assert done.stdout.split("Failed after ")[1].split("\n", 1)[1].splitlines()[1:] == [
        line
        for line in done.stdout.splitlines()
        if line.startswith("  FAILED   b2") or "migrations/versions/b2.py:14: division by zero" in line
    ] + ["  not run  c3  make c3", "effect: Revision b2 was undone: nothing of it stays.", "The database is now at a1."]
    assert tables(one_database) == {"first", "alembic_version"}
    (run,) = project.runs()
    error = "migrations/versions/b2.py:14: division by zero (SQLSTATE 22012)"
    assert (run["outcome"], run["error"]) == ("failed", error)
    assert [(each["revision"], each["outcome"], each["statements"], each["error"]) for each in run["revisions"]] == [
        ("a1", "done", 1, None),
        ("b2", "failed", 3, error),
    ]
    project.revision("b2", THREE.format(third="INSERT INTO one VALUES (1)"), DROPS, down="a1")
    again = project.apply()
    assert again.returncode == 0
    assert tables(one_database) == {"first", "one", "two", "last", "alembic_version"}
    assert [each["revision"] for each in project.runs()[1]["revisions"]] == ["b2", "c3"]


def test_values_are_not_told(project: Project, one_database: Database) -> None:
    """The value of a parameter, which may be personal, is neither in the message nor in the ledger."""
    project.revision(
        "a1",
        'op.create_table("t", sa.Column("n", sa.Integer))\n'
        'op.get_bind().execute(sa.text("INSERT INTO t SELECT CAST(:x AS text)::int"), {"x": "ann@example.org"})',
    )
    done = project.apply()
    assert done.returncode == 1
    assert 'invalid input syntax for type integer: "?" (SQLSTATE 22P02)' in done.stdout
    kept = one_database.execute("SELECT coalesce(string_agg(error, ' '), '') FROM erm.revision")[0][0]
    assert "ann@example.org" not in done.stdout + done.stderr + kept


def test_a_traceback_without_values(project: Project, one_database: Database) -> None:
    """With -v a failing revision shows where the error came from, and neither a parameter nor the code that has it."""
    project.revision(
        "a1",
        'op.create_table("t", sa.Column("n", sa.Integer))\n'
        'op.get_bind().execute(sa.text("INSERT INTO t SELECT CAST(:x AS text)::int"), {"x": "ann@example.org"})',
    )
    done = project.apply("-v")
    assert done.returncode == 1
    assert "Traceback (most recent call last):" in done.stderr
    assert 'versions/a1.py", line 13, in upgrade\n' in done.stderr
    assert "\nsqlalchemy.exc.DataError (SQLSTATE 22P02)\n" in done.stderr
    assert "ann@example.org" not in done.stdout.split("Failed after")[1] + done.stderr
    assert "Traceback" not in project.apply().stderr


def test_a_failure_at_the_commit(project: Project, one_database: Database) -> None:
    """A deferred constraint that fails at the commit takes the revision and its row in the ledger with it."""
    project.revision(
        "a1",
        'op.execute("CREATE TABLE p (id int PRIMARY KEY)")\n'
        'op.execute("CREATE TABLE c (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED)")\n'
        'op.execute("INSERT INTO c VALUES (7)")',
    )
    done = project.apply()
    assert done.returncode == 1
    assert "migrations/versions/a1.py:14: insert or update on table" in done.stdout
    assert tables(one_database) & {"p", "c"} == set()
    assert [(each["revision"], each["outcome"]) for each in project.runs()[0]["revisions"]] == [("a1", "failed")]


def test_an_env_py_that_swallows_the_failure(project: Project, one_database: Database) -> None:
    """An env.py that catches the failure does not turn it into success."""
    project.table("a1", "first")
    project.revision("b2", 'op.execute("CREATE TABLE t (id int)")\nraise ValueError("odd")', down="a1")
    project.env_py(
        "from alembic import context\n"
        "context.configure(dialect_name='postgresql')\n"
        "try:\n"
        "    with context.begin_transaction():\n"
        "        context.run_migrations()\n"
        "except Exception:\n"
        "    pass\n"
    )
    done = project.apply()
    assert done.returncode == 1
    assert "migrations/versions/b2.py:13: ValueError: odd" in done.stdout
    assert tables(one_database) == {"first", "alembic_version"}
    assert project.runs()[0]["outcome"] == "failed"


def test_a_revision_that_exits(project: Project, one_database: Database) -> None:
    """A revision that calls sys.exit() after it wrote has failed, and is rolled back."""
    project.table("a1", "first")
    project.revision("b2", 'op.execute("CREATE TABLE t (id int)")\nimport sys\nsys.exit(0)', down="a1")
    done = project.apply()
    assert done.returncode == 1
    assert "migrations/versions/b2.py:14: RuntimeError: the revision calls sys.exit(0)" in done.stdout
    assert tables(one_database) == {"first", "alembic_version"}


def test_the_server_ends_the_session(project: Project, one_database: Database) -> None:
    """An administrator who ends the migration's session fails that revision; the ledger says so, and a rerun works."""
    project.table("a1", "first")
    path = project.revision("b2", f'op.execute("CREATE TABLE t (id int)")\n{SLEEPS}', 'op.drop_table("t")', down="a1")
    with project.deploying() as deployer:
        until(lambda: sleeping(one_database))
        one_database.execute("SELECT pg_terminate_backend(%s)", sleeping(one_database)[0][0])
        code, out, _ = deployer.ended()
    assert code == 1
    # libpq passes on whichever it read first: the server's last words, or the end of the connection.
    assert re.search(r"b2\.py:13: (terminating connection|OperationalError: server closed the connection)", out)
    assert "The database is now at a1." in out
    assert advisory_locks(one_database) == 0
    assert tables(one_database) == {"first", "alembic_version"}
    assert project.runs()[0]["outcome"] == "failed"
    path.write_text(path.read_text().replace("pg_sleep(600)", "pg_sleep(0)"))
    assert project.apply().returncode == 0
    assert tables(one_database) == {"first", "t", "alembic_version"}


def test_kill_nine_blocks_nobody(project: Project, one_database: Database) -> None:
    """After kill -9 the lock lives as long as the orphaned statement; then the next run does the whole revision."""
    project.table("a1", "first")
    path = project.revision("b2", f'op.execute("CREATE TABLE t (id int)")\n{SLEEPS}', 'op.drop_table("t")', down="a1")
    with project.deploying() as deployer:
        until(lambda: sleeping(one_database))
        deployer.kill()
    assert sleeping(one_database)
    assert advisory_locks(one_database) == 1
    path.write_text(path.read_text().replace("pg_sleep(600)", "pg_sleep(0)"))
    with project.deploying("--wait", "1m") as following:
        assert following.process.stderr is not None
        assert following.process.stderr.readline().startswith("Waiting for the deploy lock, held by pid ")
        one_database.execute("SELECT pg_terminate_backend(%s)", sleeping(one_database)[0][0])
        assert following.ended()[0] == 0
    assert tables(one_database) == {"first", "t", "alembic_version"}
    assert [(run["outcome"], len(run["revisions"])) for run in project.runs()] == [("died", 1), ("done", 1)]
