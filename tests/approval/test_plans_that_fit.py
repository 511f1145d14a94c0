"""A plan that was kept is run as it is: `--out` and `--plan`."""

from __future__ import annotations

import json
import stat

import jsonschema

from erm_alembic.render.schema import plan_schema
from tests.approval.conftest import document
from tests.faults.deploying import Project, tables
from tests.support.databases import Database


def test_a_kept_plan_is_the_plan_with_an_approval(project: Project, one_database: Database) -> None:
    """The file is what `--format json` prints, with one more key, readable to its owner only; nothing is written."""
    done = project.apply("--mode", "plan", "--format", "json", "--out", "plan.json")
    assert done.returncode == 0, done.stderr
    printed, kept = json.loads(done.stdout), document(project.root / "plan.json")
    approval = kept.pop("approval")
    assert kept == printed
    (oid,) = one_database.execute("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")[0]
    (system,) = one_database.execute("SELECT system_identifier::text FROM pg_control_system()")[0]
    assert approval["target"] == {
        "system_identifier": system,
        "database_oid": oid,
        "database": one_database.name,
    }
    assert (approval["version_table"], approval["schema"], approval["to"]) == (
        "public.alembic_version",
        "public",
        "heads",
    )
    assert stat.S_IMODE((project.root / "plan.json").stat().st_mode) == 0o600
    assert [path.name for path in project.root.iterdir() if path.name.startswith(".plan")] == []
    assert tables(one_database) == set()


def test_a_plan_that_still_fits_is_run_and_kept_in_the_ledger(project: Project, one_database: Database) -> None:
    """Apply runs the approved plan; a second time there is nothing to do; the ledger knows its digest."""
    # Processes order their sets differently, and that makes no other plan.
    planned = project.erm("migrate", "--mode", "plan", "--out", "plan.json", PYTHONHASHSEED="1")
    assert planned.returncode == 0, planned.stderr
    digest = document(project.root / "plan.json")["digest"]
    done = project.erm("migrate", "--plan", "plan.json", PYTHONHASHSEED="2")
    assert (done.returncode, tables(one_database)) == (0, {"first", "second", "alembic_version"}), done.stderr
    again = project.apply("--plan", "plan.json", "--format", "json")
    assert (again.returncode, json.loads(again.stdout)["outcome"]["result"]) == (0, "nothing-to-do"), again.stderr
    (run,) = project.history()
    assert run["approved"] == {"digest": digest, "signed_by": None}


def test_the_next_command_runs_the_plan_that_was_kept(project: Project) -> None:
    """The text of a plan that is kept says how it is run, and where it is."""
    done = project.apply("--mode", "plan", "--to", "a1", "--out", "plan.json")
    assert done.stdout.splitlines()[-1] == "To run it: erm migrate --env dev --plan plan.json"
    assert f"digest {document(project.root / 'plan.json')['digest']}" in done.stderr


PARTIAL = """
    op.execute("CREATE TABLE third (id int)")
    count = op.get_bind().execute(sa.text("INSERT INTO third VALUES (1) RETURNING id")).scalar()
    op.execute(f"CREATE TABLE row_{count} (id int)")
"""


def test_what_depends_on_data_is_approved_explicitly(project: Project, one_database: Database) -> None:
    """A revision that cannot be known whole is kept only when it is named."""
    project.revision("c3", PARTIAL, "op.drop_table('third')", down="b2")
    refused = project.apply("--mode", "plan", "--out", "plan.json")
    assert refused.returncode == 1
    assert "Not every statement of c3 can be known before it runs:" in refused.stderr
    assert "--approve-partial c3" in refused.stderr
    assert not (project.root / "plan.json").exists()
    unknown = project.apply("--mode", "plan", "--out", "plan.json", "--approve-partial", "zz")
    assert (unknown.returncode, "that revision is not part of this plan" in unknown.stderr) == (2, True)
    for shown in (refused.stdout, unknown.stdout):
        assert "not-kept" in shown and "Nothing objects" not in shown and "--override" not in shown
    assert project.apply("--mode", "plan", "--out", "plan.json", "--approve-partial", "c3").returncode == 0
    assert document(project.root / "plan.json")["approval"]["partial"] == [{"revision": "c3", "certain": 2}]
    done = project.apply("--plan", "plan.json")
    assert done.returncode == 0, done.stderr
    assert {"third", "row_1"} <= tables(one_database)


def test_a_divergence_within_the_run_is_not_sent(project: Project, one_database: Database) -> None:
    """A revision that sends something else when it really runs is stopped before that statement, and undone."""
    body = """
        op.execute("CREATE TABLE third (id int)")
        import pathlib
        seen = pathlib.Path("seen")
        seen.write_text(seen.read_text() + "x" if seen.exists() else "x")
        if len(seen.read_text()) > 2:
            op.execute("DROP TABLE first")
        op.execute("CREATE TABLE fourth (id int)")
    """
    project.revision("c3", body, "op.drop_table('third')", down="b2")
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    done = project.apply("--plan", "plan.json")
    assert done.returncode == 1
    said = done.stderr[done.stderr.index("error: ") :].splitlines()
    assert said[:3] == [
        "error:  migrations/versions/c3.py:17: revision c3 sends another statement than plan.json has.",
        "          approved: CREATE TABLE fourth (id int)",
        "          found:    DROP TABLE first",
    ]
    assert said[3] == (
        "effect: It was not sent. The transaction under way of revision c3 was undone; what stands before it stays."
    )
    assert tables(one_database) == {"first", "second", "alembic_version"}


def test_the_file_conforms_to_the_schema(project: Project) -> None:
    """What is kept conforms to the schema of the plan, approval included."""
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    found, schema = document(project.root / "plan.json"), plan_schema()
    jsonschema.Draft202012Validator(schema).validate(found)
    del found["approval"]["checksum"]
    assert not jsonschema.Draft202012Validator(schema).is_valid(found)
