"""A plan is linted: on the lines of the project's own revisions, with the facts of the live database."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.planning import surroundings
from erm_alembic.planning.surroundings import is_small
from erm_alembic.postgres.existing_tables import ExistingTable, TableName, existing_tables
from tests.checks.building import WORKS, around, outside, plan, revision, step, table
from tests.cli.pipeline import erm
from tests.faults.deploying import Project
from tests.support.databases import Database, RunningServer, fresh_database

FILL = "INSERT INTO {0} SELECT g, g FROM generate_series(1, 20000) g; ANALYZE {0}"


@pytest.fixture
def project(one_database: Database, tmp_path: Path) -> Project:
    """A database at a1, with a large table and a small one, without a rehearsal of what comes."""
    for name in ("large", "small"):
        one_database.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, a int)")
    one_database.execute(FILL.format("large"))
    one_database.execute("INSERT INTO small SELECT g FROM generate_series(1, 40) g; ANALYZE small")
    project = Project(tmp_path, one_database)
    project.config("shadow: {rehearse: false}")
    return project


def _planned(project: Project) -> dict[str, Any]:
    done = project.erm("migrate", "--mode", "plan", "--format", "json")
    found: dict[str, Any] = json.loads(done.stdout)
    assert "error" not in found, done.stderr
    return found


def _said(planned: dict[str, Any]) -> set[tuple[str, str, int | None]]:
    """What the checks of statements say: rule, file, line."""
    drift = ("schema-drift", "models-drift")
    return {
        (each["rule"], Path(each["path"] or "").name, each["line"])
        for each in planned["findings"]
        if each["rule"] not in drift and not each["rule"].startswith("downgrade-")
    }


def test_unsafe_revisions_are_told_on_the_lines_that_cause_their_statements(project: Project) -> None:
    """In Python and in SQL scripts, whatever Alembic writes for an operation; what is ignored is counted."""
    project.revision(
        "b2",
        """
        op.add_column("large", sa.Column("b", sa.Integer, sa.ForeignKey("small.id")))
        op.create_index("large_a", "large", ["a"])
        op.drop_column("large", "a")  # erm: ignore[squawk/ban-drop-column] 100 % unused
        op.create_index("small_a", "small", ["a"])
        """,
    )
    project.revision(
        "c3",
        """
        op.alter_column(
            "large", "b", nullable=False
        )
        with op.get_context().autocommit_block():
            op.create_index("large_b", "large", ["b"], postgresql_concurrently=True)
        """,
        down="b2",
    )
    planned = _planned(project)
    assert _said(planned) == {
        ("squawk/adding-foreign-key-constraint", "b2.py", 12),
        ("work-after-exclusive-lock", "b2.py", 12),
        ("squawk/require-concurrent-index-creation", "b2.py", 13),
        ("set-not-null-without-check", "c3.py", 12),
        ("mixed-autocommit-block", "c3.py", 16),
    }
    (ignored,) = planned["ignored"]
    assert (ignored["rule"], ignored["reason"], ignored["line"]) == ("squawk/ban-drop-column", "100 % unused", 14)
    assert not planned["blocked"]
    said = "1 finding is ignored by a comment in its file: squawk/ban-drop-column (migrations/versions/b2.py:14)."
    assert said in project.erm("migrate", "--mode", "plan").stdout


def test_safe_revisions_raise_no_alarm(project: Project) -> None:
    """The ways that the pages of the checks recommend are free of findings."""
    outside = "with op.get_context().autocommit_block():\n    "
    steps = (
        'op.add_column("large", sa.Column("b", sa.Integer))\nop.add_column("large", sa.Column("c", sa.Text))',
        f'{outside}op.create_index("large_b", "large", ["b"], postgresql_concurrently=True)',
        'op.create_foreign_key("fk", "large", "small", ["b"], ["id"], postgresql_not_valid=True)',
        'op.execute("ALTER TABLE large VALIDATE CONSTRAINT fk")',
        'op.create_check_constraint("b_set", "large", "b IS NOT NULL", postgresql_not_valid=True)',
        'op.execute("ALTER TABLE large VALIDATE CONSTRAINT b_set")',
        'op.alter_column("large", "b", nullable=False)',
        """
        op.create_table(
            "fresh",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String(50), nullable=False, unique=True),
            sa.Column("large_id", sa.BigInteger, sa.ForeignKey("large.id"), index=True),
        )
        op.bulk_insert(sa.table("fresh", sa.column("id"), sa.column("name")), [{"id": 1, "name": "100%"}])
        """,
        'op.alter_column("small", "a", nullable=False)\nop.create_index("small_a", "small", ["a"])',
    )
    down = None
    for number, upgrade in enumerate(steps):
        project.revision(f"r{number}", upgrade, down=down)
        down = f"r{number}"
    assert _said(_planned(project)) == set()


ODD = '"odd.s"."t % ""q"""'
TABLES = f"""
    CREATE SCHEMA "odd.s";
    CREATE TABLE {ODD} (
        id serial PRIMARY KEY, a int, b int NOT NULL, "c d" int, e int, UNIQUE (a, b),
        CONSTRAINT proven CHECK ("c d" IS NOT NULL), CONSTRAINT other CHECK (e IS NOT NULL OR a > 1));
    ALTER TABLE {ODD} ADD CONSTRAINT later CHECK (a IS NOT NULL) NOT VALID;
    CREATE INDEX ix ON {ODD} (b, lower(a::text), a);
    CREATE INDEX partial ON {ODD} (e) WHERE b > 1;
    CREATE TABLE parts (id int, k int) PARTITION BY RANGE (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (100000);
    INSERT INTO parts SELECT g, 1 FROM generate_series(1, 20000) g;
    ANALYZE parts
"""
NAMES = [("odd.s", 't % "q"'), ('t % "q"',), ("parts",), ("nowhere",), ("ix",), ("x" * 80,), ("a\0",), ("a", "b", "c")]


