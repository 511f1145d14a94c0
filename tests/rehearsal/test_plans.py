"""A plan that was rehearsed, from erm.yaml to its JSON and its text."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from erm_alembic import migrate
from erm_alembic.errors import ErmError, UsageError
from erm_alembic.planning.model import Plan
from erm_alembic.planning.rehearsal import Rehearsal
from erm_alembic.render.json import render_json
from erm_alembic.render.rehearsal import proof_words
from erm_alembic.render.text import render_text
from erm_alembic.under_way import listening
from tests.faults.deploying import Project

PENDING = """
op.alter_column("users", "id", type_=sa.BigInteger)
op.create_foreign_key("orders_user", "orders", "users", ["user_id"], ["id"])
with op.get_context().autocommit_block():
    op.create_index("orders_by_user", "orders", ["user_id"], postgresql_concurrently=True)
op.add_column("users", sa.Column("note", sa.Text))
"""
BACK = """
op.drop_column("users", "note")
op.drop_index("orders_by_user")
op.drop_constraint("orders_user", "orders")
op.alter_column("users", "id", type_=sa.Integer)
"""


def planned(project: Project, *, rehearse: bool | None = None) -> Plan:
    """The plan of what is pending in prod."""
    return migrate.plan("prod", config=project.root / "erm.yaml", rehearse=rehearse)


def document_of(plan: Plan) -> dict[str, Any]:
    """The JSON of a plan."""
    document: dict[str, Any] = json.loads(render_json(plan))
    return document


def shadows(project: Project) -> list[str]:
    """The scratch databases on the server; templates, of which nobody knows the end, do not count."""
    assert project.database is not None
    found = project.database.execute("SELECT datname FROM pg_database WHERE datname LIKE 'erm\\_shadow\\_%'")
    return [name for (name,) in found if "template" not in name]


def pairs(statement: dict[str, Any]) -> list[tuple[str, str]]:
    """The locks of a statement."""
    return [(lock["relation"], lock["mode"]) for lock in statement["locks"]]


@pytest.fixture(autouse=True)
def not_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite does without shadows; these tests do not."""
    monkeypatch.delenv("ERM_NO_SHADOW")


def test_a_rehearsed_plan_says_what_each_statement_does(deployed: Project) -> None:
    """Locks, rewrites, built indexes, estimates with live sizes, and a proof; the target is left alone."""
    deployed.revision("b2", PENDING, BACK, down="a1")
    assert deployed.database is not None
    before = deployed.database.execute("SELECT count(*), max(xmin::text) FROM pg_class")
    heard: list[str] = []
    with listening(heard.append):
        plan = planned(deployed)
    assert heard[0] == "reading the revisions" and heard[-1] == "rehearsing 1 revision in a shadow"
    assert {*heard[1:-1]} <= {"replaying 1 revision in a shadow", "comparing the models with what the revisions make"}
    document = document_of(plan)
    assert document["rehearsal"]["status"] == "done"
    assert document["rehearsal"]["exact_major"] is True
    (step,) = document["pending"]
    rewrite, foreign_key, index, column = step["statements"]
    assert ("public.users", "AccessExclusiveLock") in pairs(rewrite)
    assert (rewrite["rewrites"], rewrite["builds"]) == (["public.users"], ["public.users_pkey"])
    assert rewrite["estimate"]["blocks"] == "reads"
    assert rewrite["estimate"]["relations"] == ["public.users"]
    assert rewrite["estimate"]["basis"].startswith("writes public.users anew (")
    assert 0 < rewrite["estimate"]["low_ms"] <= rewrite["estimate"]["high_ms"]
    assert ("public.orders", "ShareRowExclusiveLock") in pairs(foreign_key)
    # What the transaction holds already is told at the statement that took it.
    assert "public.users" not in [relation for relation, _ in pairs(foreign_key)]
    assert pairs(index) == [("public.orders", "ShareUpdateExclusiveLock")]
    assert (index["estimate"]["blocks"], index["builds"]) == ("nothing", ["public.orders_by_user"])
    assert pairs(column) == [("public.users", "AccessExclusiveLock")]
    assert column["rewrites"] == []
    assert step["proof"]["round_trip"] == "same"
    orders, users = document["tables"]
    assert (orders["table"], users["table"], users["rows"]) == ("public.orders", "public.users", 1000)
    assert min(users["table_bytes"], users["index_bytes"]) > 16_000
    assert 0 < rewrite["estimate"]["takes"]["low_ms"] <= rewrite["estimate"]["low_ms"]
    assert column["estimate"]["takes"] == {"low_ms": 1, "high_ms": 50}
    assert [(each.revision, each.parents) for each in plan.graph] == [("b2", ("a1",)), ("a1", ())]
    assert deployed.database.execute("SELECT count(*), max(xmin::text) FROM pg_class") == before
    assert shadows(deployed) == []
    text = render_text(plan)
    assert "Shadow   rehearsed on PostgreSQL " in text
    assert "           blocks reads and writes of public.users for 1 ms to " in text
    assert f"({proof_words(plan.steps[0])}, not in one transaction, 4 statements)" in text


