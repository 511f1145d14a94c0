"""What `erm grants` prints is enough for apply, rollback and smoke, and none of it can be left out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence

import pytest

from erm_alembic import migrate
from erm_alembic.errors import ErmError
from erm_alembic.granting import GrantReport, least_grants
from tests.grants.projects import Shop, quoted, shop_in, url_as, without_one
from tests.smoke.projects import ALONE
from tests.support.cli import run_erm
from tests.support.databases import Database, RunningServer, fresh_database, newest

ROLE = 'mi"grator\n%s'


@pytest.fixture(scope="module")
def shop(postgres_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The project on a server of each major."""
    with fresh_database(postgres_server) as database, shop_in(tmp_path_factory.mktemp("shop"), database) as made:
        yield made


@pytest.fixture(scope="module")
def report(shop: Shop) -> GrantReport:
    """What its migration role needs."""
    return least_grants(ROLE, env="prod", config=shop.project.root / "erm.yaml")


def copied(shop: Shop, name: str) -> Database:
    """The database as it is, under another name."""
    Database("postgres", shop.database.server).execute(f'CREATE DATABASE "{name}" TEMPLATE "{shop.database.name}"')
    made = Database(name, shop.database.server)
    made.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')  # which is not copied
    return made


def deployed(shop: Shop, database: Database, role: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Apply, roll back, apply, smoke as the role: what was refused, or nothing."""
    url = url_as(database, role)
    monkeypatch.setenv("ERM_DATABASE_URL", url)
    config = shop.project.root / "erm.yaml"
    try:
        results = [
            migrate.apply("prod", config=config).outcome,
            migrate.rollback("prod", config=config, allow_data_loss=True, overrides=()).outcome,
            migrate.apply("prod", config=config).outcome,
        ]
    except ErmError as error:
        return error.what
    for outcome in results:
        if outcome.result != "done":
            return outcome.error or outcome.result
    environ: dict[str, str | None] = {"ERM_DATABASE_URL": url, **ALONE}
    done = run_erm("smoke", "--env", "prod", "--format", "json", cwd=shop.project.root, env=environ)
    told = json.loads(done.stdout)
    problems = [test["reason"] for test in told["tests"] if test["outcome"] != "passed"]
    # A run of smoke tests that cannot be recorded is a note.
    return "; ".join([*problems, *(note for note in told["notes"] if "ledger" in note)])


@contextlib.contextmanager
def role_with(shop: Shop, number: int, statements: Sequence[str]) -> Iterator[tuple[Database, str]]:
    """A copy of the database, and a role for which the statements were run there."""
    role, server = f"{ROLE}{number}", Database("postgres", shop.database.server)
    database = copied(shop, f"{shop.database.name}_{number}")
    try:
        for statement in statements:
            database.execute(statement.replace(quoted(ROLE), quoted(role)).replace(shop.database.name, database.name))
        yield database, role
    finally:
        server.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)')
        server.execute(f"DROP ROLE IF EXISTS {quoted(role)}")


def test_what_is_printed_is_enough(shop: Shop, report: GrantReport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply, rollback and smoke run as a role that has what was printed and nothing else, whatever it is called."""
    assert report.trial is not None
    assert (report.trial.status, report.trial.upgraded, report.trial.downgraded) == ("done", 2, 1)
    with role_with(shop, 0, needed(report)) as (database, role):
        assert deployed(shop, database, role, monkeypatch) == ""


def test_each_right_is_needed(
    shop: Shop, report: GrantReport, postgres_server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any one right of what is printed, something is refused: each on the newest server, one on the others."""
    cases = list(without_one(needed(report)))[1:]  # without the role itself the rest cannot be run
    assert len(cases) > 10
    for number, (left_out, statements) in enumerate(cases, 1):
        if number == 1 or postgres_server.major == newest().major:
            with role_with(shop, number, statements) as (database, role):
                assert deployed(shop, database, role, monkeypatch), left_out


def needed(report: GrantReport) -> list[str]:
    """The statements that an administrator is told to run."""
    statements = [grant.sql for grant in report.grants if grant.kind == "needed"]
    assert statements[0] == f"CREATE ROLE {quoted(ROLE)} LOGIN"
    return statements