@pytest.fixture
def odd_tables(database: Database) -> dict[TableName, ExistingTable]:
    """What is found of tables with odd names, constraints, partitions and sizes."""
    database.execute(TABLES)
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        return existing_tables(cursor, NAMES)


def test_the_facts_of_a_table_are_those_of_the_catalog(odd_tables: dict[TableName, ExistingTable]) -> None:
    """Also by a name that only another search_path finds, and by one of its indexes."""
    table = odd_tables[("odd.s", 't % "q"')]
    assert odd_tables[('t % "q"',)] == table == odd_tables[("ix",)]
    assert (str(table), table.rows, table.size) == ('odd.s.t % "q"', 0, 0)
    assert sorted(table.indexes) == [("a", "b"), ("b",), ("id",)]
    assert (table.never_null, table.unproven) == (frozenset({"id", "b", "c d"}), (("later", "a"),))
    parts = odd_tables[("parts",)]
    assert parts.rows == 20_000 and parts.size is not None and not is_small(parts)
    assert set(odd_tables) == {("odd.s", 't % "q"'), ('t % "q"',), ("parts",), ("ix",)}


def test_a_table_that_is_locked_away_does_not_hold_up_a_plan(database: Database) -> None:
    """Its size is not known then; what needs no lock is. Nobody takes a partitioned one for empty."""
    rows = f'INSERT INTO {ODD} (a, "c d", e, b) SELECT g, g, g, g FROM generate_series(1, 7) g; ANALYZE'
    database.execute(f"{TABLES}; {rows}")
    with closing(database.connect()) as holder, closing(database.connect()) as reader, reader.cursor() as cursor:
        holder.autocommit = reader.autocommit = False
        holder.cursor().execute(f"LOCK TABLE {ODD}, parts IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
        tables = existing_tables(cursor, NAMES)
    odd, parts = tables[("odd.s", 't % "q"')], tables[("parts",)]
    assert (odd.rows, odd.size, len(odd.indexes)) == (7, None, 3)
    assert parts.size is None and not is_small(parts)


def test_who_holds_a_table_is_found_on_the_live_database(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that only reads keeps an ALTER TABLE waiting, too."""
    project.revision("b2", 'op.add_column("small", sa.Column("b", sa.Integer))')
    monkeypatch.setattr(surroundings, "LONG", timedelta(0))
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", str(project.url))
    assert project.database is not None
    with closing(project.database.connect(application_name="forgotten")) as reader:
        reader.autocommit = False
        reader.cursor().execute("SELECT count(*) FROM small")
        _, out, _ = erm(capsys, "migrate", "--mode", "plan", "--format", "json")
    found = json.loads(out)["findings"]
    (finding,) = (each for each in found if each["rule"] == "long-transaction")
    assert "(forgotten, " in finding["message"] and finding["line"] == 12


def test_what_was_rehearsed_settles_what_squawk_fears(one_database: Database, tmp_path: Path) -> None:
    """An index that is built within a moment is no alarm, although the table is not small."""
    assert isinstance(one_database.server, RunningServer)
    with fresh_database(one_database.server) as shadow:
        project = Project(tmp_path, one_database, env={"SHADOW": shadow.url, "ERM_NO_SHADOW": None})
        project.config("shadow: {url: '${SHADOW}'}")
        columns = 'sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("a", sa.Integer)'
        project.revision("a1", f'op.create_table("large", {columns})', 'op.drop_table("large")')
        assert project.erm("migrate").returncode == 0
        one_database.execute(FILL.format("large"))
        index = 'op.create_index("large_a", "large", ["a"])'
        project.revision("b2", index, 'op.drop_index("large_a")', down="a1")
        planned = _planned(project)
        assert planned["rehearsal"]["status"] == "done", planned["rehearsal"]
        (statement,) = planned["pending"][0]["statements"]
        assert statement["builds"] and statement["estimate"]["high_ms"] is not None
        assert _said(planned) == set()


def test_a_rollback_hears_nothing_of_how_its_revisions_could_be_written_better() -> None:
    """It is too late then; who holds a table, and what waits without end, it does hear."""
    outside_too = (outside("CREATE INDEX CONCURRENTLY i ON orders (a)"), "SET lock_timeout = 0", "DROP TABLE orders")
    down = replace(plan(step(*outside_too)), direction="downgrade")
    source = f"{WORKS}x = 1  # erm: ignore[nonsense]\n"
    context = CheckContext(plan=down, revisions=(revision("b2", source=source),), around=around(table("orders")))
    assert {each.rule for each in run_checks(context, {})} == {"no-lock-timeout"}
