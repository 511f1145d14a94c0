"""A plan that was kept is run as it is: `--out` and `--plan`."""

from __future__ import annotations

import json
import stat

from tests.approval.conftest import document
from tests.faults.deploying import Project, tables, told
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
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    digest = document(project.root / "plan.json")["digest"]
    done = project.apply("--plan", "plan.json")
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
