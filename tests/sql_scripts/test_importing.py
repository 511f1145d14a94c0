"""Directories of golang-migrate, dbmate and the Go erm become revisions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from erm_alembic.checks.overrides import Override
from erm_alembic.errors import ErmError
from erm_alembic.migrate import apply
from erm_alembic.revisions.sql.adopting import plan_adoption
from erm_alembic.revisions.sql.layouts import read_directory
from tests.faults.deploying import tables
from tests.sql_scripts.building import SqlProject
from tests.sql_scripts.directories import GO_ERM, GOLANG, LAYOUTS, TABLES, A, B, Files, imported, run_by_the_other_tool
from tests.sql_scripts.plain import plain_alembic
from tests.support.databases import Database


@pytest.mark.parametrize("tool", LAYOUTS)
def test_a_directory_is_taken_over_and_runs_on(
    project: SqlProject, one_database: Database, packages: Path, tool: str
) -> None:
    """Its files become revisions, its history alembic_version and the ledger; erm and plain Alembic go on."""
    folder = project.directory(LAYOUTS[tool])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run_by_the_other_tool(one_database, tool)
    done = imported(folder, "dev")
    versions = [migration.version for migration in done.source.migrations]
    assert done.source.layout.name == tool
    assert done.stamped is not None and (done.stamped.state, done.stamped.current) == ("stamped", (versions[1],))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    plan = project.plan()
    assert (plan.current, [step.revision for step in plan.steps]) == ((versions[1],), [versions[2]])
    assert (plan.drift, plan.findings, plan.steps[0].transactional) == ((), (), False)
    taken = project.runs()[0]
    assert (taken["mode"], taken["outcome"]) == ("import", "done")
    assert [row["revision"] for row in taken["revisions"]] == versions[:2]
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
    run_by_the_other_tool(one_database, "golang-migrate")
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


def test_the_variable_names_the_environment_too(project: SqlProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """ERM_ENV stands in for --env, as in every other command."""
    folder = project.directory(GOLANG)
    without = project.erm("import-sql", folder, "--dry-run")
    assert "No database was looked at" in without.stdout
    monkeypatch.setenv("ERM_ENV", "dev")
    assert "dev: there is no such table" in project.erm("import-sql", folder, "--dry-run").stdout


def test_scripts_that_stand_in_the_version_location_stay_where_they_are(project: SqlProject) -> None:
    """Only the small revision files and the runner are added."""
    for name, content in GO_ERM.items():
        (project.versions / name).write_text(str(content), encoding="utf-8")
    before = set(project.written())
    imported(project.versions)
    assert set(project.written()) - before == {
        "sql_scripts.py",
        "versions/001_make_a.py",
        "versions/002-make-b.py",
        "versions/010.py",
    }
    assert project.applied().result == "done"


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
        (
            {"1_a.sql": A, "1_b.sql": "COPY b FROM stdin;\n", "3_c_down.sql": b"SELECT '\xe9';"},
            [
                "version 1 occurs 2 times",
                "1_b.sql:1:1: COPY",
                "3_c_down.sql: there is no script",
                "3_c_down.sql:1:9: the byte",
            ],
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
        imported(project.directory(files))
    assert all(text in str(raised.value) for text in said), str(raised.value)
    assert project.written() == before


def test_names_and_bytes_that_are_odd_come_through(project: SqlProject, one_database: Database) -> None:
    """Quotes, spaces, percent signs, letters of any script, a mark before UTF-8, CRLF."""
    odd = """001_it's "100%" {x} ä 東京.sql"""
    folder = project.directory({odd: b"\xef\xbb\xbfCREATE TABLE a (id int);\r\n", "002_back\\slash.sql": B})
    done = imported(folder)
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
        imported(project.directory(GOLANG))
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
        imported(project.directory(GOLANG))
    assert len(opened) == 5 and project.written() == before


