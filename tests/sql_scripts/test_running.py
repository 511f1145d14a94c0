"""A revision in SQL is planned, applied, taken back and run by plain Alembic; what fails says file, line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from erm_alembic import status
from erm_alembic.errors import ProjectError
from tests.faults.deploying import tables
from tests.sql_scripts.building import SqlProject
from tests.sql_scripts.plain import plain_alembic
from tests.support.databases import Database

UP = """\
-- tables, and what is hard to send
CREATE TABLE a (id int PRIMARY KEY, share text DEFAULT '100%');

INSERT INTO a (id, share) VALUES (1, '%s %% %(x)s :y ; $$');
CREATE FUNCTION f() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT count(*) FROM a WHERE id % 2 = 1);
END $$;
"""
DOWN = "DROP FUNCTION f();\nDROP TABLE a;\n"
INDEXES = "-- erm: no-transaction\nCREATE INDEX CONCURRENTLY i ON a (id);\nCREATE INDEX CONCURRENTLY j ON a (share);\n"
NO_INDEXES = "-- erm: no-transaction\nDROP INDEX CONCURRENTLY i;\nDROP INDEX CONCURRENTLY j;\n"


def _values(database: Database) -> list[tuple[object, ...]]:
    return database.execute("SELECT id, share, f() FROM a")


def test_a_pair_is_planned_applied_and_taken_back(project: SqlProject, one_database: Database) -> None:
    """Each statement stands in the plan with its script and line, and is sent as it is written."""
    project.pair("first tables", UP, DOWN)
    project.pair("indexes", INDEXES, NO_INDEXES)
    assert [name for name in project.written() if name.startswith("versions/002")] == [
        "versions/002_indexes.py",
        "versions/002_indexes.sql",
        "versions/002_indexes_down.sql",
    ]
    first, second = project.plan().steps
    assert [(each.line, each.path) for each in first.statements] == [
        (2, "migrations/versions/001_first_tables.sql"),
        (4, "migrations/versions/001_first_tables.sql"),
        (5, "migrations/versions/001_first_tables.sql"),
    ]
    assert first.statements[1].sql == "INSERT INTO a (id, share) VALUES (1, '%s %% %(x)s :y ; $$')"
    assert (first.transactional, first.downgrade, first.rendered) == (True, "ok", "full")
    assert [(each.line, each.autocommit) for each in second.statements] == [(2, True), (3, True)]
    assert project.applied().result == "done"
    assert _values(one_database) == [(1, "%s %% %(x)s :y ; $$", 1)]
    assert project.rolled_back().result == "done"
    assert tables(one_database) == {"alembic_version"}


def test_plain_alembic_runs_the_same_revisions(project: SqlProject, one_database: Database, packages: Path) -> None:
    """Up, down and as a script, in a process that cannot import erm."""
    project.pair("first tables", UP, DOWN)
    project.pair("indexes", INDEXES, NO_INDEXES)
    done = plain_alembic(packages, project.root, "upgrade", "head")
    assert done.returncode == 0, done.stderr
    assert _values(one_database) == [(1, "%s %% %(x)s :y ; $$", 1)]
    assert one_database.execute("SELECT version_num FROM alembic_version") == [("002",)]
    assert project.plan().up_to_date
    done = plain_alembic(packages, project.root, "downgrade", "base")
    assert done.returncode == 0, done.stderr
    assert tables(one_database) == {"alembic_version"}


def test_plain_alembic_prints_the_scripts_as_they_are(project: SqlProject, packages: Path) -> None:
    """`alembic upgrade head --sql` has each statement, percent signs too, and ends the transaction for an index."""
    project.env_py(
        "from alembic import context\n"
        "context.configure(url=context.config.get_main_option('sqlalchemy.url'))\n"
        "with context.begin_transaction():\n"
        "    context.run_migrations()\n"
    )
    project.pair("first tables", UP, DOWN)
    project.pair("indexes", INDEXES, NO_INDEXES)
    done = plain_alembic(packages, project.root, "upgrade", "head", "--sql")
    assert done.returncode == 0, done.stderr
    assert "INSERT INTO a (id, share) VALUES (1, '%s %% %(x)s :y ; $$');" in done.stdout
    assert "COMMIT;\n\nCREATE INDEX CONCURRENTLY i ON a (id);" in done.stdout


BROKEN = [
    ("INSERT INTO a VALUES (7);\nALTER TABLE a\n  ADD COLUMN b int,\n  ADD COLUMN c nosuch;\n", "4:16", "nosuch"),
    ("INSERT INTO a VALUES (7);  SELEC 2;\n", "1:28", "syntax error"),
    ("INSERT INTO a\n\tVALUES (1), (1);\n", "1:1", "duplicate key"),
    ("INSERT INTO a VALUES (length('ä東')), (nosuch);", "1:39", 'column "nosuch" does not exist'),
]


def test_a_failing_statement_is_told_by_file_line_and_column(project: SqlProject, packages: Path) -> None:
    """By apply, and by plain Alembic; where the server has no position, the statement's beginning."""
    project.pair("first", "CREATE TABLE a (id int PRIMARY KEY);", "DROP TABLE a;")
    assert project.applied().result == "done"
    up = project.pair("broken", "SELECT 1;", "DELETE FROM a;")
    for script, place, said in BROKEN:
        up.write_text(script, encoding="utf-8")
        expected = f"migrations/versions/002_broken.sql:{place}"
        error = project.applied().error
        assert error is not None
        assert error.startswith(f"{expected}: ") and said in error
    plain = plain_alembic(packages, project.root, "upgrade", "head")
    assert plain.returncode == 1
    assert f"at {expected}" in plain.stderr


