"""`erm status` and `erm repair` without an action: what is half done, what comes next, what could be done about it."""

from __future__ import annotations

import json

from tests.faults.deploying import SLEEPS, Project, sleeping, until
from tests.repair.halves import (
    DOWN,
    UP,
    current,
    end_sleepers,
    execute,
    half_done,
    line_of,
    mend,
    present,
    progress,
    report,
    status,
)

HOSTILE = 'x"; DROP TABLE orders; --\x1b[2J\n%s {0}'


def test_nothing_half_done_is_said(project: Project) -> None:
    """Looking where nothing is half done ends well; going a way there is a mistake of the command line."""
    looked = project.erm("repair")
    assert looked.returncode == 0
    assert looked.stdout.splitlines()[-1] == "No revision is half done."
    assert report(project)["half_done"] == []
    tried = project.erm("repair", "--resume", "--yes")
    assert (tried.returncode, tried.stderr.splitlines()[0]) == (2, "error:  No revision is half done.")
    named = project.erm("repair", "a1")
    assert (named.returncode, named.stderr.splitlines()[0]) == (2, "error:  Revision a1 is not half done.")


def test_a_half_done_revision_is_shown_with_its_next_statement(project: Project) -> None:
    """Status, plan and repair say which statements stay and which one comes next, each with its line."""
    half_done(project)
    (half,) = status(project)["half_done"]
    assert (half["revision"], half["direction"], half["committed"], half["run_id"]) == ("b2", "upgrade", 2, 2)
    assert half["last_line"] == line_of(project, "op.create_index")
    assert half["next_line"] == line_of(project, "SET NOT NULL")
    assert half["next_sql"] == "ALTER TABLE orders ALTER COLUMN note SET NOT NULL"
    assert half["obstacle"] is None
    plan = json.loads(project.apply("--mode", "plan", "--format", "json").stdout)
    assert plan["half_done"] == [half]
    assert [each["done"] for each in plan["pending"][0]["statements"]] == [True, True, False, False]
    assert [(each["rule"], each["severity"]) for each in plan["findings"]] == [("half-done-revision", "info")]


def test_mark_done_lists_what_is_taken_for_done(project: Project) -> None:
    """Before it is recorded, the statements that must have been finished by hand stand there with their lines."""
    half_done(project)
    shown = project.erm("repair").stdout.partition("--mark-done")[2].partition("--take-back")[0]
    assert "    Assumed to be done:\n" in shown
    assumed = shown.partition("Assumed to be done:\n")[2].split("\n\n")[0].splitlines()
    assert assumed[0].split()[0] == str(line_of(project, "SET NOT NULL"))
    assert [line.split(maxsplit=1)[1] for line in assumed] == [
        "ALTER TABLE orders ALTER COLUMN note SET NOT NULL",
        "CREATE TABLE last (id int)",
    ]


def test_each_way_out_shows_what_it_would_send(project: Project) -> None:
    """Resume has the rest of upgrade(), take-back the whole of downgrade(); the other two send nothing."""
    half_done(project)
    (half,) = report(project)["half_done"]
    ways = half["ways"]
    assert [way["closed"] for way in ways.values()] == [None] * 4
    assert [each["sql"] for each in ways["resume"]["statements"]] == [
        "ALTER TABLE orders ALTER COLUMN note SET NOT NULL",
        "CREATE TABLE last (id int)",
    ]
    assert [each["sql"].split()[:2] for each in ways["take-back"]["statements"]] == [
        ["DROP", "TABLE"],
        ["ALTER", "TABLE"],
        ["DROP", "INDEX"],
        ["DROP", "TABLE"],
    ]
    assert ways["mark-done"]["statements"] == ways["forget"]["statements"] == []
    assert present(project, "part", "part_id", "last") == ["part", "part_id"]


def test_looking_needs_no_right_to_write(project: Project) -> None:
    """Status, plan and repair work for a role that may only read, and write nothing."""
    half_done(project)
    role = f"reader_{project.root.name[-8:]}".replace("-", "_")
    execute(project, f'CREATE ROLE "{role}" LOGIN')
    try:
        execute(project, f'GRANT USAGE ON SCHEMA erm TO "{role}"')
        execute(project, f'GRANT SELECT ON ALL TABLES IN SCHEMA erm, public TO "{role}"')
        assert project.url is not None
        project.url = project.url.replace("postgres@", f"{role}@")
        assert status(project)["half_done"][0]["next_line"] is not None
        assert report(project)["half_done"][0]["ways"]["take-back"]["closed"] is None
        assert project.apply("--mode", "plan").returncode == 0
        assert project.erm("repair", "--take-back", "--yes").returncode == 1
    finally:
        execute(project, f'DROP OWNED BY "{role}"')
        execute(project, f'DROP ROLE "{role}"')
    assert (progress(project), present(project, "part")) == (2, ["part"])