def test_an_import_that_was_killed_is_finished_by_the_next(project: SqlProject) -> None:
    """Whatever it has brought is whole, can be read, and is gone on with."""
    folder = project.directory(GOLANG)
    imported(folder)
    whole = project.written()
    for name in set(whole) - {"env.py"}:
        (project.root / "migrations" / name).unlink()
    written = [file.path for file in plan_adoption(project.alembic, read_directory(folder)).files]
    assert len(written) == len(whole) - 1
    for count in range(len(written)):
        for path in written[count:]:
            path.unlink(missing_ok=True)
        assert len(list(project.alembic.scripts().walk_revisions())) == sum(p.suffix == ".py" for p in written[1:count])
        imported(folder)
        assert project.written() == whole


def test_a_project_with_revisions_of_its_own_is_not_mixed(project: SqlProject) -> None:
    """Two histories from an empty database would be two heads."""
    project.table("aaaa", "t")
    with pytest.raises(ErmError, match=r"The project has revisions of its own already \(aaaa\)"):
        imported(project.directory(GOLANG))


def test_a_folder_without_a_project_says_how_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There must be an env.py first."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "001_a.sql").write_text(A, encoding="utf-8")
    with pytest.raises(ErmError, match="No Alembic project was found") as raised:
        imported(tmp_path)
    assert "erm init" in raised.value.cure


def test_a_script_that_changed_after_the_import_is_refused(project: SqlProject) -> None:
    """Which of the two is right, only a person knows."""
    folder = project.directory(GOLANG)
    imported(folder)
    project.directory({"000001_make_a.up.sql": "CREATE TABLE other (id int);"})
    with pytest.raises(ErmError, match="differ, although they are the same migration"):
        imported(folder)


def test_the_mark_that_an_import_asks_for_is_no_other_migration(project: SqlProject) -> None:
    """Written into the copy beside the revision, as it was asked for, it leaves both the same migration."""
    folder = project.directory({**GOLANG, "000001_make_a.up.sql": "VACUUM a;\nSELECT 1;"})
    (first, *_) = imported(folder).adoption.steps
    assert any("write `-- erm: no-transaction` as the first line of the script" in note for note in first.notes)
    copy = (project.root / first.path).with_name("000001_make_a.up.sql")
    copy.write_text("-- erm: no-transaction\n" + copy.read_text(encoding="utf-8"), encoding="utf-8")
    assert imported(folder).adoption.steps[0].state == "there"


def test_all_scripts_that_changed_are_told_at_once(project: SqlProject) -> None:
    """Nobody has to import again to learn of the next one."""
    folder = project.directory(GOLANG)
    imported(folder)
    project.directory(dict.fromkeys(("000001_make_a.up.sql", "000002_make_b.up.sql"), "SELECT 'other';"))
    with pytest.raises(ErmError, match="2 of the migrations are others in the project") as raised:
        imported(folder)
    assert "000001_make_a.up.sql" in str(raised.value) and "000002_make_b.up.sql" in str(raised.value)


def test_a_down_script_that_was_written_after_the_import_is_seen(project: SqlProject) -> None:
    """What stands beside the revision is what a rollback runs, whatever the old directory lacks."""
    folder = project.directory({"1_a.up.sql": A})
    assert "no down script" in imported(folder).adoption.steps[0].notes[0]
    assert "no down script" in imported(folder).adoption.steps[0].notes[0]
    (project.versions / "1_a.down.sql").write_text("DROP TABLE a;", encoding="utf-8")
    assert imported(folder).adoption.steps[0].notes == ()


def test_a_script_that_needs_a_mark_is_told(project: SqlProject) -> None:
    """Whatever cannot run in a transaction, unless it is the script's only statement; what can is not told."""
    scripts: Files = {
        "1_a.up.sql": f"{A}VACUUM a;\n",
        "2_b.up.sql": "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON a (id);\n",
        "3_c.up.sql": "SELECT 1;\nREFRESH MATERIALIZED VIEW CONCURRENTLY m;\n",
        "4_d.up.sql": "VACUUM a;\n",
    }
    steps = imported(project.directory(scripts), write=False).adoption.steps
    said = [[note for note in step.notes if "cannot run in a transaction" in note] for step in steps]
    assert [len(notes) for notes in said] == [1, 1, 0, 0]
    assert said[0][0].startswith("1_a.up.sql:2 ")
