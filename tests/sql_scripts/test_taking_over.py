"""What another tool has run on a database comes into alembic_version and the ledger."""

from __future__ import annotations

import contextlib
import signal

import pytest

from erm_alembic.errors import ErmError
from erm_alembic.migrate import apply
from tests.faults.deploying import advisory_locks, tables, told, until
from tests.sql_scripts.building import SqlProject
from tests.sql_scripts.directories import DBMATE, GO_ERM, GOLANG, LAYOUTS, TABLES, A, imported, run_by_the_other_tool
from tests.support.databases import Database


def test_a_second_import_changes_nothing(project: SqlProject, one_database: Database) -> None:
    """Neither files nor database; nor does one after erm went on, or took revisions back."""
    folder = project.directory(GOLANG)
    run_by_the_other_tool(one_database, "golang-migrate")
    states = []
    for follow in (lambda: None, lambda: None, project.applied, project.rolled_back):
        follow()
        before = project.written()
        stamped = imported(folder, "dev").stamped
        assert stamped is not None
        states.append(stamped.state)
        assert len(states) == 1 or project.written() == before
    assert states == ["stamped", "already", "ahead", "taken-back"]
    assert project.plan().current == ()
    assert [run["mode"] for run in project.runs()] == ["import", "apply", "rollback"]


def test_what_the_other_tool_ran_later_is_taken_over_by_the_nextimported(
    project: SqlProject, one_database: Database
) -> None:
    """New files are added behind the old ones, and the stamp moves on."""
    folder = project.directory(GOLANG)
    run_by_the_other_tool(one_database, "golang-migrate")
    imported(folder, "dev")
    project.directory({"000005_more.up.sql": "CREATE TABLE d (id int);", "000005_more.down.sql": "DROP TABLE d;"})
    one_database.execute("UPDATE schema_migrations SET version = 5")
    again = imported(folder, "dev")
    assert [step.state for step in again.adoption.steps] == ["there", "there", "there", "write"]
    assert project.plan().current == ("000005",)
    assert [len(run["revisions"]) for run in project.runs()] == [2, 2]


@pytest.mark.parametrize("tool", LAYOUTS)
def test_a_history_that_was_not_taken_over_blocks_apply(project: SqlProject, one_database: Database, tool: str) -> None:
    """Until the import with --env: what was run would be run again. What erm has taken back may be applied again."""
    folder = project.directory(LAYOUTS[tool])
    run_by_the_other_tool(one_database, tool)
    imported(folder)
    refused = apply()
    assert refused.outcome.result == "refused"
    assert [finding.rule for finding in refused.plan.findings] == ["foreign-history"]
    imported(folder, "dev")
    assert project.applied().result == "done"
    assert project.rolled_back().result == "done"
    assert project.applied().result == "done"


def test_a_database_that_the_other_tool_never_saw_starts_at_the_beginning(project: SqlProject) -> None:
    """Nothing is stamped, and apply runs them all."""
    done = imported(project.directory(DBMATE), "dev")
    assert done.stamped is not None and (done.stamped.state, done.stamped.taken.table) == ("nothing", None)
    assert project.applied().result == "done"


def test_names_of_golang_migrate_with_the_history_of_go_erm(project: SqlProject, one_database: Database) -> None:
    """The Go erm runs such files too; the table in the database tells."""
    folder = project.directory(GOLANG)
    for statement in TABLES["erm"]:
        one_database.execute(statement.replace("'001'", "'000001'").replace("'002'", "'000002'"))
    stamped = imported(folder, "dev").stamped
    assert stamped is not None and (stamped.state, stamped.current) == ("stamped", ("000002",))
    started = one_database.execute("SELECT started_at::date::text FROM erm.revision ORDER BY id")
    assert started == [("2024-05-01",), ("2024-05-02",)]


