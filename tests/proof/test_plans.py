"""Proofs as a plan carries them: from the revision files to findings, and to what a rollback counts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from erm_alembic import migrate
from erm_alembic.planning.data_loss import count_losses
from erm_alembic.planning.model import Plan, Statement, Step
from erm_alembic.planning.proven_losses import proven_losses
from erm_alembic.planning.rehearsal import Proof
from erm_alembic.postgres.intercept import connect_gated
from tests.faults.deploying import Project
from tests.rehearsal.conftest import rehearsing
from tests.support.databases import Database


@pytest.fixture
def project(one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose first revision is not applied; the suite does without shadows, these tests do not."""
    monkeypatch.delenv("ERM_NO_SHADOW", raising=False)
    project = rehearsing(tmp_path, one_database)
    makes = """
        op.execute("CREATE TYPE mood AS ENUM ('sad')")
        op.create_table("users", sa.Column("id", sa.Integer), sa.Column("email", sa.Text))
    """
    project.revision("a1", makes, 'op.drop_table("users"); op.execute("DROP TYPE mood")')
    return project


def _planned(project: Project) -> Plan:
    return migrate.plan("prod", config=project.root / "erm.yaml", rehearse=True)


def _rules(plan: Plan) -> list[tuple[str, str | None]]:
    return [(finding.rule, finding.revision) for finding in plan.findings if finding.rule.startswith("downgrade-")]


def test_each_revision_of_a_plan_is_proven_from_where_the_one_before_it_leads(project: Project) -> None:
    """Alembic's version table is no difference; what is forgotten blocks; what is declared to stay does not."""
    adds = "op.execute(\"ALTER TYPE mood ADD VALUE IF NOT EXISTS 'ok'\")"
    file = project.revision("b2", adds, 'op.execute("SELECT 1")', down="a1")
    project.revision("c3", 'op.create_index("i", "users", ["email"])', 'op.execute("SELECT 1")', down="b2")
    plan = _planned(project)
    assert [step.proof.round_trip for step in plan.steps if step.proof] == ["same", "differs", "differs"]
    assert _rules(plan) == [("downgrade-differs", "b2"), ("downgrade-differs", "c3"), ("downgrade-lossy", "a1")]
    assert plan.blocked
    with file.open("a") as source:
        source.write("\nkeeps = (\"public.mood.'ok'\",)\n")
    project.revision("c3", 'op.create_index("i", "users", ["email"])', 'op.drop_index("i")', down="b2")
    plan = _planned(project)
    assert [(step.proof.round_trip, step.proof.data) for step in plan.steps if step.proof] == [
        ("same", "lossy"),
        ("same", "lossless"),
        ("same", "lossless"),
    ]
    assert (_rules(plan), plan.blocked) == ([("downgrade-lossy", "a1")], False)


def test_the_role_that_migrates_owns_what_its_way_back_is_tried_on(project: Project) -> None:
    """In `public` only the owner of the database may create since PostgreSQL 15; a role that only reads may plan."""
    assert project.database is not None
    owner, planner = (f"{kind} of {project.database.name}" for kind in ("owner", "planner"))
    for statement in (f'CREATE ROLE "{owner}"', f'CREATE ROLE "{planner}" LOGIN'):
        project.database.execute(statement)
    config = project.root / "erm.yaml"
    config.write_text(f"{config.read_text()}\nmigrations: {{directory: migrations, role: {owner}}}\n")
    config.write_text(config.read_text().replace("postgres@", f"{quote(planner)}@", 2))  # and not the shadow's
    plan = _planned(project)
    assert [(step.proof.round_trip, step.proof.data) for step in plan.steps if step.proof] == [("same", "lossy")]


