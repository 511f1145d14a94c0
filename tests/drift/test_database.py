"""Drift of the database: what somebody changed by hand, and nothing else."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import psycopg2
import pytest

from tests.drift.looking import looked, told, users
from tests.faults.deploying import Project
from tests.support.cli import REPOSITORY
from tests.support.databases import Database, ServerPool, fresh_database, one_per_major

DATABASE = {"sources": ("database",)}
TEMPLATE = (REPOSITORY / "examples" / "shop" / "migrations" / "script.py.mako").read_text(encoding="utf-8")
HOT_FIX = "CREATE INDEX hot_idx ON users (email)"


def _execute(project: Project, statement: str) -> None:
    assert isinstance(project.database, Database)
    project.database.execute(statement)


def test_an_unchanged_database_has_none_and_each_change_by_hand_is_told(
    project_of_major: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Expected is what the revisions make, found is what is there; parts of what is absent are not told besides."""
    project = users(project_of_major)
    assert looked(project, monkeypatch, **DATABASE).agrees
    _execute(project, f"{HOT_FIX}; ALTER TABLE users ALTER email TYPE varchar(9); CREATE TABLE extra (id int UNIQUE)")
    report = looked(project, monkeypatch, **DATABASE)
    assert told(report) == [("table", "public.extra"), ("column", "public.users.email"), ("index", "public.hot_idx")]
    assert [(each.expected, each.found) for each in report.drift][1] == ("text", "character varying(9)")
    assert not report.agrees and report.comparisons[0].verdict == "differs"


