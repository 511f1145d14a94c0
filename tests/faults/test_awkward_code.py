"""Revisions and env.py that do what nobody expects: each is reported as theirs, and nothing of it is lost."""

from __future__ import annotations

import json

import pytest

from tests.faults.deploying import Project, advisory_locks, tables, told, until
from tests.support.databases import Database

LOCK = 0x65726D
FREED = "with op.get_context().autocommit_block():\n    op.execute({freeing!r})\n"
CLOSES = pytest.mark.parametrize("call", ["close()", "invalidate()"])
BASE_EXCEPTIONS = pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import asyncio\nraise asyncio.CancelledError('{}')", "CancelledError: {}"),
        ("class Base(BaseException):\n    pass\nraise Base('{}')", "Base: {}"),
    ],
)


@pytest.mark.parametrize("freeing", ["DISCARD ALL", "SELECT pg_advisory_unlock_all()"])
def test_a_freed_deploy_lock_is_taken_again(freeing: str, project: Project, one_database: Database) -> None:
    """A revision that frees the deploy lock does not let another deployer in while the following ones run."""
    project.table("a1", "first")
    project.revision("b2", FREED.format(freeing=freeing), down="a1")
    waits = 'op.execute("DO $$ BEGIN PERFORM pg_advisory_xact_lock(42); END $$")'
    project.revision("c3", waits, down="b2")
    with one_database.connect() as holder:
        cursor = holder.cursor()
        cursor.execute("SELECT pg_advisory_lock(42)")
        with project.deploying() as deployer:
            until(lambda: one_database.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
            assert one_database.execute(f"SELECT pg_try_advisory_lock({LOCK}, 1)") == [(False,)]
            cursor.execute("SELECT pg_advisory_unlock(42)")
            code, _, err = deployer.ended()
    assert (code, "b2 freed the deploy lock" in err) == (0, True)
    assert [run["outcome"] for run in project.runs()] == ["done"]


def test_a_freed_deploy_lock_that_another_took_stops_the_run(project: Project, one_database: Database) -> None:
    """When another deployer has the lock meanwhile, the run stops at the revision that freed it, and names it."""
    waits = '    op.execute("DO $$ BEGIN PERFORM pg_advisory_xact_lock(42); END $$")'
    project.table("a1", "first")
    project.revision("b2", FREED.format(freeing="DISCARD ALL") + waits, down="a1")
    project.table("c3", "third", down="b2")
    with one_database.connect() as other:
        cursor = other.cursor()
        cursor.execute("SELECT pg_advisory_lock(42)")
        with project.deploying() as deployer:
            until(lambda: one_database.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
            cursor.execute(f"SELECT pg_try_advisory_lock({LOCK}, 1)")
            assert cursor.fetchone() == (True,)
            cursor.execute("SELECT pg_advisory_unlock(42)")
            code, _, err = deployer.ended()
    other.close()
    assert code == 1
    assert "error:  Revision b2 freed the deploy lock" in err
    assert "another deployer has taken it: pid " in err
    assert "cure:   Take that out of the revision" in err
    assert tables(one_database) == {"first", "alembic_version"}
    (run,) = project.runs()
    assert [(each["revision"], each["outcome"]) for each in run["revisions"]] == [("a1", "done"), ("b2", "failed")]


@BASE_EXCEPTIONS
def test_a_base_exception_fails_the_revision(
    code: str, said: str, project: Project, one_database: Database, secret: str
) -> None:
    """An exception that is no Exception fails the revision like any other: rolled back, in the ledger, secrets hid."""
    assert project.url is not None
    project.url = project.url.replace("postgres@", f"postgres:{secret}@")
    project.table("a1", "first")
    shows = code.format(f"odd {secret}")
    project.revision("b2", f'op.execute("CREATE TABLE t (id int)")\n{shows}', down="a1")
    done = project.apply()
    assert (done.returncode, f"raises {said.format('odd ***')}" in done.stdout) == (1, True), done.stderr
    assert "b2.py:1" in done.stdout
    assert tables(one_database) == {"first", "alembic_version"}
    assert [run["outcome"] for run in project.runs()] == ["failed"]
    project.revision("b2", shows, down="a1")
    status, lines = told(project.apply("--mode", "plan"))
    assert (status, said.format("odd ***") in lines[0], "b2.py:1" in lines[0]) == (1, True, True), lines


@BASE_EXCEPTIONS
def test_a_base_exception_of_env_py_is_env_py_s(code: str, said: str, project: Project) -> None:
    """An env.py that raises one is told as any env.py that fails."""
    project.table("a1", "first")
    project.env_py(code.format("odd"))
    status, lines = told(project.apply())
    assert (status, f"env.py raises {said.format('odd')}" in lines[0]) == (1, True), lines


@CLOSES
def test_a_revision_may_not_close_the_connection(call: str, project: Project, one_database: Database) -> None:
    """Closing the connection it was lent fails the revision with its line, in a plan and in an apply."""
    project.table("a1", "first")
    project.revision("b2", f"op.get_bind().{call}", down="a1")
    for mode in ("plan", "apply"):
        done = project.apply("--mode", mode)
        assert done.returncode == 1
        assert "b2.py:12" in done.stdout + done.stderr
        assert "the connection that it is run on" in done.stdout + done.stderr
        assert "defect" not in done.stderr
    assert advisory_locks(one_database) == 0


def test_an_env_py_that_prints_sql_is_refused(project: Project) -> None:
    """as_sql=True is refused with the line and what to take out."""
    project.table("a1", "first")
    project.env_py("from alembic import context\ncontext.configure(dialect_name='postgresql', as_sql=True)\n")
    status, lines = told(project.apply())
    assert (status, "env.py:2: env.py prints SQL" in lines[0]) == (1, True), lines
    assert lines[2].startswith("cure:   Take out as_sql")


@pytest.mark.parametrize("ends", ["", "\nif child == 0:\n    raise ValueError", "\nif child == 0:\n    sys.exit(3)"])
def test_a_forked_child_ends_nothing(ends: str, project: Project, one_database: Database) -> None:
    """A revision that forks is run, recorded and reported once, whatever its child does."""
    project.table("a1", "first")
    forks = f"import os, sys\nchild = os.fork(){ends}\nos.waitpid(child, 0) if child else None"
    project.revision("b2", f"{forks}\nop.execute('CREATE TABLE t (id int)') if child else None", down="a1")
    done = project.apply("--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"]["result"] == "done"
    (run,) = project.runs()
    assert [(each["revision"], each["outcome"]) for each in run["revisions"]] == [("a1", "done"), ("b2", "done")]
    assert tables(one_database) == {"first", "t", "alembic_version"}