def test_a_column_that_no_row_has_a_value_of_blocks_where_rows_stand(project: Project) -> None:
    """It is told before anything is applied: an error with its line where the target has rows, else a warning."""
    assert project.database is not None
    migrate.apply("prod", config=project.root / "erm.yaml", rehearse=False)
    needs = 'op.add_column("users", sa.Column("due", sa.Date, nullable=False))'
    project.revision("b2", needs, 'op.drop_column("users", "due")', down="a1")

    def found() -> tuple[str, int | None, bool]:
        plan = _planned(project)
        (finding,) = [each for each in plan.findings if each.rule == "upgrade-fails-on-rows"]
        return finding.severity, finding.line, plan.blocked

    assert found() == ("warning", 12, False)
    project.database.execute("INSERT INTO users VALUES (1, 'a@example.com'); ANALYZE users")
    assert found() == ("error", 12, True)
    copes = 'op.add_column("users", sa.Column("due", sa.Date, nullable=False, server_default="2030-01-01"))'
    project.revision("b2", copes, 'op.drop_column("users", "due")', down="a1")
    assert "upgrade-fails-on-rows" not in [each.rule for each in _planned(project).findings]


def test_a_rollback_counts_what_its_proof_shows_to_be_lost(project: Project) -> None:
    """No statement drops anything; the values that the way down writes over are counted where they are now."""
    project.revision(
        "b2",
        'op.alter_column("users", "email", new_column_name="mail")',
        'op.execute("UPDATE users SET mail = lower(mail)"); op.alter_column("users", "mail", new_column_name="email")',
        down="a1",
    )
    migrate.apply("prod", config=project.root / "erm.yaml", rehearse=False)
    assert project.database is not None
    project.database.execute("INSERT INTO users VALUES (1, 'A@example.com'), (2, 'B@example.com'), (3, NULL)")
    plan = migrate.plan_rollback("prod", config=project.root / "erm.yaml", rehearse=True)
    (loss,) = plan.data_loss
    assert (loss.kind, loss.object, loss.rows, loss.revision) == ("proven", "public.users.mail", 2, "b2")
    assert "data-loss" in [finding.rule for finding in plan.findings]


def test_a_rollback_over_a_rename_counts_under_the_names_of_now(project: Project) -> None:
    """A later revision has renamed both what a downgrade drops and what it writes over; odd names are only names."""
    project.revision(
        "b2",
        'op.create_table("a.b.c.d", sa.Column("id", sa.Integer))',
        'op.execute("UPDATE users SET email = lower(email)"); op.drop_table("a.b.c.d")',
        down="a1",
    )
    project.revision(
        "c3",
        'op.rename_table("a.b.c.d", "we\\"ird %s :x $$"); op.rename_table("users", "people")',
        'op.rename_table("we\\"ird %s :x $$", "a.b.c.d"); op.rename_table("people", "users")',
        down="b2",
    )
    migrate.apply("prod", config=project.root / "erm.yaml", rehearse=False)
    assert project.database is not None
    project.database.execute("INSERT INTO people VALUES (1, 'A@example.com'), (2, 'B@example.com')")
    project.database.execute('INSERT INTO "we""ird %s :x $$" VALUES (1)')
    plan = migrate.plan_rollback("prod", config=project.root / "erm.yaml", steps=2, rehearse=True)
    assert [(loss.kind, loss.object, loss.rows, loss.now) for loss in plan.data_loss] == [
        ("table", '"a.b.c.d"', 1, 'public."we""ird %s :x $$"'),
        ("proven", "public.users.email", 2, "public.people.email"),
    ]


def test_what_a_statement_shows_to_be_lost_is_counted_once(one_database: Database) -> None:
    """A proof names the same column; its odd name does not make it another one."""
    one_database.execute("CREATE TABLE \"Odd.one\" AS SELECT 'a' AS \"Val.ue\", 'b' AS kept")
    drops = (Statement('ALTER TABLE "Odd.one" DROP COLUMN "Val.ue"'),)
    proof = Proof("same", "lossy", lost=('public."Odd.one"."Val.ue"', 'public."Odd.one".kept'))
    step = Step("b2", ("a1",), "", "", "downgrade", "ok", statements=drops, proof=proof)
    with closing(connect_gated(one_database.url, "test")) as raw:
        shown = count_losses(raw, [step])
        proven = proven_losses(raw, [step])
    assert [(loss.kind, loss.object, loss.rows) for loss in (*shown, *proven)] == [
        ("column", '"Odd.one"."Val.ue"', 1),
        ("proven", 'public."Odd.one".kept', 1),
    ]