def test_a_ledger_of_the_version_before_is_read_as_it_is(project: Project) -> None:
    """Status, plan and repair work with a ledger that has no table for progress, and do not make one."""
    execute(project, "DROP TABLE erm.progress")
    assert status(project)["half_done"] == []
    assert report(project)["half_done"] == []
    assert project.apply("--mode", "plan").returncode == 0
    assert present(project, "erm.progress") == []


def test_an_edit_closes_the_ways_that_would_be_a_guess(project: Project) -> None:
    """Other code in upgrade() closes resume; take-back stays open until downgrade() is another one too."""
    half_done(project)
    project.revision("b2", UP.replace("last", "other"), DOWN, down="a1")
    (half,) = report(project)["half_done"]
    assert half["obstacle"] == "edited"
    assert half["ways"]["resume"]["closed"].startswith("its code was edited since")
    assert half["ways"]["take-back"]["closed"] is None
    assert "cannot go on: its code was edited since" in project.erm("status").stdout
    refused = project.apply()
    assert refused.returncode == 1
    assert "error half-done-revision" in refused.stdout
    project.revision("b2", UP, DOWN.replace('op.drop_table("part")', 'op.execute("DROP TABLE part")'), down="a1")
    (half,) = report(project)["half_done"]
    assert half["ways"]["take-back"]["closed"].startswith("more than its upgrade() was edited since")
    mend(project)
    project.revision("b2", f"# a comment\n{UP}", DOWN, down="a1")
    assert status(project)["half_done"][0]["obstacle"] is None
    assert project.apply().returncode == 0


def test_a_file_that_is_gone_leaves_only_forgetting(project: Project) -> None:
    """Without the file nothing is known of the revision but what the ledger has."""
    half_done(project)
    (project.versions / "b2.py").unlink()
    (half,) = report(project)["half_done"]
    assert {action for action, way in half["ways"].items() if way["closed"] is None} == {"forget"}
    assert "cannot go on: its file is gone" in project.erm("status").stdout


def test_a_rollback_over_a_half_done_revision_is_not_trapped(project: Project) -> None:
    """It is refused with the override that lets it pass, and passes with it."""
    half_done(project)
    refused = project.apply("--mode", "rollback", "--allow-data-loss")
    assert refused.returncode == 1
    assert "--override half-done-revision --reason TEXT" in refused.stdout
    passed = project.apply(
        *("--mode", "rollback", "--allow-data-loss", "--override", "half-done-revision", "--reason", "three o'clock")
    )
    assert (passed.returncode, current(project)) == (0, [])


def test_two_half_done_revisions_on_two_branches(project: Project) -> None:
    """Both are shown, both are gone on with by one apply, and a repair asks which one is meant."""
    half_done(project)
    up = UP.replace("part", "piece").replace("last", "final")
    half_done(project, up, DOWN.replace("part", "piece").replace("last", "final"), revision="c3")
    assert {half["revision"] for half in status(project)["half_done"]} == {"b2", "c3"}
    asked = project.erm("repair", "--resume", "--yes")
    assert (asked.returncode, asked.stderr.splitlines()[0]) == (2, "error:  Several revisions are half done: b2, c3.")
    assert [half["revision"] for half in report(project, "c")["half_done"]] == ["c3"]
    mend(project)
    assert project.apply().returncode == 0
    assert (current(project), progress(project), status(project)["half_done"]) == (["b2", "c3"], 0, [])


def test_what_plain_alembic_has_recorded_since_is_not_half_done_any_more(project: Project) -> None:
    """Its notes are only good to be forgotten, and the next run forgets them."""
    half_done(project)
    execute(project, "UPDATE alembic_version SET version_num = 'b2'")
    assert status(project)["half_done"] == []
    (half,) = report(project)["half_done"]
    assert half["superseded"]
    assert "Revision b2 was half done by run 2, and Alembic has recorded it since" in project.erm("repair").stdout
    assert half["ways"]["take-back"]["closed"] == "it is not half done any more: Alembic has recorded it since"
    project.table("c3", "third", down="b2")
    assert project.apply().returncode == 0
    assert progress(project) == 0


