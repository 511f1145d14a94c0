"""`erm grants` as an administrator and a pipeline use it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from erm_alembic import migrate
from erm_alembic.errors import ErmError
from erm_alembic.granting import GrantReport, Purpose, least_grants
from tests.faults.deploying import Project
from tests.grants.projects import made_roles, quoted, url_as
from tests.support.cli import REPOSITORY, run_erm
from tests.support.databases import Database


@pytest.fixture
def shop(one_database: Database, tmp_path: Path) -> Iterator[tuple[Project, str, str]]:
    """A project of one table whose first revision is applied, the role that owns it, and a role without rights."""
    project = Project(tmp_path, one_database)
    project.config(f"""
        database: {{environments: {{prod: {{url: "{one_database.url}"}}}}}}
        shadow: {{url: "{one_database.server.url("postgres")}"}}
    """)
    project.table("a1", "orders")
    assert migrate.apply("prod", config=tmp_path / "erm.yaml").outcome.result == "done"
    project.table("b2", "invoices", down="a1")
    with made_roles(one_database, 2) as (owner, plain):
        one_database.execute(f"ALTER TABLE orders OWNER TO {quoted(owner)}")
        one_database.execute(f"ALTER ROLE {quoted(plain)} LOGIN")
        yield project, owner, plain


def asked(project: Project, role: str, *purposes: Purpose) -> GrantReport:
    """What a role needs for purposes."""
    return least_grants(role, env="prod", purposes=purposes, config=project.root / "erm.yaml")


def run_as_administrator(database: Database, report: GrantReport) -> None:
    """Run what is needed and has not been run."""
    for grant in report.missing:
        database.execute(grant.sql)


def test_what_is_missing_is_told_until_it_is_there(shop: tuple[Project, str, str], one_database: Database) -> None:
    """`--check` ends with 1 and the missing statements; run by an administrator, they are missing no more."""
    project, _, plain = shop

    arguments = ("grants", "--env", "prod", "--role", plain, "--check", "--format", "json")
    done = run_erm(*arguments, cwd=project.root)
    told = json.loads(done.stdout)
    assert (done.returncode, told["complete"], told["trial"]["status"]) == (1, False, "done")
    for grant in told["grants"]:
        if grant["kind"] == "needed" and not grant["held"]:
            one_database.execute(grant["sql"])
    assert asked(project, plain, "migrate", "smoke").missing == ()


def test_a_database_where_nothing_was_deployed_yet(
    one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that makes everything itself needs two schemas, and no right on what it will own."""
    project = Project(tmp_path, one_database)
    project.config(f"""
        database: {{environments: {{prod: {{url: "{one_database.url}"}}}}}}
        shadow: {{url: "{one_database.server.url("postgres")}"}}
    """)
    project.table("a1", "orders")
    with made_roles(one_database, 1) as (role,):
        report = asked(project, role, "migrate")
        assert [each.sql.replace(quoted(role), "r") for each in report.missing] == [
            "ALTER ROLE r LOGIN",
            "GRANT CREATE ON SCHEMA public TO r",
            'CREATE SCHEMA "erm" AUTHORIZATION r',
        ]
        run_as_administrator(one_database, report)
        monkeypatch.setenv("ERM_DATABASE_URL", url_as(one_database, role))
        config = tmp_path / "erm.yaml"
        assert migrate.apply("prod", config=config).outcome.result == "done"
        assert migrate.rollback("prod", config=config, to="base").outcome.result == "done"
        assert asked(project, role, "migrate").missing == ()


def test_a_schema_that_env_py_makes(one_database: Database, tmp_path: Path) -> None:
    """Where env.py makes the schema before any revision runs, the role needs to make one, and owns what is in it."""
    shutil.copytree(REPOSITORY / "tests" / "projects" / "own_schema", tmp_path, dirs_exist_ok=True)
    (tmp_path / "erm.yaml").write_text(
        f"database: {{environments: {{prod: {{url: '{one_database.url}'}}}}}}\n"
        f"shadow: {{url: '{one_database.server.url('postgres')}'}}\n"
    )
    arguments = ("grants", "--env", "prod", "--role", "r", "--purpose", "migrate", "--format", "json")
    grants = json.loads(run_erm(*arguments, cwd=tmp_path).stdout)["grants"]
    assert [each["sql"] for each in grants if each["kind"] == "needed"] == [
        'CREATE ROLE "r" LOGIN',
        f'GRANT CREATE ON DATABASE {one_database.name} TO "r"',
        'CREATE SCHEMA "erm" AUTHORIZATION "r"',
    ]


def test_the_script_of_an_administrator_holds_no_live_name(shop: tuple[Project, str, str]) -> None:
    """A role whose name ends a comment or moves the cursor is written as an escape; what is optional is a comment."""
    project, _, _ = shop
    done = run_erm(
        "grants", "--env", "prod", "--format", "sql", "--role", "a\n; DROP TABLE orders; --\x1b[2J\\", cwd=project.root
    )
    assert done.returncode == 0, done.stderr
    assert 'CREATE ROLE U&"a\\000A; DROP TABLE orders; --\\001B[2J\\\\" LOGIN;' in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.startswith("; DROP")]
    assert "\x1b" not in done.stdout
    optional = [line for line in done.stdout.splitlines() if "pg_read_all_stats" in line]
    assert [line.startswith("-- GRANT") for line in optional] == [True]


