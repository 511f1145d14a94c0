"""Two databases against each other, of one major version of PostgreSQL and of two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from erm_alembic.comparing import DriftReport, drift_against, revert_sql
from erm_alembic.drift.fix.scripts import as_script
from erm_alembic.planning.comparison import Comparison
from erm_alembic.planning.model import Drift
from erm_alembic.render.drift import drift_text
from tests.faults.deploying import Project
from tests.snapshot.schema import fill
from tests.support.databases import Database, ServerPool, fresh_database, one_per_major


@pytest.fixture
def two_majors(server_pool: ServerPool) -> Iterator[tuple[Database, Database]]:
    """Two databases with the same rich schema, on servers of the oldest and of the newest major version."""
    majors = one_per_major()
    if len(majors) < 2:
        pytest.skip("only one major version of PostgreSQL is here")
    old, new = server_pool.server(majors[0]), server_pool.server(majors[-1])
    with fresh_database(old) as older, fresh_database(new) as newer:
        for database in (older, newer):
            with closing(database.connect()) as connection, connection.cursor() as cursor:
                fill(cursor, old.major)
        yield older, newer


def _compared(
    root: Path, one: Database, other: Database, shadow: Database, monkeypatch: pytest.MonkeyPatch
) -> DriftReport:
    project = Project(root)
    project.config(
        f"""
        database:
          environments: {{here: {{url: '{one.url}'}}, there: {{url: '{other.url}'}}}}
        shadow: {{url: '{shadow.server.url("postgres")}'}}
        """
    )
    monkeypatch.chdir(root)
    monkeypatch.delenv("ERM_DATABASE_URL", raising=False)
    return drift_against("here", "there")


def test_versions_are_no_drift_of_two_databases(
    two_majors: tuple[Database, Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both schemas are loaded into one server and compared there, whichever is the older one; a note says so."""
    older, newer = two_majors
    for number, (one, other) in enumerate(((older, newer), (newer, older))):
        report = _compared(tmp_path / str(number), one, other, newer, monkeypatch)
        assert [(each.kind, each.object, each.expected, each.found) for each in report.drift] == []
        assert report.agrees and f"loaded into PostgreSQL {newer.server.major}" in report.comparisons[0].notes[0]


# What the newer version does by itself, or has and the older one has not.
VERSIONS = """
    CREATE UNLOGGED TABLE counted (id integer GENERATED ALWAYS AS IDENTITY, n serial, at date);
    ALTER TABLE counted DROP at, ADD at date CONSTRAINT needed NOT NULL;
    CREATE DOMAIN word AS text CONSTRAINT given NOT NULL;
    GRANT ALL ON counted TO PUBLIC;
    REVOKE TRUNCATE ON counted FROM CURRENT_USER;
    ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT ALL ON TABLES TO PUBLIC
"""


