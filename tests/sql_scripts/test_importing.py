"""Directories of golang-migrate, dbmate and the Go erm become revisions, with what was run on a database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from erm_alembic.checks.overrides import Override
from erm_alembic.errors import ErmError
from erm_alembic.generate import Imported, import_sql
from erm_alembic.migrate import apply
from erm_alembic.revisions.sql.adopting import plan_adoption
from erm_alembic.revisions.sql.layouts import read_directory
from tests.faults.deploying import tables, told
from tests.sql_scripts.building import SqlProject
from tests.sql_scripts.plain import plain_alembic
from tests.support.databases import Database

Files = dict[str, str | bytes]

A, NO_A = "CREATE TABLE a (id int);\n", "DROP TABLE a;\n"
B, NO_B = "BEGIN;\nCREATE TABLE b (t text DEFAULT '5%');\nCOMMIT;\n", "DROP TABLE b;\n"
C, NO_C = "CREATE INDEX CONCURRENTLY c ON a (id);\n", "DROP INDEX CONCURRENTLY c;\n"

GOLANG: Files = {
    "000001_make_a.up.sql": A,
    "000001_make_a.down.sql": NO_A,
    "000002_make_b.up.sql": B,
    "000002_make_b.down.sql": NO_B,
    "000004_index.up.sql": C,
    "000004_index.down.sql": NO_C,
}
DBMATE: Files = {
    "20240101120000_make_a.sql": f"-- migrate:up\n{A}\n-- migrate:down\n{NO_A}",
    "20240102120000_make_b.sql": "-- migrate:up\nCREATE TABLE b (t text);\n\n-- migrate:down\nDROP TABLE b;\n",
    "20240103120000_index.sql": f"-- migrate:up transaction:false\n{C}\n-- migrate:down transaction:false\n{NO_C}",
}
GO_ERM: Files = {
    "001_make_a.sql": A,
    "001_make_a_down.sql": NO_A,
    "002-make-b.sql": B,
    "002-make-b-down.sql": NO_B,
    "010.sql": C,
    "010.down.sql": NO_C,
}
# As the tools themselves make their tables and write to them; two of three migrations were run.
TABLES = {
    "golang-migrate": (
        "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
        "INSERT INTO schema_migrations VALUES (2, false)",
    ),
    "dbmate": (
        "CREATE TABLE schema_migrations (version varchar PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('20240101120000'), ('20240102120000')",
    ),
    "erm": (
        "CREATE TABLE erm_schema_migrations (version text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
        "INSERT INTO erm_schema_migrations VALUES ('001', '2024-05-01 12:00+00'), ('002', '2024-05-02 12:00+00')",
    ),
}
LAYOUTS = {"golang-migrate": GOLANG, "dbmate": DBMATE, "erm": GO_ERM}


def _run_by_the_other_tool(database: Database, tool: str) -> None:
    for statement in ("CREATE TABLE a (id int)", "CREATE TABLE b (t text)", *TABLES[tool]):
        database.execute(statement)


def _import(folder: Path, env: str | None = None, **options: object) -> Imported:
    return import_sql(folder, env, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("tool", LAYOUTS)
def test_a_directory_is_taken_over_and_runs_on(
    project: SqlProject, one_database: Database, packages: Path, tool: str
) -> None:
    """Its files become revisions, its history alembic_version and the ledger; erm and plain Alembic go on."""
    folder = project.directory(LAYOUTS[tool])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    _run_by_the_other_tool(one_database, tool)
    done = _import(folder, "dev")
    versions = [migration.version for migration in done.source.migrations]
    assert done.source.layout.name == tool
    assert done.stamped is not None and (done.stamped.state, done.stamped.current) == ("stamped", (versions[1],))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    plan = project.plan()
    assert (plan.current, [step.revision for step in plan.steps]) == ((versions[1],), [versions[2]])
    assert (plan.drift, plan.findings, plan.steps[0].transactional) == ((), (), False)
    imported = project.runs()[0]
    assert (imported["mode"], imported["outcome"]) == ("import", "done")
    assert [row["revision"] for row in imported["revisions"]] == versions[:2]
    assert project.applied().result == "done"
    assert project.rolled_back().result == "done"
    history = TABLES[tool][0].split()[2]
    assert tables(one_database) == {"alembic_version", history}
    for arguments in (("upgrade", "head"), ("downgrade", "base"), ("upgrade", "head")):
        plain = plain_alembic(packages, project.root, *arguments)
        assert plain.returncode == 0, plain.stderr
    assert tables(one_database) == {"alembic_version", history, "a", "b"}
    assert one_database.execute("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid") == [(1,)]


def test_the_command_shows_each_step_and_a_dry_run_writes_nothing(project: SqlProject, one_database: Database) -> None:
    """What is written, what is left out, what the database has."""
    folder = project.directory({**GOLANG, "seed.sql": "SELECT 1;", "000005_late.up.sql": "SELECT 1;"})
    _run_by_the_other_tool(one_database, "golang-migrate")
    before = project.written()
    looked = project.erm("import-sql", folder, "--env", "dev", "--dry-run", "--from", "golang-migrate")
    assert looked.returncode == 0, looked.stderr
    assert looked.stdout == (
        "golang-migrate: 4 migrations\n"
        "  write    000001  migrations/versions/000001_make_a.py\n"
        "  write    000002  migrations/versions/000002_make_b.py\n"
        "  write    000004  migrations/versions/000004_index.py\n"
        "  write    000005  migrations/versions/000005_late.py\n"
        "                   no down script: it cannot be rolled back (missing-downgrade)\n"
        "Left out, none of its scripts: seed.sql\n"
        "Not in the sequence: 3; revisions need no sequence.\n"
        "dev: public.schema_migrations says that 2 migrations ran, up to 000002; alembic_version would record it.\n"
    )
    assert project.written() == before and "alembic_version" not in tables(one_database)
    done = project.erm("import-sql", folder, "--env", "dev")
    assert done.returncode == 0 and "  written  000001  migrations/versions/000001_make_a.py\n" in done.stdout
    assert "alembic_version and the ledger record it now. public.schema_migrations is left as it is." in done.stdout
    assert project.erm("history").stdout.count("import done") == 1


def test_a_second_import_changes_nothing(project: SqlProject, one_database: Database) -> None:
    """Neither files nor database; nor does one after erm went on, or took revisions back."""
    folder = project.directory(GOLANG)
    _run_by_the_other_tool(one_database, "golang-migrate")
    states = []
    for follow in (lambda: None, lambda: None, project.applied, project.rolled_back):
        follow()
        before = project.written()
        stamped = _import(folder, "dev").stamped
        assert stamped is not None
        states.append(stamped.state)
        assert len(states) == 1 or project.written() == before
    assert states == ["stamped", "already", "ahead", "taken-back"]
    assert project.plan().current == ()
    assert [run["mode"] for run in project.runs()] == ["import", "apply", "rollback"]


def test_what_the_other_tool_ran_later_is_taken_over_by_the_next_import(
    project: SqlProject, one_database: Database
) -> None:
    """New files are added behind the old ones, and the stamp moves on."""
    folder = project.directory(GOLANG)
    _run_by_the_other_tool(one_database, "golang-migrate")
    _import(folder, "dev")
    project.directory({"000005_more.up.sql": "CREATE TABLE d (id int);", "000005_more.down.sql": "DROP TABLE d;"})
    one_database.execute("UPDATE schema_migrations SET version = 5")
    again = _import(folder, "dev")
    assert [step.state for step in again.adoption.steps] == ["there", "there", "there", "write"]
    assert project.plan().current == ("000005",)
    assert [len(run["revisions"]) for run in project.runs()] == [2, 2]


@pytest.mark.parametrize("tool", LAYOUTS)
def test_a_history_that_was_not_taken_over_blocks_apply(project: SqlProject, one_database: Database, tool: str) -> None:
    """Until the import with --env: what was run would be run again. What erm has taken back may be applied again."""
    folder = project.directory(LAYOUTS[tool])
    _run_by_the_other_tool(one_database, tool)
    _import(folder)
    refused = apply()
    assert refused.outcome.result == "refused"
    assert [finding.rule for finding in refused.plan.findings] == ["foreign-history"]
    _import(folder, "dev")
    assert project.applied().result == "done"
    assert project.rolled_back().result == "done"
    assert project.applied().result == "done"


def test_a_database_that_the_other_tool_never_saw_starts_at_the_beginning(project: SqlProject) -> None:
    """Nothing is stamped, and apply runs them all."""
    done = _import(project.directory(DBMATE), "dev")
    assert done.stamped is not None and (done.stamped.state, done.stamped.taken.table) == ("nothing", None)
    assert project.applied().result == "done"


def test_scripts_that_stand_in_the_version_location_stay_where_they_are(project: SqlProject) -> None:
    """Only the small revision files and the runner are added."""
    for name, content in GO_ERM.items():
        (project.versions / name).write_text(str(content), encoding="utf-8")
    before = set(project.written())
    _import(project.versions)
    assert set(project.written()) - before == {
        "sql_scripts.py",
        "versions/001_make_a.py",
        "versions/002-make-b.py",
        "versions/010.py",
    }
    assert project.applied().result == "done"


def test_names_of_golang_migrate_with_the_history_of_go_erm(project: SqlProject, one_database: Database) -> None:
    """The Go erm runs such files too; the table in the database tells."""
    folder = project.directory(GOLANG)
    for statement in TABLES["erm"]:
        one_database.execute(statement.replace("'001'", "'000001'").replace("'002'", "'000002'"))
    stamped = _import(folder, "dev").stamped
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
    taken = _import(folder, "dev", write=False).taken
    assert taken is not None and (taken.table, taken.revision) == ("old %s.schema_migrations", "000002")
    one_database.execute(create.replace("schema_migrations", "new.schema_migrations"))
    with pytest.raises(ErmError, match="Several schemas have a table schema_migrations: new, old %s"):
        _import(folder, "dev", write=False)
    taken = _import(folder, "dev", write=False, table="new.schema_migrations").taken
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
    _run_by_the_other_tool(one_database, tool)
    one_database.execute(change)
    before = project.written()
    with pytest.raises(ErmError) as raised:
        _import(folder, "dev")
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
    taken = _import(folder, "dev", write=False).taken
    assert taken is not None and taken.revision == "002"
    assert taken.notes == ("002-make-b.sql was edited after it was run: its checksum is another one",)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"1_a.up.sql": A, "01_b.up.sql": B}, ["version 1 occurs 2 times (01_b.up.sql, 1_a.up.sql)"]),
        ({"1_a.up.sql": A, "2_b.down.sql": B}, ["2_b.down.sql: there is no script on the way up for it"]),
        ({"1_a.up.sql": A, "2_b.sql": B}, ["scripts of several tools (golang-migrate: 1_a.up.sql; erm: 2_b.sql)"]),
        ({"a.sql": A}, ["has no scripts"]),
        ({"1_a\nb.sql": A}, ["the name has a character that cannot be printed"]),
        (
            {"1_a.sql": "COPY a FROM stdin;\n", "2_b.sql": b"SELECT '\xe9';"},
            ["1_a.sql:1:1: COPY", "2_b.sql:1:9: the byte"],
        ),
        ({f"{'1' * 33}_a.sql": A}, ["a version of more than 32 characters"]),
        ({"1_a.sql": "-- migrate:down\nDROP TABLE a;"}, ["there is no `-- migrate:up` in it"]),
    ],
)
def test_scripts_that_cannot_be_revisions_are_refused_all_at_once(
    project: SqlProject, files: Files, said: list[str]
) -> None:
    """Nothing is written, and every problem is told."""
    before = project.written()
    with pytest.raises(ErmError) as raised:
        _import(project.directory(files))
    assert all(text in str(raised.value) for text in said), str(raised.value)
    assert project.written() == before


def test_names_and_bytes_that_are_odd_come_through(project: SqlProject, one_database: Database) -> None:
    """Quotes, spaces, percent signs, letters of any script, a mark before UTF-8, CRLF."""
    odd = """001_it's "100%" {x} ä 東京.sql"""
    folder = project.directory({odd: b"\xef\xbb\xbfCREATE TABLE a (id int);\r\n", "002_back\\slash.sql": B})
    done = _import(folder)
    assert [step.path for step in done.adoption.steps] == [
        f"migrations/versions/{odd.removesuffix('.sql')}.py",
        "migrations/versions/002_back\\slash.py",
    ]
    assert [step.message for step in project.plan().steps] == ["it s 100% {x} ä 東京", "back slash"]
    assert (project.versions / odd).read_bytes() == (folder / odd).read_bytes()
    exempted = Override("missing-downgrade", "none was kept")
    assert apply(overrides=(exempted,)).outcome.result == "done"
    assert {"a", "b"} < tables(one_database)


