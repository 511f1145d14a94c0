"""`erm repair` of a damaged record: each kind is found, explained, and mended in the way that is told."""

from __future__ import annotations

import json
from typing import Any

import psycopg2
import pytest

from tests.faults.deploying import Project, told
from tests.support.databases import Database


def damages(project: Project) -> list[dict[str, Any]]:
    """What `erm repair` finds."""
    done = project.erm("repair", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["damages"]
    shown = project.erm("repair").stdout
    for each in found:
        assert all(f"--do {exit_['name']}" in shown for exit_ in each["exits"])
    return list(found)


def kinds(project: Project) -> list[tuple[str, str]]:
    return [(each["kind"], each["object"]) for each in damages(project)]


def mended(project: Project, *args: str) -> dict[str, Any]:
    """What `erm repair --do` did; afterwards nothing is damaged any more."""
    done = project.erm("repair", *args, "--yes", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert kinds(project) == []
    last = project.runs()[-1]
    assert (last["mode"], last["outcome"]) == ("repair", "done")
    document: dict[str, Any] = json.loads(done.stdout)
    assert last["id"] == document["run"]
    return document


def versions(database: Database) -> list[str]:
    return sorted(row[0] for row in database.execute("SELECT version_num FROM alembic_version"))


def second(project: Project) -> None:
    """A second revision, applied."""
    project.table("b2", "more", down="a1")
    assert project.apply().returncode == 0


def test_a_recorded_revision_without_a_file_gets_it_back(project: Project, one_database: Database) -> None:
    """From the ledger; a way that asks is not gone without an answer."""
    second(project)
    path = project.versions / "b2.py"
    before = path.read_bytes()
    path.unlink()
    (found,) = damages(project)
    assert (found["kind"], found["object"]) == ("missing-revision", "b2")
    assert [each["name"] for each in found["exits"]] == ["restore-file", "record"]
    asked = project.erm("repair", "--do", "restore-file")
    assert asked.returncode == 2 and "there is no terminal to answer" in asked.stderr and not path.exists()
    mended(project, "b2", "--do", "restore-file")
    assert path.read_bytes() == before and versions(one_database) == ["b2"]


def test_a_recorded_revision_of_another_branch_is_recorded_as_what_is_there(
    project: Project, one_database: Database
) -> None:
    """The record goes where --to says, with a reason in the ledger; the ledger itself is told next."""
    one_database.execute("UPDATE alembic_version SET version_num = 'gone'")
    (found,) = damages(project)
    assert (found["kind"], [each["name"] for each in found["exits"]]) == ("missing-revision", ["record"])
    for args, said in (
        (["gone", "--do", "record"], "--do record needs --to."),
        (["gone", "--do", "record", "--to", "a1"], "--do record needs --reason."),
        (["nothing", "--do", "record"], "--do record: nothing is damaged about nothing that has this way out."),
        (["--do", "widen"], "--do widen: nothing is damaged that has this way out."),
    ):
        code, lines = told(project.erm("repair", *args, "--yes"))
        assert (code, lines[0]) == (2, f"error:  {said}")
    mended(project, "gone", "--do", "record", "--to", "a1", "--reason", "a branch that was dropped")
    assert versions(one_database) == ["a1"]
    assert project.runs()[-1]["overrides"] == ["record missing-revision gone: a branch that was dropped"]


def test_a_lost_file_that_breaks_the_graph_is_written_back(project: Project) -> None:
    """Where no other command can read the revisions, repair names the file that is gone."""
    second(project)
    path = project.versions / "a1.py"
    before = path.read_bytes()
    path.unlink()
    assert project.erm("status").returncode == 1
    assert kinds(project) == [("lost-file", "a1")]
    mended(project, "--do", "restore-file")
    assert path.read_bytes() == before and project.erm("status").returncode == 0


@pytest.mark.parametrize("way", ["accept", "restore-text"])
def test_an_edited_revision_is_accepted_or_taken_back(project: Project, way: str) -> None:
    """Accepting writes the code of now into the ledger; taking back keeps the edited file beside it."""
    path = project.versions / "a1.py"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"def downgrade", b"X = 1\n\n\ndef downgrade"))
    edited = path.read_bytes()
    assert kinds(project) == [("edited-revision", "a1")]
    mended(project, "a1", "--do", way, *(("--reason", "a constant") if way == "accept" else ()))
    if way == "accept":
        assert path.read_bytes() == edited
    else:
        assert path.read_bytes() == before
        assert (project.versions / "a1.py.edited").read_bytes() == edited
    plan = json.loads(project.apply("--mode", "plan", "--format", "json").stdout)
    assert "edited-revision" not in [each["rule"] for each in plan["findings"]]


