"""drop-of-mapped-column: what the running release asks for does not go."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.drop_of_mapped_column import CHECK
from erm_alembic.findings import Finding
from erm_alembic.ledger.mapping import Mapped
from erm_alembic.revisions.mapping import mapped_tables
from tests.checks.building import around, plan, settings, step, table
from tests.faults.deploying import ENV_PY, Project
from tests.support.databases import Database

SINCE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MAPPED = Mapped({("", "orders"): frozenset({"id", "No.te"}), ("s", "items"): frozenset({"id"})}, SINCE)
TARGET = around(table("orders"), table("items", "s"), table("items"))


def _said(*texts: str, mapped: Mapped | None = MAPPED, environment: str = "prod") -> list[Finding]:
    made = replace(plan(step(*texts)), environment=environment)
    context = CheckContext(plan=made, settings=settings(), around=replace(TARGET, mapped=mapped))
    return list(run_checks(context, {}, (CHECK,)))


def test_a_column_that_the_last_release_maps_is_told_with_what_fails() -> None:
    """Its table, since when it is mapped, and the way around, which takes two releases."""
    (finding,) = _said('ALTER TABLE orders DROP COLUMN "No.te"')
    assert (finding.rule, finding.severity, finding.line) == ("drop-of-mapped-column", "warning", 10)
    assert finding.message == (
        "This drops public.orders.No.te, which the models of the last release map (seen by the apply of 2026-03-01 "
        "12:00 UTC): until the last process of that release has ended, each of its queries on public.orders fails."
    )
    assert finding.help.startswith("Take it out of the models first, and release that")


@pytest.mark.parametrize(
    "sql",
    [
        'ALTER TABLE public.orders RENAME COLUMN "No.te" TO b',
        "ALTER TABLE orders RENAME TO orders_old",
        "DROP TABLE orders",
        "ALTER TABLE orders SET SCHEMA archive",
        "DROP TABLE s.items CASCADE",
    ],
)
def test_a_rename_and_a_whole_table_are_told_too(sql: str) -> None:
    """Whatever takes a mapped name away."""
    assert len(_said(sql)) == 1


def test_what_nobody_maps_may_go() -> None:
    """Another column, a table of another schema, a database of which nothing is known, a developer's own."""
    assert _said("ALTER TABLE orders DROP COLUMN note", "DROP TABLE public.items", "DROP TABLE nowhere") == []
    assert _said("DROP TABLE orders", mapped=None) == []
    assert _said("DROP TABLE orders", environment="dev") == []


def test_the_mapping_is_that_of_all_metadata() -> None:
    """One, several, or none; a table of both has the columns of both."""
    one, other = sa.MetaData(), sa.MetaData(schema="s")
    sa.Table("a", one, sa.Column("id", sa.Integer), sa.Column("x", sa.Text, key="y"))
    sa.Table("a", other, sa.Column("z", sa.Text))
    assert mapped_tables([one, other]) == {("", "a"): {"id", "x"}, ("s", "a"): {"z"}}
    assert mapped_tables(None) == {}


MODELS = """
from sqlalchemy import Column, Integer, MetaData, Table, Text
metadata = MetaData()
Table("users", metadata, Column("id", Integer, primary_key=True){columns})
"""


def test_each_apply_keeps_what_the_models_map(one_database: Database, tmp_path: Path) -> None:
    """One that has nothing to do, too; a release after the one without the column may drop it."""
    project = Project(tmp_path, one_database)
    project.env_py(
        ENV_PY.replace(
            "configure(connection=connection)", "configure(connection=connection, target_metadata=metadata)"
        ).replace("engine = ", "import sys; sys.path.insert(0, '.')\nfrom models import metadata\nengine = ", 1)
    )

    def models(columns: str) -> None:
        (tmp_path / "models.py").write_text(MODELS.format(columns=columns))

    def said() -> list[str]:
        planned = json.loads(project.erm("migrate", "--mode", "plan", "--env", "prod", "--format", "json").stdout)
        about = ("drop-of-mapped-column", "squawk/ban-drop-column")
        return [each["rule"] for each in planned["findings"] if each["rule"] in about]

    project.config("database: {environments: {prod: {}}}\nshadow: {rehearse: false}\n")
    models(', Column("mail", Text)')
    project.revision("a1", 'op.create_table("users", sa.Column("id", sa.Integer), sa.Column("mail", sa.Text))')
    assert project.erm("migrate", "--env", "prod").returncode == 0
    models("")
    drop = project.revision("b2", 'op.drop_column("users", "mail")', down="a1")
    assert said() == ["drop-of-mapped-column"]
    text = drop.read_text()
    drop.unlink()
    assert "Nothing to do" in project.erm("migrate", "--env", "prod").stdout
    drop.write_text(text)
    assert said() == []
    assert one_database.execute("SELECT count(*) FROM erm.mapping") == [(2,)]