def test_nothing_is_left_behind_when_a_file_is_in_the_way(project: SqlProject) -> None:
    """Not even one that differs in upper and lower case only, which is the same file on other machines."""
    (project.versions / "000002_MAKE_B.up.sql").write_text("mine", encoding="utf-8")
    before = project.written()
    with pytest.raises(ErmError, match=r"000002_MAKE_B\.up\.sql is there already"):
        _import(project.directory(GOLANG))
    assert project.written() == before


def test_nothing_is_left_behind_when_the_disk_refuses(project: SqlProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before is taken away again."""
    before = project.written()
    real, opened = Path.open, []

    def refusing(self: Path, mode: str = "r", *arguments: object, **named: object) -> object:
        if mode == "xb":
            opened.append(self)
            if len(opened) == 5:
                raise OSError(28, os.strerror(28), str(self))
        return real(self, mode, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refusing)
    with pytest.raises(ErmError, match="No space left on device"):
        _import(project.directory(GOLANG))
    assert len(opened) == 5 and project.written() == before


def test_an_import_that_was_killed_is_finished_by_the_next(project: SqlProject) -> None:
    """Whatever it has brought is whole, can be read, and is gone on with."""
    folder = project.directory(GOLANG)
    _import(folder)
    whole = project.written()
    for name in set(whole) - {"env.py"}:
        (project.root / "migrations" / name).unlink()
    written = [file.path for file in plan_adoption(project.alembic, read_directory(folder)).files]
    assert len(written) == len(whole) - 1
    for count in range(len(written)):
        for path in written[count:]:
            path.unlink(missing_ok=True)
        assert len(list(project.alembic.scripts().walk_revisions())) == sum(p.suffix == ".py" for p in written[1:count])
        _import(folder)
        assert project.written() == whole


def test_a_project_with_revisions_of_its_own_is_not_mixed(project: SqlProject) -> None:
    """Two histories from an empty database would be two heads."""
    project.table("aaaa", "t")
    with pytest.raises(ErmError, match=r"The project has revisions of its own already \(aaaa\)"):
        _import(project.directory(GOLANG))


def test_a_folder_without_a_project_says_how_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There must be an env.py first."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "001_a.sql").write_text(A, encoding="utf-8")
    with pytest.raises(ErmError, match="No Alembic project was found") as raised:
        _import(tmp_path)
    assert "erm init" in raised.value.cure


def test_a_script_that_changed_after_the_import_is_refused(project: SqlProject) -> None:
    """Which of the two is right, only a person knows."""
    folder = project.directory(GOLANG)
    _import(folder)
    project.directory({"000001_make_a.up.sql": "CREATE TABLE other (id int);"})
    with pytest.raises(ErmError, match="differ, although they are the same migration"):
        _import(folder)


def test_a_database_of_another_environment_or_place_is_refused(project: SqlProject, one_database: Database) -> None:
    """As by apply: the URL may be the wrong one."""
    folder = project.directory(GOLANG)
    project.config("database: {environments: {dev: {}, prod: {}}}\n")
    _run_by_the_other_tool(one_database, "golang-migrate")
    _import(folder, "dev")
    done = project.erm("import-sql", folder, "--env", "prod")
    code, lines = told(done)
    assert code == 1 and "was deployed as dev; you asked for --env prod" in lines[0]
    assert project.erm("import-sql", folder, "--env", "prod", "--accept-environment").returncode == 0
    one_database.execute("UPDATE alembic_version SET version_num = 'zzzz'")
    with pytest.raises(ErmError, match="The database records zzzz, which is not on the way to 000002"):
        _import(folder, "dev")


def test_the_deploy_lock_is_waited_for(project: SqlProject, one_database: Database) -> None:
    """While a deployment runs, nothing is stamped."""
    folder = project.directory(GOLANG)
    _run_by_the_other_tool(one_database, "golang-migrate")
    holder = one_database.connect()
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [0x65726D, 1])
        with pytest.raises(ErmError, match="deploy lock"):
            _import(folder, "dev", wait=0.0)
        assert "alembic_version" not in tables(one_database)
    finally:
        holder.close()
    stamped = _import(folder, "dev").stamped
    assert stamped is not None and stamped.state == "stamped"