def test_a_failing_statement_is_told_where_a_user_looks(project: SqlProject) -> None:
    """The command shows the place, and so does the ledger."""
    project.pair("broken", "SELECT 1;\nCREATE TABLE a (id nosuch);", "DROP TABLE a;")
    done = project.apply()
    assert done.returncode == 1
    said = 'migrations/versions/001_broken.sql:2:20: type "nosuch" does not exist'
    assert said in done.stdout and said in project.runs()[0]["error"]


def test_what_is_no_sql_is_refused_before_anything_runs(project: SqlProject, one_database: Database) -> None:
    """COPY rows and commands of psql: where they stand, and what to do."""
    project.pair("rows", "CREATE TABLE a (id int);\nCOPY a FROM stdin;\n1\n\\.\n", "DROP TABLE a;")
    with pytest.raises(ProjectError, match=r"^migrations/versions/001_rows\.sql:2:1: COPY \.\.\. FROM STDIN"):
        project.applied()
    assert tables(one_database) <= {"alembic_version"}


def test_a_script_that_is_gone_is_named(project: SqlProject) -> None:
    """The revision file without its script cannot run, and says which one is missing."""
    project.pair("first", "CREATE TABLE a (id int);", "DROP TABLE a;").unlink()
    with pytest.raises(ProjectError, match=r"migrations/versions/001_first\.sql:1:1: this script cannot be read"):
        project.applied()


def test_a_transaction_of_its_own_around_a_script_is_the_revisions(project: SqlProject, one_database: Database) -> None:
    """BEGIN and COMMIT around the whole are left out: what fails after them leaves nothing behind."""
    project.pair("first", "BEGIN;\nCREATE TABLE a (id int);\nCREATE TABLE a (id int);\nCOMMIT;\n", "DROP TABLE a;")
    (step,) = project.plan().steps
    assert step.transactional and len(step.statements) == 2
    assert project.applied().result == "failed"
    assert "a" not in tables(one_database)


def test_a_script_without_transaction_goes_on_where_it_failed(project: SqlProject, one_database: Database) -> None:
    """The statements before the failing one are done, and the next apply passes over them."""
    project.pair("first", "CREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (1);\n", "DROP TABLE a;")
    script = (
        "-- erm: no-transaction\n"
        "CREATE INDEX CONCURRENTLY i ON a (id);\n"
        "CREATE UNIQUE INDEX CONCURRENTLY j ON a (id);\n"
    )
    project.pair("indexes", script, NO_INDEXES)
    failed = project.applied()
    assert failed.result == "failed"
    assert "migrations/versions/002_indexes.sql:3:1: could not create unique index" in str(failed.error)
    one_database.execute("DELETE FROM a WHERE ctid = (SELECT min(ctid) FROM a)")
    assert project.applied().result == "done"
    assert one_database.execute("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid") == [(2,)]


def test_another_template_that_is_called_sql_is_no_script(project: SqlProject) -> None:
    """The line is the revision's own, where code of another file sends the statement."""
    project.revision("aaaa", 'exec(compile("op.execute(\'SELECT 1\')", "/srv/templates/a.sql", "exec"), {"op": op})')
    (step,) = project.plan().steps
    assert [(statement.line, statement.path) for statement in step.statements] == [(12, None)]


def test_what_is_half_done_is_shown_with_the_script_that_its_lines_count_in(
    project: SqlProject, one_database: Database
) -> None:
    """In the status, in the plan and in `erm repair`; not the small file beside it, whose lines are others."""
    up = "-- erm: no-transaction\nCREATE TABLE a (id int);\n\nALTER TABLE nosuch ADD b int;\n"
    script = project.pair("half", up, "DROP TABLE a;\n").relative_to(project.root).as_posix()
    assert project.applied().result == "failed"
    (half,) = status().half_done
    assert (half.path, half.last_line, half.next_line) == (script, 2, 4)
    (finding,) = [each for each in project.plan().findings if each.rule == "half-done-revision"]
    assert finding.path == script
    looked = project.erm("repair")
    assert looked.returncode == 0 and script in looked.stdout and ".py" not in looked.stdout, looked.stdout