def test_what_was_found_is_found_again_without_a_shadow(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same two catalogs give the same verdict, until one of them changes."""
    users(project)
    _execute(project, HOT_FIX)
    first = looked(project, monkeypatch, **DATABASE)
    monkeypatch.setattr("erm_alembic.shadow.making.Maker.scratch", None)
    assert looked(project, monkeypatch, **DATABASE).drift == first.drift
    _execute(project, "DROP INDEX hot_idx")
    assert looked(project, monkeypatch, **DATABASE).agrees


def test_the_command_tells_it_and_exits_with_1(project: Project) -> None:
    """As text with both ways out, and as one JSON object with `drift`."""
    users(project)
    _execute(project, HOT_FIX)
    done = project.erm("drift", "--source", "database")
    assert done.returncode == 1
    assert (
        "  index public.hot_idx\n    expected: absent\n    found:    CREATE INDEX hot_idx ON public.users"
        in done.stdout
    )
    assert "--fix revert" in done.stdout and "--fix adopt" in done.stdout
    document = json.loads(project.erm("drift", "--source", "database", "--format", "json").stdout)
    (found,) = document["drift"]
    assert (found["kind"], found["object"], found["source"]) == ("index", "public.hot_idx", "database")
    assert document["left_out"] == [] and document["comparisons"][0]["verdict"] == "differs"


def test_sql_takes_it_back(project: Project) -> None:
    """The file is the user's own, is not written over, and what it says ends the drift."""
    users(project)
    _execute(project, f"{HOT_FIX}; ALTER TABLE users DROP COLUMN email")
    assert project.erm("drift", "--fix", "revert", "--out", "back.sql").returncode == 0
    path = project.root / "back.sql"
    assert path.stat().st_mode & 0o077 == 0
    _execute(project, path.read_text(encoding="utf-8"))
    assert project.erm("drift", "--source", "database").returncode == 0
    again = project.erm("drift", "--fix", "revert", "--out", "back.sql")
    assert again.returncode in (0, 2)


def test_a_revision_takes_it_over_here_and_elsewhere(
    project: Project, one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The revision passes where the change is and where it is not, ends the drift, and goes down again."""
    users(project)
    (project.root / "migrations" / "script.py.mako").write_text(TEMPLATE, encoding="utf-8")
    _execute(project, f"{HOT_FIX}; ALTER TABLE users ADD COLUMN note text DEFAULT 'it''s :new 5%'")
    done = project.erm("drift", "--fix", "adopt", "-m", "take the hot fix over")
    assert done.returncode == 0, done.stderr
    report = looked(project, monkeypatch, **DATABASE)
    assert [each.adopted for each in report.drift] == [True, True]
    applied = project.apply()
    assert applied.returncode == 0, applied.stderr
    assert looked(project, monkeypatch, **DATABASE).agrees
    back = project.erm("migrate", "--mode", "rollback", "--allow-data-loss", "--reason", "a test")
    assert back.returncode == 0, back.stdout + back.stderr
    assert looked(project, monkeypatch, **DATABASE).agrees
    assert project.apply().returncode == 0
    assert looked(project, monkeypatch, **DATABASE).agrees


def test_items_of_drift_ignore_leave_out_and_count(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By kind and by name; what leaves out nothing is told where everything was compared."""
    users(project)
    _execute(project, f"{HOT_FIX}; CREATE TABLE legacy (id int); GRANT SELECT ON users TO PUBLIC")
    project.config(
        """
        drift:
          ignore: [public.legacy, {kind: grant}, {kind: index, name: "public.hot*"}, {kind: view}]
        """
    )
    report = looked(project, monkeypatch)
    assert report.drift == ()
    assert {each.item: each.count for each in report.left_out} == {
        "public.legacy": 1,
        "grant": 1,
        "index public.hot*": 1,
    }
    assert report.unused == ("view",)
    assert report.agrees
    done = project.erm("drift", "--source", "database")
    assert done.returncode == 0
    assert "  index public.hot*: 1 difference\n" in done.stdout
    assert done.stdout.endswith("No drift but what is left out.\n")


def test_an_unknown_kind_is_an_error_with_its_line(project: Project) -> None:
    """A mistyped kind would leave out nothing, and say nothing."""
    users(project)
    project.config("\ndrift:\n  ignore:\n    - {kind: indx}\n  severity: {tabel: warning}\n")
    done = project.erm("drift")
    assert done.returncode == 2
    assert "erm.yaml:5: drift.severity.tabel: tabel is no kind of object; did you mean table?" in done.stderr
    assert "erm.yaml:4: drift.ignore[0].kind: indx is no kind of object; did you mean index?" in done.stderr


def test_a_pending_revision_is_no_drift(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is compared with the revisions that it records, not with all of them."""
    users(project)
    project.table("a2", "orders", down="a1")
    assert looked(project, monkeypatch, **DATABASE).agrees


def test_what_a_half_done_revision_has_made_is_no_drift(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger records it; a change by hand beside it is drift all the same."""
    users(project)
    project.revision(
        "a2",
        """
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY users_email_idx ON users (email)")
        op.execute("CREATE UNIQUE INDEX users_email_key ON users (email)")
        """,
        'op.drop_index("users_email_key"); op.drop_index("users_email_idx")',
        down="a1",
    )
    _execute(project, "INSERT INTO users (email) VALUES ('twice'), ('twice')")
    assert project.apply("--no-rehearse").returncode == 1
    _execute(project, "SELECT 'users_email_idx'::regclass; CREATE TABLE extra (id int)")
    assert told(looked(project, monkeypatch, **DATABASE)) == [("table", "public.extra")]


def test_a_tenant_with_a_version_table_of_its_own_is_another_history(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its schema is left out; one without a version table is drift."""
    users(project)
    _execute(project, "CREATE SCHEMA acme; CREATE TABLE acme.alembic_version (version_num text); CREATE SCHEMA other")
    assert told(looked(project, monkeypatch, **DATABASE)) == [("schema", "other")]


def test_a_history_that_cannot_be_replayed_gives_no_verdict(project: Project) -> None:
    """The report has the reason, and the exit code is that of drift: it is not known that there is none."""
    users(project)
    path = project.versions / "a1.py"
    path.write_text(
        path.read_text().replace('op.create_table("users"', 'op.execute("SELECT nothing"); op.create_table("users"')
    )
    done = project.erm("drift", "--source", "database")
    assert done.returncode == 1
    assert ": not known" in done.stdout and "nothing" in done.stdout
    assert "Whether there is drift is not known." in done.stdout and "No drift" not in done.stdout


def test_two_databases_are_compared(project: Project, one_database: Database) -> None:
    """The other one's schema is expected, and the way back leads to it."""
    users(project)
    name = f"{one_database.name}_other"
    _execute(project, f"CREATE DATABASE {name} TEMPLATE {one_database.name}")
    try:
        _execute(project, HOT_FIX)
        other = one_database.url.replace(one_database.name, name)
        project.config(
            f"database: {{environments: {{here: {{url: '{one_database.url}'}}, there: {{url: '{other}'}}}}}}"
        )
        project.env["ERM_DATABASE_URL"] = None
        done = project.erm("drift", "--env", "here", "--against", "there", ERM_DATABASE_URL=None)
        assert done.returncode == 1, done.stderr
        assert "index public.hot_idx" in done.stdout and "The database against that of there" in done.stdout
        sql = project.erm("drift", "--env", "here", "--against", "there", "--fix", "revert", ERM_DATABASE_URL=None)
        _execute(project, sql.stdout)
        assert project.erm("drift", "--env", "here", "--against", "there", ERM_DATABASE_URL=None).returncode == 0
    finally:
        _execute(project, f"DROP DATABASE {name} WITH (FORCE)")


def test_whoever_migrates_is_no_drift_and_a_table_of_somebody_else_is(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history says nothing of who runs it; objects that belong to another role than the most of them are told."""
    users(project)
    role = "erm_drift_owner"
    with contextlib.suppress(psycopg2.errors.DuplicateObject):
        _execute(project, f"CREATE ROLE {role}")
    try:
        _execute(project, f"ALTER TABLE users OWNER TO {role}")
        assert looked(project, monkeypatch, **DATABASE).agrees
        _execute(project, "CREATE TABLE more (id int); ALTER TABLE more OWNER TO current_user")
        assert told(looked(project, monkeypatch, **DATABASE)) == [("table", "public.more")]
    finally:
        _execute(project, "DROP TABLE IF EXISTS users, more, alembic_version CASCADE")
        _execute(project, f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--against", "x", "--source", "models"), "--against compares two databases"),
        (("--fix", "revert", "--source", "models"), "--fix is about drift of the database"),
        (("--fix", "adopt", "--format", "json"), "--fix adopt writes a file"),
        (("--out", "x.sql"), "--out names the file of --fix revert"),
        (("-m", "x"), "--message is for the revision of --fix adopt"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    project: Project, arguments: tuple[str, ...], words: str
) -> None:
    """Before anything is connected to."""
    done = project.erm("drift", *arguments)
    assert done.returncode == 2 and words in done.stderr


def test_a_shadow_of_another_major_version_shows_no_versions_as_drift(
    tmp_path: Path, server_pool: ServerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live schema is loaded into the shadow's server; a note says so, and a change by hand still shows."""
    majors = one_per_major()
    if len(majors) < 2:
        pytest.skip("only one major version of PostgreSQL is here")
    old, new = server_pool.server(majors[0]), server_pool.server(majors[-1])
    with fresh_database(old) as live, fresh_database(new) as beside:
        project = users(Project(tmp_path, live, env={"ERM_SHADOW_URL": beside.url}))
        report = looked(project, monkeypatch, **DATABASE)
        assert told(report) == [] and report.comparisons[0].verdict == "same"
        assert f"PostgreSQL {majors[-1].major}" in report.comparisons[0].notes[0]
        live.execute(HOT_FIX)
        assert told(looked(project, monkeypatch, **DATABASE)) == [("index", "public.hot_idx")]