def test_a_revision_that_fails_in_the_shadow_blocks_the_plan(deployed: Project) -> None:
    """The finding has the line that sent what the server refuses, and what it says."""
    gone = 'op.add_column("users", sa.Column("age", sa.Integer))\nop.drop_column("users", "gone")'
    deployed.revision("b2", gone, down="a1")
    plan = planned(deployed)
    (finding,) = [each for each in plan.findings if each.rule == "rehearsal-failed"]
    assert (finding.severity, finding.path, finding.line) == ("error", "migrations/versions/b2.py", 13)
    assert 'column "gone" of relation "users" does not exist' in finding.message
    assert plan.rehearsal is not None and plan.rehearsal.failed is not None
    assert (plan.rehearsal.failed.revision, plan.blocked) == ("b2", True)
    assert shadows(deployed) == []


def test_a_revision_that_fails_for_want_of_rows_only_warns(deployed: Project) -> None:
    """What depends on data that the shadow does not have is no proof that the target would fail."""
    deployed.revision(
        "b2",
        'name = op.get_bind().execute(sa.text("SELECT name FROM users WHERE id = 1")).scalar_one()\n'
        'op.execute("COMMENT ON TABLE users IS \'" + name + "\'")',
        down="a1",
    )
    (finding,) = [each for each in planned(deployed).findings if each.rule == "rehearsal-failed"]
    assert finding.severity == "warning"
    assert "the shadow has none of the target's rows" in finding.message


def test_a_revision_that_rows_of_the_target_break_blocks_the_plan(deployed: Project) -> None:
    """They are its proof, where the revision goes through without them; a reference to rows left out is none."""

    def found(*lines: str) -> tuple[str, int | None, bool]:
        deployed.revision("b2", "\n".join(lines), down="a1")
        plan = migrate.plan("prod", config=deployed.root / "erm.yaml", copy_data=("users:40",))
        (finding,) = [each for each in plan.findings if each.rule == "rehearsal-failed"]
        return finding.severity, finding.line, "a part of the target's rows only" in finding.message

    assert found('op.create_unique_constraint("k", "users", ["name"])') == ("error", 12, False)
    assert found('op.add_column("users", sa.Column("due", sa.Date, nullable=False))') == ("error", 12, False)
    refers = 'op.create_foreign_key("f", "users", "orders", ["id"], ["id"])'
    assert found(refers) == ("warning", 12, True)
    filled = 'op.execute("UPDATE users SET name = (SELECT user_id::text FROM orders LIMIT 1)")'
    assert found(filled, 'op.alter_column("users", "name", nullable=False)') == ("warning", 13, True)


def test_without_a_shadow_the_rehearsal_is_unknown(deployed: Project) -> None:
    """No guess and no block: the reason, and a warning."""
    deployed.table("b2", "more", down="a1")
    with configured(deployed, "/postgres?", "/no_such_database?"):
        plan = planned(deployed)
    assert plan.rehearsal is not None
    assert (plan.rehearsal.status, plan.blocked) == ("unknown", False)
    assert "no_such_database" in (plan.rehearsal.reason or "")
    assert [each.rule for each in plan.findings if each.rule == "not-rehearsed"] == ["not-rehearsed"]
    assert document_of(plan)["pending"][0]["statements"][0]["locks"] is None