@pytest.mark.parametrize("lost", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
def test_a_lost_version_is_recorded_again(project: Project, one_database: Database, lost: str) -> None:
    """Emptied or dropped: the ledger knows what it was."""
    second(project)
    one_database.execute(lost)
    assert kinds(project) == [("lost-version", "b2")]
    mended(project, "--do", "record-ledger")
    assert versions(one_database) == ["b2"]
    assert project.apply().returncode == 0


def test_rows_that_are_too_many_are_taken_away(project: Project, one_database: Database) -> None:
    """A revision beside one that builds on it, and one that is recorded twice."""
    second(project)
    one_database.execute("INSERT INTO alembic_version VALUES ('a1')")
    assert kinds(project) == [("overlapping-rows", "public.alembic_version")]
    mended(project, "--do", "drop-lower")
    assert versions(one_database) == ["b2"]
    one_database.execute("ALTER TABLE alembic_version DROP CONSTRAINT alembic_version_pkc")
    one_database.execute("INSERT INTO alembic_version VALUES ('b2')")
    assert kinds(project) == [("rows-twice", "public.alembic_version")]
    mended(project, "--do", "drop-duplicates")
    assert versions(one_database) == ["b2"]


def test_a_version_table_that_is_too_narrow_is_widened(project: Project, one_database: Database) -> None:
    """Alembic makes it for 32 characters; a longer id fails when it is recorded."""
    long = "b2_with_a_name_that_is_longer_than_32"
    project.table(long, "more", down="a1")
    assert project.apply().returncode == 1
    assert kinds(project)[0] == ("narrow-column", "public.alembic_version")
    done = project.erm("repair", "--do", "widen", "--yes")
    assert done.returncode == 0, done.stderr
    assert project.apply().returncode == 0
    assert versions(one_database) == [long] and kinds(project) == []


def test_the_ledger_is_told_what_plain_alembic_did(project: Project, one_database: Database) -> None:
    """Both ways: what was stamped by hand, and what was taken back; or the record is set to what the ledger has."""
    project.table("b2", "more", down="a1")
    one_database.execute("UPDATE alembic_version SET version_num = 'b2'")
    assert kinds(project) == [("ledger-behind", "b2")]
    mended(project, "--do", "write-ledger", "--reason", "stamped")
    one_database.execute("UPDATE alembic_version SET version_num = 'a1'")
    assert kinds(project) == [("ledger-ahead", "b2")]
    mended(project, "--do", "record-ledger", "--reason", "a mistake")
    assert versions(one_database) == ["b2"]
    one_database.execute("UPDATE alembic_version SET version_num = 'a1'")
    mended(project, "--do", "write-ledger", "--reason", "taken back with alembic downgrade")
    assert versions(one_database) == ["a1"]


@pytest.mark.parametrize("way", ["drop-index", "rebuild-index"])
def test_an_invalid_index_is_dropped_or_built_again(project: Project, one_database: Database, way: str) -> None:
    """Under a hostile name too."""
    one_database.execute('CREATE TABLE "we ird" (a integer); INSERT INTO "we ird" VALUES (1), (1)')
    with pytest.raises(psycopg2.errors.UniqueViolation):
        one_database.execute('CREATE UNIQUE INDEX CONCURRENTLY "in;dex" ON "we ird" (a)')
    one_database.execute('DELETE FROM "we ird"')
    assert kinds(project) == [("invalid-index", "public.in;dex")]
    mended(project, "--do", way)
    count = one_database.execute("SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('\"in;dex\"')")
    assert count == [(0 if way == "drop-index" else 1,)]


def test_a_run_that_was_killed_gets_its_end(project: Project, one_database: Database) -> None:
    """The next run would write it; repair does now."""
    one_database.execute("UPDATE erm.run SET outcome = NULL, finished_at = NULL WHERE id = 1")
    assert kinds(project) == [("run-without-end", "1")]
    mended(project, "--do", "close-run")
    assert project.runs()[0]["outcome"] == "died"


def test_a_session_that_sits_on_the_deploy_lock_is_ended(
    project: Project, one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has done nothing for long, which is how a deployer looks whose machine is gone."""
    holder = psycopg2.connect(one_database.url)
    holder.autocommit = True
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(6648429, 1)")
    assert kinds(project) == []
    monkeypatch.setattr("erm_alembic.mending.finding.LONG_IDLE", 0.0)
    assert kinds(project) == [("idle-lock", str(holder.info.backend_pid))]
    mended(project, "--do", "end-session", "--reason", "its machine is gone")
    with pytest.raises(psycopg2.OperationalError), holder.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_what_changed_meanwhile_is_not_mended(
    project: Project, one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version table is read again under the lock."""
    second(project)
    one_database.execute("DELETE FROM alembic_version")
    from erm_alembic import mending
    from erm_alembic.errors import Refused

    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)

    def somebody_else(*_: object) -> bool:
        one_database.execute("INSERT INTO alembic_version VALUES ('a1')")
        return True

    with pytest.raises(Refused, match="not what was shown any more"):
        mending.mend(None, "record-ledger", agree=somebody_else)
    assert versions(one_database) == ["a1"]
