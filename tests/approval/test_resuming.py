"""An approved run that was cut off is gone on with by the same plan, unless something else has touched the schema."""

from __future__ import annotations

import json

from tests.faults.deploying import HOLDS, Project, tables, until
from tests.support.databases import Database

WAITS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted"
INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


def killed(project: Project, database: Database, condition: str, *args: str) -> None:
    """Run the approved plan, which waits for a lock, and kill it as soon as a query answers something other than 0.

    Args:
        project: the project.
        database: its database.
        condition: the query.
        args: what `erm migrate` is given.
    """
    holder = database.connect()
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(42)")
        with project.deploying("--plan", "plan.json", *args) as deployer:
            deployer.until(lambda: database.execute(condition)[0][0])
            deployer.kill()
    holder.close()


def all_gone(database: Database) -> None:
    """End what the server still does for a deployer that was killed, and wait until it has ended."""
    left = "FROM pg_stat_activity WHERE application_name LIKE 'erm %' AND datname = current_database()"
    database.execute(f"SELECT pg_terminate_backend(pid) {left}")
    until(lambda: database.execute(f"SELECT count(*) = 0 {left}")[0][0])


def result(project: Project, *args: str) -> tuple[int, str]:
    """The exit code of running the approved plan, and its stderr."""
    assert project.database is not None
    all_gone(project.database)
    done = project.apply("--plan", "plan.json", *args)
    return done.returncode, done.stderr


def test_between_two_revisions(project: Project, one_database: Database) -> None:
    """Killed in its second revision, the plan goes on there; the ledger has one digest for both runs."""
    project.revision("c3", f"op.create_table('third', sa.Column('id', sa.Integer))\n{HOLDS}", down="b2")
    assert project.apply("--mode", "plan", "--to", "+3", "--out", "plan.json").returncode == 0
    killed(project, one_database, WAITS)
    assert tables(one_database) == {"first", "second", "alembic_version"}
    code, said = result(project)
    assert code == 0, said
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}
    one, other = project.history()
    assert one["approved"] == other["approved"]
    assert [each["revision"] for each in other["revisions"]] == ["c3"]


def test_not_after_a_change_by_hand(project: Project, one_database: Database) -> None:
    """What was changed between the kill and the next run is told; the rest of the plan waits until it is taken back."""
    project.revision("c3", HOLDS, down="b2")
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    killed(project, one_database, WAITS)
    one_database.execute("ALTER TABLE first ADD by_hand int")
    code, said = result(project)
    assert code == 1
    assert "The database's schema was changed by something else since the run of this plan that was cut off." in said
    one_database.execute("ALTER TABLE first DROP by_hand")
    code, said = result(project)
    assert code == 0, said


def test_within_a_revision_that_commits(project: Project, one_database: Database) -> None:
    """Killed after a commit of its own, a revision is gone on with: what is committed is not sent again."""
    body = f"""
        with op.get_context().autocommit_block():
            op.execute("CREATE TABLE third (id int)")
            op.execute("CREATE TABLE fourth (id int)")
        {HOLDS}
        op.execute("CREATE TABLE fifth (id int)")
    """
    project.revision("c3", body, down="b2")
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    killed(project, one_database, WAITS)
    assert "fourth" in tables(one_database) and "fifth" not in tables(one_database)
    one_database.execute("CREATE TABLE by_hand (id int)")
    code, said = result(project)
    assert (code, "changed by something else since the run of this plan" in said) == (1, True), said
    one_database.execute("DROP TABLE by_hand")
    code, said = result(project)
    assert (code, "fifth" in tables(one_database)) == (0, True), said


def test_within_a_concurrent_index_build(project: Project, one_database: Database) -> None:
    """Killed in the middle of a build, the plan goes on, although an INVALID index was left behind."""
    body = """
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY slow ON first (id)")
    """
    project.revision("c3", body, "op.drop_index('slow')", down="b2")
    assert project.apply("--to", "b2").returncode == 0
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    reader = one_database.connect()
    with reader.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE first IN ROW EXCLUSIVE MODE")
        killed(project, one_database, INVALID)
        cursor.execute("ROLLBACK")
    reader.close()
    one_database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'erm %'")
    code, said = result(project)
    assert code == 0, said
    assert one_database.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'slow'::regclass") == [(True,)]


def test_a_rollback_that_counts(project: Project, one_database: Database) -> None:
    """A plan of `--steps 2` that was cut off after one goes on with the other one, and not with a third."""
    project.revision("c3", "op.execute('CREATE TABLE third (id int)')", "op.drop_table('third')", down="b2")
    project.revision("d4", "op.execute('CREATE TABLE fourth (id int)')", "op.drop_table('fourth')", down="c3")
    path = project.versions / "c3.py"
    path.write_text(path.read_text().replace("    op.drop_table('third')", f"    op.drop_table('third')\n    {HOLDS}"))
    assert project.apply().returncode == 0
    kept = project.apply("--mode", "rollback", "--steps", "2", "--out", "plan.json", "--allow-data-loss")
    assert kept.returncode == 0, kept.stdout
    killed(project, one_database, WAITS, "--mode", "rollback")
    all_gone(one_database)
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}
    for outcome in ("done", "nothing-to-do"):
        done = project.apply("--mode", "rollback", "--plan", "plan.json", "--format", "json")
        assert json.loads(done.stdout)["outcome"]["result"] == outcome, done.stderr
        assert tables(one_database) == {"first", "second", "alembic_version"}