def test_a_table_elsewhere_is_found_or_asked_for(project: SqlProject, one_database: Database) -> None:
    """One in another schema is found; of several, none on the search path, one must be named."""
    folder = project.directory(GOLANG)
    for schema in ("old %s", "new"):
        one_database.execute(f'CREATE SCHEMA "{schema}"')
    create, insert = TABLES["golang-migrate"]
    one_database.execute(create.replace("schema_migrations", '"old %s".schema_migrations'))
    one_database.execute(insert.replace("schema_migrations", '"old %s".schema_migrations'))
    taken = imported(folder, "dev", write=False).taken
    assert taken is not None and (taken.table, taken.revision) == ("old %s.schema_migrations", "000002")
    one_database.execute(create.replace("schema_migrations", "new.schema_migrations"))
    with pytest.raises(ErmError, match="Several schemas have a table schema_migrations: new, old %s"):
        imported(folder, "dev", write=False)
    taken = imported(folder, "dev", write=False, table="new.schema_migrations").taken
    assert taken is not None and (taken.table, taken.revision) == ("new.schema_migrations", None)


@pytest.mark.parametrize(
    ("tool", "change", "said"),
    [
        ("golang-migrate", "UPDATE schema_migrations SET dirty = true", "version 2 did not come to its end (dirty)"),
        ("golang-migrate", "UPDATE schema_migrations SET version = 9", "version 9, of which there is no script"),
        ("golang-migrate", "ALTER TABLE schema_migrations DROP COLUMN dirty", "is not golang-migrate's"),
        ("golang-migrate", "ALTER TABLE schema_migrations RENAME version TO number", "has no column for the version"),
        ("dbmate", "UPDATE schema_migrations SET version = '20240103120000' WHERE version LIKE '%02120000'", "but not"),
        ("dbmate", "DELETE FROM schema_migrations WHERE version LIKE '%01120000'", "but not 20240101120000"),
        ("erm", "INSERT INTO erm_schema_migrations VALUES ('099')", "version 099, of which there is no script"),
    ],
)
def test_a_history_that_revisions_cannot_have_is_refused_before_anything_is_written(
    project: SqlProject, one_database: Database, tool: str, change: str, said: str
) -> None:
    """Half-done, unknown, out of order: what it is, and what to do."""
    folder = project.directory(LAYOUTS[tool])
    run_by_the_other_tool(one_database, tool)
    one_database.execute(change)
    before = project.written()
    with pytest.raises(ErmError) as raised:
        imported(folder, "dev")
    assert said in str(raised.value) and raised.value.cure
    assert project.written() == before and "alembic_version" not in tables(one_database)


def test_checksums_tell_of_an_edit_where_their_kind_is_known(project: SqlProject, one_database: Database) -> None:
    """A table that has them is read by its columns."""
    folder = project.directory(GO_ERM)
    one_database.execute(
        "CREATE TABLE erm_schema_migrations (version bigint, name text, checksum text, applied_at date)"
    )
    insert = "INSERT INTO erm_schema_migrations VALUES (1, 'make_a', encode(sha256(%s), 'hex')), (2, 'make_b', %s)"
    one_database.execute(insert, A.encode(), "0" * 64)
    taken = imported(folder, "dev", write=False).taken
    assert taken is not None and taken.revision == "002"
    assert taken.notes == ("002-make-b.sql was edited after it was run: its checksum is another one",)


def test_a_database_of_another_environment_or_place_is_refused(project: SqlProject, one_database: Database) -> None:
    """As by apply: the URL may be the wrong one."""
    folder = project.directory(GOLANG)
    project.config("database: {environments: {dev: {}, prod: {}}}\n")
    run_by_the_other_tool(one_database, "golang-migrate")
    imported(folder, "dev")
    done = project.erm("import-sql", folder, "--env", "prod")
    code, lines = told(done)
    assert code == 1 and "was deployed as dev; you asked for --env prod" in lines[0]
    assert project.erm("import-sql", folder, "--env", "prod", "--accept-environment").returncode == 0
    one_database.execute("UPDATE alembic_version SET version_num = 'zzzz'")
    with pytest.raises(ErmError, match="The database records zzzz, which is not on the way to 000002"):
        imported(folder, "dev")