def test_when_a_plan_is_not_rehearsed(deployed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option, the configuration and a variable leave it out, and the plan says which of them did."""
    deployed.table("b2", "more", down="a1")

    def why(*, rehearse: bool | None = None) -> str | None:
        rehearsal = planned(deployed, rehearse=rehearse).rehearsal
        assert rehearsal is not None and rehearsal.status == "skipped"
        return rehearsal.reason

    assert why(rehearse=False) == "--no-rehearse was given"
    with configured(deployed, "shadow: {", "shadow: {rehearse: false, "):
        assert why() == "shadow.rehearse is false"
    monkeypatch.setenv("ERM_NO_SHADOW", "1")
    assert why() == "ERM_NO_SHADOW is set"


@contextlib.contextmanager
def configured(project: Project, before: str, after: str) -> Iterator[None]:
    """Another configuration for as long as the block lasts."""
    path = project.root / "erm.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    try:
        yield
    finally:
        path.write_text(text)


def test_apply_rehearses_where_there_is_something_to_lose(project: Project) -> None:
    """Not in an empty database, not in dev; in prod it does, and a plan of nothing has nothing to rehearse."""
    config = project.root / "erm.yaml"

    def rehearsal(env: str) -> Rehearsal | None:
        result = migrate.apply(env, config=config, accept_environment=True)
        assert result.outcome.result in ("done", "nothing-to-do")
        return result.plan.rehearsal

    project.table("a1", "users")
    empty = rehearsal("prod")
    assert empty is not None and (empty.reason or "").startswith("the database is empty")
    assert rehearsal("prod") is None
    project.table("b2", "orders", down="a1")
    full = rehearsal("prod")
    assert full is not None and full.status == "done"
    project.table("c3", "lines", down="b2")
    dev = rehearsal("dev")
    assert dev is not None and "do not rehearse in dev" in (dev.reason or "")


def test_a_data_migration_is_rehearsed_on_rows_of_the_target(deployed: Project) -> None:
    """As many as asked for are there, new rows get free numbers, and nothing of it stays."""
    deployed.revision(
        "b2",
        """
        op.execute("UPDATE users SET name = upper(name)")
        op.execute("INSERT INTO users (name) VALUES ('new')")
        """,
        "pass",
        down="a1",
    )
    plan = migrate.plan("prod", config=deployed.root / "erm.yaml", copy_data=("users:40",))
    update, insert = plan.steps[0].statements
    assert update.observed is not None and insert.observed is not None
    assert (update.observed.rows, insert.observed.rows) == (40, 1)
    assert plan.rehearsal is not None
    assert plan.rehearsal.notes[-1] == "Rehearsed on rows of the target, at most 40 of users."
    assert shadows(deployed) == []
    with pytest.raises(UsageError, match="has no table nobody"):
        migrate.plan("prod", config=deployed.root / "erm.yaml", copy_data=("nobody:1",))
    with pytest.raises(UsageError, match="does not say how many rows"):
        migrate.plan("prod", config=deployed.root / "erm.yaml", copy_data=("users",))


def test_rows_that_cannot_be_copied_are_an_error(deployed: Project) -> None:
    """A rehearsal on rows that was asked for does not end as a plan that was not rehearsed; no value is told."""
    assert deployed.database is not None
    deployed.table("b2", "more", down="a1")
    deployed.database.execute("ALTER TABLE users DROP CONSTRAINT users_pkey; INSERT INTO users VALUES (1, 'hidden')")
    try:
        with pytest.raises(ErmError) as caught:
            migrate.plan("prod", config=deployed.root / "erm.yaml", copy_data=("users:2000",))
    finally:
        deployed.database.execute("DELETE FROM users WHERE name = 'hidden'; ALTER TABLE users ADD PRIMARY KEY (id)")
    assert caught.value.what == (
        "--copy-data: rows of public.users could not be copied into the shadow: UniqueViolation of users_pkey."
    )
    assert caught.value.effect == "Nothing was rehearsed."
    assert caught.value.cure == "Make the tables of the two databases equal (erm drift), or leave --copy-data out."


def test_a_revision_that_leaves_the_folder_takes_nobody_with_it(project: Project) -> None:
    """Paths of alembic.ini count from the project's folder, also for the revision that comes next."""
    (project.root / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    wanders = 'import os; os.chdir("/"); op.create_table("t", sa.Column("age", sa.Integer))'
    project.revision("a1", wanders, 'op.drop_table("t")')
    project.revision("b2", 'op.add_column("t", sa.Column("b", sa.Integer))', 'op.drop_column("t", "b")', down="a1")
    plan = planned(project, rehearse=True)
    assert [each.rule for each in plan.findings if each.severity == "error"] == []
    assert plan.rehearsal is not None and plan.rehearsal.status == "done"
