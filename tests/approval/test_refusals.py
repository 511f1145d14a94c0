"""An approved plan is refused, before anything runs, as soon as anything of it is otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.approval.conftest import document, forge
from tests.faults.deploying import Project, tables, told
from tests.support.databases import Database, fresh_database

CHANGED = "cure:   Find out why. Then plan again, and have that approved: erm migrate --mode plan --out plan.json"
DRIFTED = (
    "cure:   Find out why. `erm drift` shows what of the schema. Then plan again, and have that approved: "
    "erm migrate --mode plan --out plan.json"
)


@pytest.fixture
def approved(project: Project) -> Project:
    """A project of which a plan was kept."""
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    return project


def refused(project: Project, database: Database, *args: str | Path) -> list[str]:
    """What is said of a plan that does not fit; nothing of it was run."""
    before = tables(database)
    done = project.apply(*(args or ("--plan", "plan.json")))
    lines = done.stderr[done.stderr.index("error: ") :].splitlines()
    assert done.returncode == 1
    assert tables(database) == before
    assert "effect: Nothing was changed." in lines
    assert "Traceback" not in done.stderr
    return lines


def test_after_a_new_revision(approved: Project, one_database: Database) -> None:
    """A revision that came after the approval is told, and nothing runs."""
    approved.table("c3", "third", down="b2")
    assert refused(approved, one_database) == [
        "error:  plan.json does not fit:",
        "        Other revisions are pending.",
        "          approved: a1, b2",
        "          found:    a1, b2, c3",
        "effect: Nothing was changed.",
        CHANGED,
    ]


def test_a_plan_to_a_revision_is_not_disturbed_by_later_ones(project: Project, one_database: Database) -> None:
    """What was asked for is part of the plan: `--to a1` means a1 whatever came after it."""
    assert project.apply("--mode", "plan", "--to", "a1", "--out", "plan.json").returncode == 0
    project.table("c3", "third", down="b2")
    assert project.apply("--plan", "plan.json").returncode == 0
    assert tables(one_database) == {"first", "alembic_version"}


def test_after_an_edited_revision(approved: Project, one_database: Database) -> None:
    """A revision of which a byte changed is named with both hashes, also where it sends the same."""
    path = approved.versions / "b2.py"
    path.write_text(path.read_text() + "# later\n")
    was = document(approved.root / "plan.json")["pending"][1]["source_hash"]
    lines = refused(approved, one_database)
    assert lines[1] == "        migrations/versions/b2.py: revision b2 was edited."
    assert lines[2] == f"          approved: SHA-256 {was[:16]}"
    assert lines[3].startswith("          found:    SHA-256 ") and lines[3] != lines[2]


def test_after_a_change_by_hand(approved: Project, one_database: Database) -> None:
    """A table that somebody made meanwhile is noticed, and all fits again when it is gone."""
    one_database.execute("CREATE TABLE by_hand (id int)")
    lines = refused(approved, one_database)
    assert lines[1] == "        The database's schema was changed by something else since it was planned."
    assert lines[-1] == DRIFTED
    one_database.execute("DROP TABLE by_hand")
    assert approved.apply("--plan", "plan.json").returncode == 0


def test_on_another_database_of_the_same_name(approved: Project, one_database: Database) -> None:
    """A database that was dropped and made again is another one, whatever it is called."""
    server, name = one_database.server, one_database.name
    with fresh_database(server) as other:  # type: ignore[arg-type]
        other.execute(f'DROP DATABASE "{name}"')
        other.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    lines = refused(approved, one_database)
    assert lines[1] == "        The database is another one."
    assert lines[2].startswith(f"          approved: {name} (number ")
    assert lines[2] != lines[3].replace("found:   ", "approved:")
    assert len(lines) == 6


def test_in_another_environment(approved: Project, one_database: Database) -> None:
    """A plan of one profile is not run as another, although both lead to the same database."""
    lines = refused(approved, one_database, "--plan", "plan.json", "--env", "prod")
    assert lines[-6:-2] == [
        "error:  plan.json does not fit:",
        "        The environment is another one.",
        "          approved: dev",
        "          found:    prod",
    ]


def test_a_statement_that_is_another_one_each_time(project: Project, one_database: Database) -> None:
    """A revision that reads the environment sends something else than was approved: both statements are shown."""
    project.revision(
        "c3",
        "import os\nop.execute(f\"CREATE TABLE {os.environ['TABLE']} (id int)\")",
        "op.execute('SELECT 1')",
        down="b2",
    )
    project.env["TABLE"] = "harmless"
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    project.env["TABLE"] = "harmful"
    lines = refused(project, one_database)
    assert lines[1:4] == [
        "        migrations/versions/c3.py:13: revision c3 sends another statement.",
        "          approved: CREATE TABLE harmless (id int)",
        "          found:    CREATE TABLE harmful (id int)",
    ]


def test_when_the_database_records_something_else(approved: Project, one_database: Database) -> None:
    """What another deployment has done meanwhile is told: the recorded revisions and what is pending."""
    assert approved.apply("--to", "a1").returncode == 0
    lines = refused(approved, one_database)
    assert lines[1:4] == [
        "        The database records other revisions.",
        "          approved: none",
        "          found:    a1",
    ]


def test_a_tampered_file(approved: Project, one_database: Database) -> None:
    """Any change of the file is noticed, also of what is only shown, and also with a new checksum."""
    path = approved.root / "plan.json"
    whole = path.read_text()
    path.write_text(whole.replace('"message": "make b2"', '"message": "make c4"'))
    assert path.read_text() != whole
    lines = refused(approved, one_database)
    assert lines[0] == "error:  plan.json was changed after it was written: its content does not fit its checksum."
    path.write_text(whole)
    forge(path, lambda found: found["pending"][1]["statements"][0].update(sql="DROP TABLE first"))
    lines = refused(approved, one_database)
    assert lines[0] == "error:  plan.json was changed after it was written: its content does not fit its checksum."


def test_a_plan_is_no_licence_for_the_other_direction(approved: Project, one_database: Database) -> None:
    """A plan for apply does not roll back; what runs nothing takes no plan; a plan takes no other orders."""
    for args, error in (
        (["--mode", "rollback", "--plan", "plan.json"], "plan.json is a plan for apply."),
        (["--mode", "plan", "--plan", "plan.json"], "--plan names a plan to run, and this command runs nothing."),
        (["--plan", "plan.json", "--out", "q.json"], "--out keeps a plan and --plan runs one."),
        (["--out", "q.json"], "--out keeps a plan and apply runs it."),
        (["--mode", "plan", "--sign-key", "k"], "--sign-key is for a plan that is kept."),
        (
            ["--plan", "plan.json", "--to", "a1"],
            "--to beside --plan: what is run, and what may pass, stands in the approved plan.",
        ),
    ):
        code, lines = told(approved.apply(*args))
        assert (code, lines[0]) == (2, f"error:  {error}")
    assert tables(one_database) == set()


def test_require_plan(project: Project, one_database: Database) -> None:
    """Where the profile asks for plans, apply and rollback without one are refused, with the two commands to type."""
    project.config("safety: {require_plan: true}")
    lines = refused(project, one_database, "--format", "json")
    assert lines == [
        "error:  The environment dev runs approved plans only (safety.require_plan).",
        "effect: Nothing was changed.",
        "cure:   Keep a plan, have it approved, then run it:",
        "          erm migrate --mode plan --out plan.json",
        "          erm migrate --plan plan.json",
    ]
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    assert project.apply("--plan", "plan.json").returncode == 0
    lines = refused(project, one_database, "--mode", "rollback")
    assert lines[-1] == "          erm migrate --mode rollback --plan plan.json"
    assert project.apply("--mode", "rollback", "--out", "down.json").returncode == 0
    down = project.apply("--mode", "rollback", "--plan", "down.json", "--format", "json")
    assert (down.returncode, json.loads(down.stdout)["outcome"]["current"]) == (0, ["a1"]), down.stderr
    assert tables(one_database) == {"first", "alembic_version"}


def test_what_may_pass_is_approved_with_the_plan(project: Project, one_database: Database) -> None:
    """A blocked plan cannot be kept; an override given with --out stands in the file, and holds when it is run."""
    project.revision("c3", "op.execute('CREATE TABLE third (id int)')", "pass", down="b2")
    code, lines = told(project.apply("--mode", "plan", "--out", "plan.json"))
    assert (code, lines[0]) == (1, "error:  Something objects to this plan, so that it cannot be approved.")
    assert not (project.root / "plan.json").exists()
    given = ("--override", "missing-downgrade", "--reason", "a seed")
    assert project.apply("--mode", "plan", "--out", "plan.json", *given).returncode == 0
    code, lines = told(project.apply("--plan", "plan.json", *given))
    assert (code, lines[0][8:]) == (
        2,
        "--override beside --plan: what is run, and what may pass, stands in the approved plan.",
    )
    assert project.apply("--plan", "plan.json").returncode == 0
    assert project.runs()[-1]["overrides"] == ["missing-downgrade: a seed"]
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}
