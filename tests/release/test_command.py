"""`erm release` as it is typed: one JSON object, exit codes, refusals, files for their owner, names of any kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from erm_alembic.cli.release_options import OnFailure, release_request, span
from erm_alembic.errors import UsageError
from erm_alembic.release import api
from erm_alembic.release.request import ReleaseRequest
from tests.faults.deploying import Project, told
from tests.release.conftest import Released, release_config
from tests.support.databases import Database

HOSTILE = 'pr|od <b>"`$(touch owned)`'


def test_json_is_one_object(released: Released) -> None:
    """What went before it goes to stderr; the same object is what `status` prints, and a release in a list."""
    done = released.erm("--format", "json")
    found = json.loads(done.stdout)["release"]
    assert (done.returncode, found["outcome"], found["next"]) == (0, "done", [])
    assert [each["revision"] for each in found["plan"]["revisions"]] == ["a1", "b2"]
    status = json.loads(released.erm("status", "--format", "json").stdout)["release"]
    assert status == {**found, "files": []}
    (listed,) = json.loads(released.erm("list", "--format", "json").stdout)["releases"]
    assert listed["stages"] == found["stages"]


def test_a_database_without_a_release_has_none(released: Released) -> None:
    """Nothing to show, and nothing to go on with."""
    assert json.loads(released.erm("status", "--format", "json").stdout)["release"] is None
    assert told(released.erm("resume")) == (
        1,
        [
            "error:  There is no release of this database.",
            "effect: Nothing was changed.",
            "cure:   Begin one: erm release --env prod",
        ],
    )


def test_the_page_of_a_failure_is_for_its_owner_and_has_no_secret(
    one_database: Database, tmp_path: Path, secret: str
) -> None:
    """Names of any kind stand in it as they are, and act on nothing; values and passwords do not stand there at all."""
    project = Project(tmp_path, one_database)
    project.revision(
        "a1",
        f"""
        op.execute('CREATE TABLE "we|ird`<b>" (n text)')
        op.get_bind().execute(sa.text('INSERT INTO "we|ird`<b>" VALUES (:n)'), {{"n": {secret!r}}})
        op.execute("ALTER ROLE nobody_of_them PASSWORD '{secret}'")
        """,
    )
    release_config(tmp_path, {"url": one_database.url}, {})
    document = json.loads((tmp_path / "erm.yaml").read_text())
    document["database"]["environments"] = {HOSTILE: {"url": one_database.url}}
    (tmp_path / "erm.yaml").write_text(json.dumps(document))
    done = project.erm("release", "--env", HOSTILE, "--report", "r.html", "--report", "r.json", ERM_DATABASE_URL=None)
    assert done.returncode == 1
    pages = sorted((tmp_path / ".erm" / "releases").iterdir())
    assert [path.suffix for path in pages] == [".html", ".md"]
    for path in (*pages, tmp_path / "r.html", tmp_path / "r.json"):
        text = path.read_text(encoding="utf-8")
        assert (path.stat().st_mode & 0o777, secret in text) == (0o600, False)
        assert "<b>" not in text or path.suffix != ".html"
    markdown = pages[1].read_text(encoding="utf-8")
    assert 'INSERT INTO "we|ird`<b>" VALUES (%(n)s)' in markdown
    assert "PASSWORD '***'" in markdown
    assert "erm release resume --env 'pr|od <b>\"`$(touch owned)`'" in markdown
    for heading in ("What failed", "Next steps", "Timeline", "Errors", "Blocked sessions", "Statements"):
        assert f"## {heading}" in markdown
    assert not (tmp_path / "owned").exists()


def test_who_waits_for_a_lock_stands_in_it(released: Released) -> None:
    """The page says who was in the way of a revision, and who waits for whom when it is written."""
    released.database.execute("CREATE TABLE held (n int)")
    released.project.revision("a1", 'op.execute("ALTER TABLE held ADD m int")')
    (released.project.versions / "b2.py").unlink()
    released.config(execution={"lock_timeout": "50ms", "lock_retries": 0})
    with psycopg2.connect(released.database.url) as holder, holder.cursor() as cursor:
        cursor.execute("SET application_name = 'long report'; LOCK TABLE held IN SHARE MODE")
        result = released.release()
    holder.close()
    assert result.record.outcome == "stopped"
    assert "long report" in (released.root / result.files[0]).read_text()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--skip", "smoke"], "--skip needs --reason TEXT."),
        (["--reason", "why"], "--reason says why, and nothing is overridden or skipped."),
        (["--plan", "p.json", "--to", "a1"], "--to beside --plan: "),
        (["--observe-for", "2"], "--observe-for: '2' is not a duration"),
        (["--report", "r.sarif"], "--report r.sarif: its ending says no format."),
        (["--report", "nowhere/r.md"], "--report r.md cannot be written there."),
        (["--to", "a1", "status"], "--to stands before status, which does not get it."),
    ],
)
def test_options_that_say_nothing_are_refused(tmp_path: Path, words: list[str], what: str) -> None:
    """Exit code 2, before anything is connected to."""
    done = Project(tmp_path, url="postgresql://127.0.0.1:1/none").erm("release", *words)
    assert done.returncode == 2
    assert f"error:  {what}" in done.stderr


def test_reasons_belong_to_what_they_are_given_for() -> None:
    """One for all, or first those of the rules, then those of the stages."""
    request = release_request(
        override=["data-loss"], skip=["smoke", "models"], reason=["a", "b", "c"], on_failure=OnFailure.rollback
    )
    assert ([each.reason for each in request.overrides], dict(request.skip)) == (["a"], {"smoke": "b", "models": "c"})
    assert (request.on_failure, span("--observe-for", "2d").days) == ("rollback", 2)
    with pytest.raises(UsageError, match="2 times --override or --skip, and 3 times --reason"):
        release_request(skip=["a", "b"], reason=["x", "y", "z"])


def test_a_report_is_written_over_no_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither over the one that is released, by whatever name, nor over another that is kept."""
    monkeypatch.chdir(tmp_path)
    plan = tmp_path / "plan.json"
    plan.write_text('{"schema_version": 1, "approval": {}}')
    (tmp_path / "same").symlink_to(tmp_path)
    with pytest.raises(UsageError, match=r"--report plan\.json is the plan of --plan") as caught:
        release_request(plan=Path("plan.json"), report=[Path("same/plan.json")])
    assert (caught.value.effect, caught.value.cure) == ("Nothing was released.", "Name another file.")
    with pytest.raises(UsageError, match=r"--report plan\.json is an approved plan"):
        release_request(report=[plan])
    plan.write_text('{"outcome": "done"}')
    assert release_request(report=[plan]).reports == (plan,)