def test_a_running_run_is_told_from_a_dead_one(project: Project) -> None:
    """While its server process holds the deploy lock a run is running; killed, it ended without a word."""
    project.revision("b2", f"{UP.strip()}\n{SLEEPS}", DOWN, down="a1")
    mend(project)
    assert project.database is not None
    with project.deploying() as deployer:
        until(lambda: sleeping(project.database))  # type: ignore[arg-type]  # it is there
        running = status(project)
        assert (running["run_state"], running["last_run"]["id"]) == ("running", 2)
        told = project.erm("status").stdout
        assert f"run 2 is running since {running['last_run']['started_at'][:10]}" in told
        assert "half done" in told and "erm migrate" not in told, "it goes on by itself"
        deployer.kill()
    until(lambda: end_sleepers(project))
    died = status(project)
    assert (died["run_state"], died["half_done"][0]["revision"]) == ("died", "b2")
    assert died["last_sign"] > died["last_run"]["started_at"]
    assert "apply ended without a word after" in project.erm("status").stdout
    project.revision("b2", UP, DOWN, down="a1")
    assert project.erm("repair", "--take-back", "--yes").returncode == 0
    assert [run["outcome"] for run in project.runs()] == ["done", "died", "done"]


def test_an_invalid_index_is_named_until_it_is_built_again(project: Project) -> None:
    """The failure's report and status name what a failed build left; the next apply makes it whole."""
    execute(project, "INSERT INTO orders VALUES (1, 'twice')")
    up = UP.replace(
        "op.create_index", 'op.create_index("one", "orders", ["id"], unique=True, OUTSIDE)\n    op.create_index'
    )
    project.revision(
        "b2", up.replace("OUTSIDE", "postgresql_concurrently=True"), f'op.drop_index("one")\n{DOWN}', down="a1"
    )
    failed = project.apply()
    words = "ndex public.one on orders is INVALID; the next run of revision b2 removes it and builds it again"
    assert (
        f"1 statement of revision b2 is committed and stays; the next run goes on behind that. I{words}."
        in failed.stdout
    )
    assert f"Invalid  i{words}" in project.erm("status").stdout.splitlines()
    assert "cut off" in project.erm("status").stdout
    execute(project, "DELETE FROM orders WHERE note IS NULL")
    assert project.apply().returncode == 0
    assert status(project)["invalid_indexes"] == []
    assert execute(project, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one'::regclass") == [(True,)]


def test_a_procedure_that_was_cut_off_closes_resume(project: Project) -> None:
    """What commits by itself may have done a part of its work: apply says so, and the other ways are open."""
    execute(
        project,
        "CREATE PROCEDURE fill() LANGUAGE plpgsql AS 'BEGIN INSERT INTO orders VALUES (2); COMMIT; ASSERT false; END'",
    )
    half_done(project, UP.replace("op.create_index", 'op.execute("CALL fill()")\n    op.create_index'))
    (half,) = report(project)["half_done"]
    assert (half["obstacle"], half["interrupted"]) == ("cut-off", "CALL fill()")
    assert {action for action, way in half["ways"].items() if way["closed"] is None} == {
        "mark-done",
        "take-back",
        "forget",
    }
    refused = project.apply()
    assert refused.returncode == 1
    assert "`CALL fill()` was under way, and that statement cannot be in a transaction" in refused.stdout


def test_a_hostile_name_cannot_act(project: Project) -> None:
    """A table's name that holds quotes, a newline and an escape code is data in every output and statement."""
    up = (
        "import sqlalchemy as sa\n"
        "with op.get_context().autocommit_block():\n"
        f"    op.create_table({HOSTILE!r}, sa.Column('id', sa.Integer))\n"
        'op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")'
    )
    down = f"op.drop_table({HOSTILE!r})"
    half_done(project, up, down)
    for args in (("status",), ("repair",), ("repair", "-v")):
        done = project.erm(*args)
        assert (done.returncode, "\x1b" in done.stdout) == (0, False)
    assert project.erm("repair", "--take-back", "--yes").returncode == 0
    assert execute(project, "SELECT count(*) FROM pg_class WHERE relname LIKE 'x%DROP TABLE%'") == [(0,)]
    assert present(project, "orders") == ["orders"]
