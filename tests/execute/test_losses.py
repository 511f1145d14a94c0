"""What a rollback loses is told by what stands in the database now, whatever the plan calls it by then."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from erm_alembic import migrate
from erm_alembic.errors import Refused
from erm_alembic.execute.progress import SilentProgress
from erm_alembic.planning.model import DataLoss
from tests.faults.deploying import Project
from tests.support.databases import Database

MAKES = """
op.execute("CREATE SCHEMA other")
op.execute("CREATE TABLE orders (id int, note text)")
op.execute("CREATE TABLE spare (id int, note text)")
"""


@pytest.fixture
def project(one_database: Database, tmp_path: Path) -> Project:
    """A project with two tables, of which orders has three rows and two notes, and spare has none."""
    project = Project(tmp_path, one_database)
    project.config(f'database: {{url: "{one_database.url}"}}\n')
    project.revision("a1", MAKES)
    return project


def applied(project: Project, *revisions: tuple[str, str]) -> None:
    """Apply revisions with these ways up and down, one on top of the other, and write rows."""
    before = "a1"
    for number, (up, down) in enumerate(revisions):
        project.revision(f"b{number}", up, down, down=before)
        before = f"b{number}"
    migrate.apply(config=project.root / "erm.yaml", rehearse=False)


def losses(project: Project, steps: int) -> list[tuple[str, str, int | None, str | None]]:
    """What the plan of a rollback says that it loses."""
    plan = migrate.plan_rollback(config=project.root / "erm.yaml", steps=steps, rehearse=False)
    rules = [finding.rule for finding in plan.findings if finding.severity == "error"]
    assert ("data-loss" in rules) == any(loss.rows != 0 for loss in plan.data_loss)
    return [_told(loss) for loss in plan.data_loss]


def _told(loss: DataLoss) -> tuple[str, str, int | None, str | None]:
    return loss.kind, loss.object, loss.rows, loss.now


ROWS = "INSERT INTO {} VALUES (1, 'x'), (2, 'y'), (3, NULL)"
NOTHING = 'op.execute("SELECT 1")'
ROUND_ABOUT = (
    "CREATE TABLE numbered (id serial); CREATE TABLE parent (id int); CREATE TABLE heir () INHERITS (parent);"
    " INSERT INTO heir VALUES (1); CREATE TABLE whole (id int) PARTITION BY RANGE (id);"
    " CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9); INSERT INTO part VALUES (1)"
)


@pytest.mark.parametrize(
    ("ways", "table", "told"),
    [
        pytest.param(
            [
                (NOTHING, 'op.drop_table("orders")'),
                ('op.rename_table("orders", "purchases")', 'op.rename_table("purchases", "orders")'),
            ],
            "purchases",
            ("table", "orders", 3, "public.purchases"),
            id="a table renamed by a later revision",
        ),
        pytest.param(
            [(NOTHING, 'op.rename_table("orders", "x"); op.rename_table("spare", "orders"); op.drop_table("x")')],
            "orders",
            ("table", "x", 3, "public.orders"),
            id="two tables that change their names",
        ),
        pytest.param(
            [
                (NOTHING, 'op.drop_column("orders", "note")'),
                (
                    'op.alter_column("orders", "note", new_column_name="remark")',
                    'op.alter_column("orders", "remark", new_column_name="note")',
                ),
            ],
            "orders",
            ("column", "orders.note", 2, "public.orders.remark"),
            id="a column renamed by a later revision",
        ),
        pytest.param(
            [(NOTHING, 'op.alter_column("orders", "note", new_column_name="n"); op.drop_column("orders", "n")')],
            "orders",
            ("column", "orders.n", 2, "public.orders.note"),
            id="a column renamed by the same downgrade",
        ),
        pytest.param(
            [
                (NOTHING, 'op.drop_table("orders")'),
                (
                    'op.execute("ALTER TABLE orders SET SCHEMA other")',
                    'op.execute("ALTER TABLE other.orders SET SCHEMA public")',
                ),
            ],
            "other.orders",
            ("table", "orders", 3, "other.orders"),
            id="a table in another schema",
        ),
        pytest.param(
            [
                (NOTHING, 'op.drop_table("orders", schema="other")'),
                (
                    'op.execute("ALTER TABLE orders SET SCHEMA other; ALTER SCHEMA other RENAME TO third")',
                    'op.execute("ALTER SCHEMA third RENAME TO other")',
                ),
            ],
            "third.orders",
            ("table", "other.orders", 3, "third.orders"),
            id="a schema of another name",
        ),
        pytest.param(
            [
                (NOTHING, 'op.execute("DROP TABLE all_orders")'),
                (
                    'op.execute("CREATE TABLE all_orders (LIKE orders) PARTITION BY RANGE (id)")',
                    'op.execute("ALTER TABLE all_orders ATTACH PARTITION orders FOR VALUES FROM (0) TO (9)")',
                ),
            ],
            "orders",
            ("table", "all_orders", 3, None),
            id="a partition attached before its table is dropped",
        ),
        pytest.param(
            [(NOTHING, 'op.execute("ALTER TABLE orders INHERIT spare"); op.execute("DROP TABLE spare CASCADE")')],
            "orders",
            ("table", "spare", 3, None),
            id="an heir that goes with its parent",
        ),
        pytest.param(
            [(NOTHING, 'op.execute("SET LOCAL search_path TO other"); op.drop_table("orders")')],
            "other.orders",
            ("table", "orders", 3, None),
            id="another search_path",
        ),
        pytest.param(
            [(NOTHING, 'op.execute("SET LOCAL search_path TO other; DROP TABLE orders")')],
            "other.orders",
            ("statement", "orders", None, None),
            id="another search_path within a text",
        ),
        pytest.param(
            [(NOTHING, "op.execute(\"SELECT public.empty('orders')\")")],
            "orders",
            ("statement", "SELECT public . empty ( 'orders'", None, None),
            id="a function that drops",
        ),
        pytest.param(
            [(NOTHING, 'op.alter_column("orders", "note", type_=sa.Text, postgresql_using="NULL")')],
            "orders",
            ("rewrite", "orders.note", None, None),
            id="an expression that forgets",
        ),
        pytest.param(
            [(NOTHING, 'op.execute("ALTER TABLE orders ALTER note TYPE new_type USING note::new_type")')],
            "orders",
            ("rewrite", "orders.note", None, None),
            id="a type that is not there yet",
        ),
    ],
)
def test_what_bears_another_name_now_is_counted(
    project: Project, one_database: Database, ways: list[tuple[str, str]], table: str, told: tuple[str, str, int, str]
) -> None:
    """Names are followed through the plan, and what cannot be followed is unknown: neither passes in silence."""
    one_database.execute(
        "CREATE FUNCTION empty(name text) RETURNS void LANGUAGE plpgsql AS"
        " 'BEGIN EXECUTE format(''DROP TABLE %I'', name); END'"
    )
    applied(project, *ways)
    if table == "other.orders":
        one_database.execute("CREATE TABLE IF NOT EXISTS other.orders (id int, note text)")
    one_database.execute(ROWS.format(table))
    found = losses(project, len(ways))
    assert told in found


@pytest.mark.parametrize(
    "down",
    [
        'op.drop_table("spare")',
        'op.execute("DROP TABLE IF EXISTS nobody, spare")',
        'op.rename_table("spare", "x"); op.drop_table("x")',
        'op.execute("CREATE TABLE t AS SELECT 1 AS a"); op.drop_table("t")',
        'op.add_column("orders", sa.Column("c", sa.Integer)); op.drop_column("orders", "c")',
        'op.rename_table("orders", "x"); op.execute("DROP TABLE IF EXISTS orders")',
        'op.execute("ALTER TABLE orders ALTER id TYPE bigint, ALTER note TYPE varchar(9)")',
        'op.execute("ALTER TABLE orders ALTER id TYPE numeric(9, 2)")',
        "op.execute(\"CREATE TYPE e AS ENUM ('x', 'y'); ALTER TABLE orders ALTER note TYPE e USING note::text::e\")",
        'op.execute("DROP SCHEMA other")',
        'op.execute("ALTER TABLE heir NO INHERIT parent"); op.drop_table("parent"); op.rename_table("heir", "parent")',
        'op.execute("ALTER TABLE whole DETACH PARTITION part"); op.drop_table("whole"); op.rename_table("part", "all")',
        "op.execute(\"SELECT setval(pg_get_serial_sequence('numbered', 'id'), 7)\")",
    ],
)
def test_what_loses_nothing_is_not_accused(project: Project, one_database: Database, down: str) -> None:
    """What is empty, made by the plan itself, or keeps each value passes without a word, and really runs."""
    applied(project, (f"op.execute({ROUND_ABOUT!r})", down))
    one_database.execute(ROWS.format("orders"))
    assert [loss for loss in losses(project, 1) if loss[2] != 0] == []
    result = migrate.rollback(config=project.root / "erm.yaml", rehearse=False)
    assert result.outcome.result == "done"


class Watching(SilentProgress):
    """Does something when the step begins, or when the run says that it waits."""

    def __init__(self, *, begins: Callable[[], object] = bool, waits: Callable[[], object] = bool) -> None:
        self._begins, self._waits = begins, waits

    def step_started(self, *_args: Any) -> None:
        self._begins()

    def note(self, text: str) -> None:
        if "waits for" in text:
            self._waits()


def refused(project: Project, progress: SilentProgress, **kw: Any) -> Refused:
    """How a rollback is refused to which nothing objected while it was planned."""
    plan = migrate.plan_rollback(config=project.root / "erm.yaml", rehearse=False)
    assert not plan.blocked, plan.findings
    with pytest.raises(Refused) as error:
        migrate.rollback(config=project.root / "erm.yaml", rehearse=False, progress=progress, **kw)
    assert "--allow-data-loss" in error.value.cure
    return error.value


@pytest.mark.parametrize(
    ("down", "said"),
    [
        ('op.drop_table("spare")', "Dropping table spare loses 3 rows."),
        ('op.rename_table("spare", "x"); op.drop_table("x")', "Dropping table x loses 3 rows."),
        ('op.execute("ALTER TABLE spare RENAME TO x; DROP TABLE x")', "Dropping table x (now public.spare) loses 3"),
        ('op.drop_column("spare", "note")', "Dropping column spare.note loses 2 values."),
        ("op.execute(\"DELETE FROM spare WHERE note = 'x'\")", "Deleting from spare loses 1 row."),
        ('op.execute("TRUNCATE spare")', "Deleting from spare loses 3 rows."),
    ],
)
def test_rows_that_come_after_the_plan_are_not_lost(
    project: Project, one_database: Database, down: str, said: str
) -> None:
    """Each drop is looked at once more in its own transaction: that is undone, and the rows stay."""
    applied(project, (NOTHING, down))
    error = refused(project, Watching(begins=lambda: one_database.execute(ROWS.format("spare"))))
    assert error.what.startswith(f"migrations/versions/b0.py:16: {said}")
    assert one_database.execute("SELECT count(*), count(note) FROM spare") == [(3, 2)]
    assert one_database.execute("SELECT version_num FROM alembic_version") == [("b0",)]
    result = migrate.rollback(config=project.root / "erm.yaml", rehearse=False, allow_data_loss=True)
    assert result.outcome.result == "done"


def test_rows_that_come_while_the_drop_waits_for_its_lock_are_not_lost(
    project: Project, one_database: Database
) -> None:
    """Who was in the way has written: that is seen once the lock is had."""
    applied(project, (NOTHING, 'op.drop_table("spare")'))
    with closing(one_database.connect()) as writer:
        writer.autocommit = False
        with writer.cursor() as cursor:
            cursor.execute(ROWS.format("spare"))
        error = refused(project, Watching(waits=writer.commit))
    assert "Dropping table spare loses 3 rows." in error.what


@pytest.mark.parametrize(
    "down",
    [
        'op.rename_table("orders", "x"); op.get_bind().execute(sa.text("SELECT id FROM x")); op.drop_table("x")',
        "op.execute(\"SELECT quietly('orders')\")",
        'op.rename_table("spare", "x"); op.get_bind().execute(sa.text("SELECT id FROM x"));'
        ' op.execute("DELETE FROM orders USING x")',
    ],
)
def test_what_the_plan_cannot_see_is_seen_when_it_is_done(project: Project, one_database: Database, down: str) -> None:
    """A drop after the point to which a plan can tell, and one in a function that keeps its errors to itself."""
    one_database.execute(
        "CREATE FUNCTION quietly(name text) RETURNS void LANGUAGE plpgsql AS"
        " 'BEGIN EXECUTE format(''DROP TABLE %I'', name); EXCEPTION WHEN others THEN NULL; END'"
    )
    applied(project, (NOTHING, down))
    one_database.execute(ROWS.format("orders"))
    refused(project, SilentProgress())
    assert one_database.execute("SELECT count(*) FROM orders") == [(3,)]


def test_rows_that_a_policy_hides_are_not_lost(project: Project, one_database: Database) -> None:
    """Where row-level security does not let the role see all the rows, how many there are is unknown."""
    role = f"owner of {one_database.name}"
    one_database.execute(f'CREATE ROLE "{role}"')
    try:
        applied(project, (NOTHING, 'op.drop_table("spare")'))
        project.config(f'database: {{url: "{one_database.url}"}}\nmigrations: {{role: "{role}"}}\n')
        one_database.execute(f'GRANT SELECT ON alembic_version TO "{role}"')
        one_database.execute(f'ALTER TABLE spare OWNER TO "{role}"')
        one_database.execute("ALTER TABLE spare ENABLE ROW LEVEL SECURITY")
        one_database.execute("ALTER TABLE spare FORCE ROW LEVEL SECURITY")
        one_database.execute(ROWS.format("spare"))
        assert losses(project, 1) == [("table", "spare", None, None)]
    finally:
        one_database.execute(f'REASSIGN OWNED BY "{role}" TO CURRENT_USER')
        one_database.execute(f'DROP OWNED BY "{role}"')
        one_database.execute(f'DROP ROLE "{role}"')
