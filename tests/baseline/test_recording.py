"""A database is recorded as having a revision only where it has what that makes."""

from __future__ import annotations

import json

from tests.baseline.test_every_kind import answer
from tests.faults.deploying import Project, advisory_locks, told
from tests.support.databases import Database, fresh_database


def versions(database: Database) -> list[str]:
    """What the database records; nothing where it has no version table."""
    if database.execute("SELECT to_regclass('alembic_version') IS NULL") == [(True,)]:
        return []
    return [row[0] for row in database.execute("SELECT version_num FROM alembic_version")]


def test_a_database_that_differs_is_not_recorded(project: Project, one_database: Database) -> None:
    """What differs is named; an override records it all the same, and the ledger keeps why."""
    project.table("a1", "users")
    project.table("b2", "orders", down="a1")
    one_database.execute("CREATE TABLE users (id serial PRIMARY KEY); CREATE TABLE odd (x integer)")
    refused = project.erm("baseline", "--record", "--yes", ERM_NO_SHADOW=None)
    assert (refused.returncode, versions(one_database)) == (1, [])
    assert "error:  The database is not what a1 makes; it differs in table public.odd." in refused.stderr
    assert one_database.execute("SELECT to_regnamespace('erm') IS NULL") == [(True,)]
    why = ("--override", "schema-drift", "--reason", "odd is going away")
    code, told_, _ = answer(project, "baseline", "--record", "--yes", *why)
    assert (code, told_["state"], versions(one_database)) == (0, "recorded", ["a1"])
    assert project.runs()[0]["overrides"] == ["schema-drift: odd is going away"]
    assert advisory_locks(one_database) == 0


def test_any_revision_may_be_recorded_with_those_before_it(project: Project, one_database: Database) -> None:
    """The ledger has each of them, so that an edit of one is noticed; apply goes on behind the last."""
    project.table("a1", "users")
    project.table("b2", "orders", down="a1")
    project.table("c3", "rates", down="b2")
    one_database.execute("CREATE TABLE users (id serial PRIMARY KEY); CREATE TABLE orders (id serial PRIMARY KEY)")
    code, told_, err = answer(project, "baseline", "--record", "--to", "b2", "--yes")
    assert (code, told_["state"]) == (0, "recorded"), err
    assert [row["revision"] for row in project.runs()[0]["revisions"]] == ["a1", "b2"]
    plan = json.loads(project.erm("migrate", "--mode", "plan", "--format", "json").stdout)
    assert "edited-revision" not in json.dumps(plan["findings"])
    assert project.apply().returncode == 0
    assert answer(project, "baseline", "--record", "--to", "c3", "--yes")[1]["state"] == "already"
    assert answer(project, "baseline", "--record", "--yes")[1]["state"] == "ahead"


def test_nobody_to_ask_means_no(project: Project, one_database: Database) -> None:
    """Without a terminal and --yes, the revision is written and the database left alone; --record alone is refused."""
    one_database.execute("CREATE TABLE users (id integer)")
    code, told_, err = answer(project, "baseline")
    assert (code, told_["state"], versions(one_database)) == (0, "looked", [])
    assert "To record it: erm baseline --record" in err
    done = project.erm("baseline", "--record", ERM_NO_SHADOW=None)
    assert done.returncode == 2 and "there is no terminal to answer" in done.stderr
    assert versions(one_database) == []


def test_a_project_or_a_database_with_a_history_is_refused(project: Project, one_database: Database) -> None:
    """Nothing is written over a beginning that is there; a base of its own may stand beside it."""
    project.table("a1", "users")
    files = sorted(project.versions.iterdir())
    done = project.erm("baseline", "--yes", ERM_NO_SHADOW=None)
    code, lines = told(done)
    assert code == 1 and lines[0] == "error:  The project has revisions already."
    assert "--another-base" in lines[2]
    assert project.apply().returncode == 0
    (project.versions / "a1.py").unlink()
    done = project.erm("baseline", "--yes", ERM_NO_SHADOW=None)
    assert done.returncode == 1 and "The database records revision a1 already." in done.stderr
    assert [path for path in project.versions.iterdir() if path.suffix] == []
    assert len(files) == 1
    with fresh_database(one_database.server) as other:
        project.table("a1", "users")
        other.execute("CREATE TABLE other (id integer)")
        code, told_, err = answer(project, "baseline", "--another-base", "--yes", url=other.url)
        assert (code, told_["state"]) == (0, "recorded"), err
        assert told_["revision"] != "a1" and versions(other) == [told_["revision"]]


def test_what_cannot_be_replayed_is_not_kept(project: Project, one_database: Database) -> None:
    """A script that fails in the shadow is taken away again, with the reason; --unproven keeps it."""
    # A view over a table whose owner-only check fails while it is filled makes the replay fail.
    one_database.execute("CREATE TABLE t (a integer)")
    one_database.execute(
        "CREATE FUNCTION fails() RETURNS integer LANGUAGE plpgsql AS "
        "$$ BEGIN IF to_regclass('public.t') IS NULL THEN RETURN 1; END IF; "
        "IF (SELECT count(*) FROM public.t) = 0 THEN RAISE 'no rows'; END IF; RETURN 1; END $$"
    )
    one_database.execute("INSERT INTO t VALUES (1)")
    one_database.execute("CREATE MATERIALIZED VIEW m AS SELECT fails() AS f")
    done = project.erm("baseline", "--yes", ERM_NO_SHADOW=None)
    assert done.returncode == 1
    assert "The revision was not proven" in done.stderr and "no rows" in done.stderr
    assert [path for path in project.versions.iterdir() if path.suffix] == []
    code, told_, _ = answer(project, "baseline", "--unproven", "--yes")
    assert (code, told_["proof"]["verdict"], told_["state"]) == (1, "unknown", None)
    assert (project.versions / "001_baseline.sql").exists() and versions(one_database) == []


def test_a_dry_run_prints_the_script(project: Project, one_database: Database) -> None:
    """Nothing else is on stdout, and nothing is written."""
    one_database.execute("CREATE TABLE users (id integer)")
    done = project.erm("baseline", "--dry-run", "--with-data", "nosuch")
    assert done.returncode == 2 and "--with-data nosuch: there is no such table." in done.stderr
    done = project.erm("baseline", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("-- What ") and "CREATE TABLE public.users" in done.stdout
    assert list(project.versions.iterdir()) == [] and versions(one_database) == []