def test_a_role_that_only_plans(
    shop: tuple[Project, str, str], one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is printed for `plan` a plan is made, and an apply is refused."""
    project, _, plain = shop
    run_as_administrator(one_database, asked(project, plain, "plan"))
    monkeypatch.setenv("ERM_DATABASE_URL", url_as(one_database, plain))
    config = project.root / "erm.yaml"
    assert [step.revision for step in migrate.plan("prod", config=config).steps] == ["b2"]
    with pytest.raises(ErmError):
        migrate.apply("prod", config=config)


def test_revisions_that_are_run_as_their_owner(
    shop: tuple[Project, str, str], one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `migrations.role`, the role that logs in needs to become that one and to keep the ledger, and no more."""
    project, owner, plain = shop
    one_database.execute(f"ALTER TABLE alembic_version OWNER TO {quoted(owner)}")
    one_database.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {quoted(owner)}")
    with (project.root / "erm.yaml").open("a", encoding="utf-8") as file:
        file.write(f"migrations: {{role: {json.dumps(owner)}}}\n")
    report = asked(project, plain, "migrate")
    on_others = [each.sql for each in report.missing if " erm" not in each.sql]
    assert (report.acts_as, on_others[1:]) == (owner, [])
    assert on_others[0].startswith(f"GRANT {quoted(owner)} TO {quoted(plain)}")
    run_as_administrator(one_database, report)
    monkeypatch.setenv("ERM_DATABASE_URL", url_as(one_database, plain))
    assert migrate.apply("prod", config=project.root / "erm.yaml").outcome.result == "done"
    owners = one_database.execute("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'invoices'")
    assert owners == [(owner,)]


def test_what_others_read_they_go_on_reading(shop: tuple[Project, str, str], one_database: Database) -> None:
    """Who reads most of the project's tables reads, with the default privileges that are printed, new ones too."""
    project, _, plain = shop
    with made_roles(one_database, 1) as (reader,):
        one_database.execute(f"GRANT SELECT ON orders TO {quoted(reader)}")
        others = [each for each in asked(project, plain, "migrate").grants if each.kind == "for-others"]
        assert [each.sql for each in others] == [
            f'ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(plain)} IN SCHEMA "public" GRANT SELECT ON TABLES '
            f"TO {quoted(reader)}"
        ]
        one_database.execute(others[0].sql)
        again = [each.held for each in asked(project, plain, "migrate").grants if each.kind == "for-others"]
        assert again == [True]


def test_the_application_reads_and_writes_rows(shop: tuple[Project, str, str], one_database: Database) -> None:
    """It gets rows and sequences of what is there and of what is to come, and nothing that changes the schema."""
    project, _, plain = shop
    run_as_administrator(one_database, asked(project, plain, "application"))
    migrate.apply("prod", config=project.root / "erm.yaml")
    as_application = Database(one_database.name, _As(one_database, plain))  # type: ignore[arg-type]  # only its address
    for table in ("orders", "invoices"):
        as_application.execute(f"INSERT INTO {table} DEFAULT VALUES")
        assert as_application.execute(f"SELECT count(*) FROM {table}") == [(1,)]
    with pytest.raises(Exception, match="must be owner of table orders"):
        as_application.execute("ALTER TABLE orders ADD n int")


def test_without_a_shadow_nothing_is_pretended(shop: tuple[Project, str, str]) -> None:
    """Where nothing can be tried, it says so, and prints what most revisions take."""
    project, owner, plain = shop
    (project.root / "erm.yaml").write_text(
        (project.root / "erm.yaml").read_text(encoding="utf-8").split("shadow:")[0]
        + "shadow: {url: 'postgresql://nobody@127.0.0.1:1/none'}\n",
        encoding="utf-8",
    )
    report = asked(project, plain, "migrate")
    assert report.trial is not None
    assert report.trial.status == "unknown"
    assert any(each.what.startswith("No revision was tried") for each in report.remarks)
    assert any(each.sql.startswith(f"GRANT {quoted(owner)} TO") for each in report.missing)


def test_a_revision_that_fails_by_itself_ends_the_trial(shop: tuple[Project, str, str]) -> None:
    """What was found until then is printed, and it is said where the trial ended."""
    project, owner, plain = shop
    project.revision(
        "c3", 'op.execute("ALTER TABLE orders ADD n int")\nraise RuntimeError("no mail server")', down="b2"
    )
    report = asked(project, plain, "migrate")
    assert report.trial is not None
    assert (report.trial.status, report.trial.upgraded) == ("partial", 1)
    assert "The upgrade of c3 fails in the shadow (migrations/versions/c3.py:13: " in str(report.trial.reason)
    assert any(each.sql.startswith(f"GRANT {quoted(owner)} TO") for each in report.missing)


class _As:
    """A server, as one role sees it."""

    def __init__(self, database: Database, role: str) -> None:
        self._database, self._role = database, role

    def url(self, name: str) -> str:
        return url_as(self._database, self._role)