def test_what_a_version_does_by_itself_is_no_drift_and_a_change_by_hand_is(
    two_majors: tuple[Database, Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and rights that the older version does not have are left out; all else is told, once, with its object."""
    older, newer = two_majors
    for database in two_majors:
        database.execute(VERSIONS)
        database.execute(f"ALTER DATABASE {database.name} SET work_mem = '5MB'")
    if newer.server.major >= 17:
        newer.execute("COMMENT ON CONSTRAINT given ON DOMAIN word IS 'x'")
    assert _compared(tmp_path / "same", older, newer, newer, monkeypatch).agrees
    newer.execute(
        "CREATE INDEX hot_idx ON app.base (a); ALTER TABLE counted ALTER at DROP NOT NULL;"
        "INSERT INTO pg_seclabel VALUES ('app.base'::regclass, 'pg_class'::regclass, 0, 'dummy', 'secret')"
    )
    newer.execute(f"ALTER DATABASE {newer.name} RESET work_mem; REVOKE TEMPORARY ON DATABASE {newer.name} FROM PUBLIC")
    report = _compared(tmp_path / "other", older, newer, newer, monkeypatch)
    assert [(each.kind, each.object) for each in report.drift] == [
        ("column", "public.counted.at"),
        ("index", "app.hot_idx"),
        ("grant", "database to PUBLIC"),
        ("security-label", "table app.base for dummy"),
        ("database-setting", "work_mem"),
    ]


def test_a_schema_that_cannot_be_loaded_gives_no_verdict(
    two_majors: tuple[Database, Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the shadow's server lacks what one of them has, the reason is told."""
    older, newer = two_majors
    if older.server.major >= 15:
        newer.execute("CREATE TABLE later (a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL)")
    else:
        newer.execute("CREATE TABLE later (a int UNIQUE NULLS NOT DISTINCT)")
    report = _compared(tmp_path, older, newer, older, monkeypatch)
    (comparison,) = report.comparisons
    assert comparison.verdict == "unknown" and not report.agrees
    assert comparison.reason is not None
    assert comparison.reason.startswith(f"One is PostgreSQL {older.server.major}.")
    assert "cannot be loaded into the shadow" in comparison.reason


def test_what_belongs_to_the_database_as_a_whole_is_compared(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings of the database and of a role in it, and grants on it; of somebody's own setting the name only."""
    with fresh_database(database.server) as other:  # type: ignore[arg-type]
        assert _compared(tmp_path / "same", database, other, other, monkeypatch).agrees
        name = database.name
        database.execute(
            f"ALTER DATABASE {name} SET work_mem = '5MB'; ALTER DATABASE {name} SET app.key = 'hunter2';"
            f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET DateStyle = 'ISO, YMD';"
            f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"
        )
        role = database.execute("SELECT quote_ident(current_user)")[0][0]
        report = _compared(tmp_path / "other", database, other, other, monkeypatch)
        assert [(each.kind, each.object, each.expected, each.found) for each in report.drift] == [
            ("grant", "database to PUBLIC", "absent", "TEMPORARY"),
            ("database-setting", f"DateStyle of {role}", "absent", "value: ISO, YMD"),
            ("database-setting", "app.key", "absent", "value: (not read)"),
            ("database-setting", "work_mem", "absent", "value: 5MB"),
        ]
        lines = revert_sql(report).text.splitlines()
        assert not any(line.startswith(("GRANT", "REVOKE", "DROP DATABASE")) for line in lines)
        assert any("work_mem" in line for line in lines)


def test_the_way_back_leads_to_the_other_database() -> None:
    """The command that is named compares with the same profile again."""
    drift = Drift("table", "public.extra", "database", "absent", "a table")
    report = DriftReport("dev", "", "18.1", (), (drift,), (Comparison("database", "differs"),), against="stag ing")
    assert (
        "To take it back:  erm drift --env dev --against 'stag ing' -x a=b --fix revert   (writes SQL)\n"
        in drift_text(report, arguments=("-x", "a=b"))
    )


def test_taking_over_is_offered_only_where_something_can_be_taken_over() -> None:
    """A grant belongs to an environment: no revision takes it over, and the command for one is not named."""
    drift = Drift("grant", "table public.users to reader", "database", "absent", "SELECT")
    report = DriftReport("dev", "", "18.1", (), (drift,), (Comparison("database", "differs"),))
    assert "--fix revert" in drift_text(report) and "--fix adopt" not in drift_text(report)
    assert "--fix adopt" in drift_text(replace(report, to_adopt=True))


def test_a_script_waits_for_locks_as_long_as_a_run() -> None:
    """`execution.lock_timeout` of the profile holds in the way back too; zero leaves it to the session."""
    assert "BEGIN;\nSET LOCAL lock_timeout = '3000ms';\n" in as_script(
        "t", ["DROP TABLE a"], None, timedelta(seconds=3)
    )
    assert "lock_timeout" not in as_script("t", ["DROP TABLE a"])