def test_an_approved_plan_is_what_is_released(released: Released) -> None:
    """A profile that demands one has none else; it goes on with that one, and with no other."""
    warm = {"stages": {"warm": {"after": "apply", "run": released.killed_once("warm")}}}
    released.config(warm, safety={"require_plan": True})
    config = ["--config", "erm.yaml"]
    refused = released.erm(*config)
    assert (refused.returncode, "prod runs approved plans only (safety.require_plan)" in refused.stdout) == (1, True)
    kept = ("migrate", "--mode", "plan", "--env", "prod", "--out")
    assert released.project.erm(*kept, "plan.json", ERM_DATABASE_URL=None).returncode == 0
    assert released.erm("--plan", "plan.json").returncode == -9
    released.project.table("c3", "third", down="b2")
    assert released.project.erm(*kept, "other.json", ERM_DATABASE_URL=None).returncode == 0
    other = released.erm("resume", "--plan", "other.json")
    assert other.returncode == 1
    assert "other.json is not the approved plan that release 2 was begun with" in other.stderr
    assert released.erm("resume").returncode == 0
    assert released.current() == ["b2"]


@pytest.fixture
def in_latin1(one_database: Database) -> Iterator[Database]:
    """A database that lacks most of Unicode."""
    name = f"{one_database.name}_latin1"
    one_database.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        yield Database(name, one_database.server)
    finally:
        one_database.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_ledger_of_any_name_and_encoding_keeps_it(in_latin1: Database, tmp_path: Path) -> None:
    """A schema with odd characters, a database that lacks most of Unicode, a reason that has it."""
    project = Project(tmp_path, in_latin1)
    project.table("a1", "first")
    schema = 'er"m % %s'
    profile = {"url": in_latin1.url, "ledger": {"schema": schema}}
    config = release_config(tmp_path, profile, {"stages": {"tell": {"after": "apply", "run": ["echo", "\u2603"]}}})
    skip = {"smoke": "\u2603 no traffic"}
    result = api.release("prod", ReleaseRequest(skip=skip), config=config)
    assert result.record.outcome == "done"
    kept = result.record.last("tell")
    assert kept is not None and kept.details["output"] == "\u2603\n"
    query = sql.SQL("SELECT outcome FROM {}.release").format(sql.Identifier(schema))
    with psycopg2.connect(in_latin1.url) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        assert cursor.fetchall() == [("done",)]
    connection.close()
