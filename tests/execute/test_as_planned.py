"""A revision of which all is known when it is planned is sent as planned; any other one runs again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op

from erm_alembic.revisions.recording.operations_only import operations_only
from tests.execute.conftest import Project
from tests.support.databases import Database

NAMES = ("one", "two")
METADATA = sa.MetaData()


def creates() -> None:
    op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True), sa.Column("at", sa.text("now()")))


def loop() -> None:
    for name in NAMES:
        op.execute(f"CREATE TABLE {name} (a int)")


def rows() -> None:
    orders = sa.table("orders", sa.column("id", sa.Integer))
    op.bulk_insert(orders, [{"id": 1}, {"id": 2}])
    op.execute(orders.update().where(orders.c.id == 1).values(id=3))


def prints() -> None:
    print("done")


def reads() -> None:
    if op.get_bind().scalar(sa.text("SELECT 1")):
        op.drop_table("orders")


def imports() -> None:
    import os

    os.sync()


def catches() -> None:
    try:
        op.drop_table("orders")
    except Exception:
        op.execute("SELECT 1")


def defers() -> None:
    [(lambda: op.drop_table(name))() for name in NAMES]


def looks_up() -> None:
    getattr(op, "get_" + "bind")().execute(sa.text("SELECT 1"))


def tells() -> None:
    sa.event.listen(METADATA, "after_create", print)


def remembers() -> None:
    global NAMES
    NAMES = ("three",)


def calls() -> None:
    Path("a").touch()


def enclosing() -> Any:
    name = "orders"

    def closure() -> None:
        op.drop_table(name)

    return closure


@pytest.mark.parametrize("function", [creates, loop, rows], ids=lambda function: function.__name__)
def test_what_only_calls_operations_is_known_for_that(function: Any) -> None:
    """Operations on values that SQLAlchemy builds, in loops over constants too, do nothing else than send."""
    assert operations_only(function)


@pytest.mark.parametrize(
    "function",
    [prints, reads, imports, catches, defers, looks_up, tells, remembers, calls, enclosing(), print, Project.table],
    ids=lambda function: function.__name__,
)
def test_what_may_do_more_is_not(function: Any) -> None:
    """Whatever may look at the database, act elsewhere, catch an error or be another function runs again."""
    assert not operations_only(function)


def test_all_that_was_planned_is_sent(project: Project, one_database: Database) -> None:
    """Tables, rows with their values, and names and texts with percent signs arrive as they were written."""
    project.revision(
        "a1",
        """
        op.create_table("50%", sa.Column("a", sa.Text, server_default="100%"), sa.Column("n", sa.Numeric(6, 2)))
        rows = sa.table("50%", sa.column("a", sa.Text), sa.column("n", sa.Numeric(6, 2)))
        op.bulk_insert(rows, [{"a": "x%s", "n": 1.5}, {"a": None, "n": 2}])
        op.execute(rows.insert().values(n=3))
        op.execute("COMMENT ON TABLE \\"50%\\" IS '%(a)s'")
        """,
    )
    assert project.apply().returncode == 0
    assert one_database.execute('SELECT a, n::text FROM "50%" ORDER BY n') == [
        ("x%s", "1.50"),
        (None, "2.00"),
        ("100%", "3.00"),
    ]
    assert one_database.execute("SELECT obj_description('\"50%\"'::regclass)") == [("%(a)s",)]
    assert project.runs()[-1]["revisions"][0]["statements"] == 4


def test_what_is_planned_as_written_and_fails_is_said_with_its_line(project: Project) -> None:
    """The server's refusal names the revision's own line although its function does not run."""
    path = project.revision(
        "a1", 'op.create_table("t", sa.Column("a", sa.Integer))\nop.execute("CREATE TABLE t (b int)")'
    )
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if "CREATE TABLE t" in text)
    failed = project.apply()
    assert failed.returncode == 1
    assert f"migrations/versions/a1.py:{line}: " in failed.stdout


def test_what_does_more_runs_again(project: Project) -> None:
    """A revision that does more than send runs once for the plan and once for good."""
    project.revision("a1", 'op.execute("CREATE TABLE a (a int)")\nprint("again")')
    ran = project.apply()
    assert (ran.returncode, (ran.stdout + ran.stderr).count("again\n")) == (0, 2)


def test_a_version_table_of_its_own_kind_is_left_to_alembic(project: Project, one_database: Database) -> None:
    """A project that gives its version table further columns has them filled as Alembic fills them."""
    text = (project.root / "migrations" / "env.py").read_text()
    own = """
import sqlalchemy as sa
from alembic.ddl.postgresql import PostgresqlImpl


class Impl(PostgresqlImpl):
    __dialect__ = "postgresql"

    def version_table_impl(self, **kw):
        table = super().version_table_impl(**kw)
        table.append_column(sa.Column("by", sa.Text, default="deployer", onupdate="deployer again"))
        return table


"""
    project.env_py(own + text)
    project.table("a1", "a")
    project.table("b1", "b", down="a1")
    assert project.apply("--to", "a1").returncode == 0
    assert one_database.execute("SELECT * FROM alembic_version") == [("a1", "deployer")]
    assert project.apply().returncode == 0
    assert one_database.execute("SELECT * FROM alembic_version") == [("b1", "deployer again")]