def test_the_deploy_lock_is_waited_for(project: SqlProject, one_database: Database) -> None:
    """While a deployment runs, nothing is stamped."""
    folder = project.directory(GOLANG)
    run_by_the_other_tool(one_database, "golang-migrate")
    holder = one_database.connect()
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [0x65726D, 1])
        with pytest.raises(ErmError, match="deploy lock"):
            imported(folder, "dev", wait=0.0)
        assert "alembic_version" not in tables(one_database)
    finally:
        holder.close()
    stamped = imported(folder, "dev").stamped
    assert stamped is not None and stamped.state == "stamped"


def test_a_signal_while_it_waits_for_the_lock_ends_it_at_once(project: SqlProject, one_database: Database) -> None:
    """The database is as it was, and the command says so; the same command goes on later."""
    folder = project.directory(GOLANG)
    run_by_the_other_tool(one_database, "golang-migrate")
    with contextlib.closing(one_database.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [0x65726D, 1])
        with project.running("import-sql", folder, "--env", "dev", "--wait", "5m") as importer:
            assert importer.process.stderr is not None
            assert importer.process.stderr.readline().startswith("Waiting for the deploy lock, held by pid ")
            importer.signal(signal.SIGTERM)
            code, out, err = importer.ended()
    assert (code, out) == (143, "")
    assert err.splitlines()[:2] == ["error:  Interrupted by SIGTERM.", "effect: The database was not changed."]
    assert "alembic_version" not in tables(one_database)
    assert project.erm("import-sql", folder, "--env", "dev").returncode == 0


def test_a_signal_while_a_statement_waits_cancels_it(project: SqlProject, one_database: Database) -> None:
    """Also one of the stamping itself: nothing of it stays, neither a record nor the deploy lock."""
    folder = project.directory(GOLANG)
    run_by_the_other_tool(one_database, "golang-migrate")
    project.config("database: {environments: {dev: {}}}\nexecution: {lock_timeout: 0s}\n")
    one_database.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    holder = one_database.connect()
    try:
        holder.autocommit = False
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE alembic_version IN SHARE MODE")
        with project.running("import-sql", folder, "--env", "dev") as importer:
            importer.until(lambda: one_database.execute(waiting))
            importer.signal(signal.SIGINT)
            code, _, err = importer.ended()
    finally:
        holder.close()
    assert code == 130 and err.splitlines()[-2] == "effect: The database was not changed.", err
    until(lambda: advisory_locks(one_database) == 0)
    assert one_database.execute("SELECT 1 FROM alembic_version") == []
    assert project.runs() == []


def test_it_waits_no_longer_for_a_lock_than_a_deployment_does(project: SqlProject, one_database: Database) -> None:
    """Whoever uses the version table is not held up for longer than lock_timeout."""
    folder = project.directory(GOLANG)
    run_by_the_other_tool(one_database, "golang-migrate")
    project.config("database: {environments: {dev: {}}}\nexecution: {lock_timeout: 100ms}\n")
    one_database.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    holder = one_database.connect()
    try:
        holder.autocommit = False
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE alembic_version IN SHARE MODE")
        with pytest.raises(ErmError, match="lock timeout"):
            imported(folder, "dev")
    finally:
        holder.close()
    assert one_database.execute("SELECT 1 FROM alembic_version") == []


def test_env_py_gets_the_options_of_alembic(project: SqlProject, one_database: Database) -> None:
    """`-x`, `--tag` and `--name` reach it, as in every other command that runs it."""
    folder = project.directory(GOLANG)
    run_by_the_other_tool(one_database, "golang-migrate")
    env_py = project.root / "migrations" / "env.py"
    told_by_env = (
        "import pathlib\nfrom alembic import context\n"
        "got = context.get_x_argument(as_dictionary=True), context.get_tag_argument()\n"
        "pathlib.Path('told').write_text(repr(got))\n"
    )
    env_py.write_text(told_by_env + env_py.read_text(encoding="utf-8"), encoding="utf-8")
    done = project.erm("import-sql", folder, "--env", "dev", "-x", "tenant=eu", "--tag", "r7", "--name", "alembic")
    assert done.returncode == 0, done.stderr
    assert (project.root / "told").read_text() == "({'tenant': 'eu'}, 'r7')"
