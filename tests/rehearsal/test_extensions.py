"""Extensions that the shadow's server has not: what fails for want of them says nothing of the target."""

from __future__ import annotations

from pathlib import Path

import pytest

from erm_alembic import migrate
from tests.faults.deploying import Project
from tests.rehearsal.conftest import rehearsing
from tests.support.databases import Database, RunningServer, ServerPool, fresh_database, one_per_major

AVAILABLE = "SELECT name FROM pg_available_extensions WHERE name IN ('pgcrypto', 'citext', 'hstore', 'uuid-ossp')"


@pytest.fixture(autouse=True)
def not_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite does without shadows; these tests do not."""
    monkeypatch.delenv("ERM_NO_SHADOW")


def test_what_fails_for_want_of_an_extension_that_the_target_has_only_warns(
    server_pool: ServerPool, tmp_path: Path
) -> None:
    """The target would make it: the first revisions of many projects do just that."""
    servers = [server_pool.server(binaries) for binaries in one_per_major()]
    found = {server.major: _extensions(server) for server in servers}
    pair = [
        (a, b, found[a.major] - found[b.major]) for a in servers for b in servers if found[a.major] - found[b.major]
    ]
    if not pair:
        pytest.skip("no server here has an extension that another one lacks")
    target, shadow, only_there = pair[0]
    extension = min(only_there)
    with fresh_database(target) as database:
        project = rehearsing(tmp_path, database)
        where = f'url: "{database.url}"', f'url: "{shadow.url("postgres")}"'
        project.config(f"database: {{environments: {{prod: {{{where[0]}}}}}}}\nshadow: {{{where[1]}}}\n")
        _uses(project, extension)
        plan = migrate.plan("prod", config=project.root / "erm.yaml", rehearse=True)
    (finding,) = [each for each in plan.findings if each.rule == "rehearsal-failed"]
    assert finding.severity == "warning"
    assert f"It may fail there only, for the shadow's server has no extension {extension}" in finding.message
    assert not plan.blocked


def test_what_the_target_lacks_too_is_an_error_that_names_it(project: Project) -> None:
    """Rather than the type or the function that is missing without it."""
    _uses(project, "never_heard_of")
    plan = migrate.plan("prod", config=project.root / "erm.yaml", rehearse=True)
    (finding,) = [each for each in plan.findings if each.rule == "rehearsal-failed"]
    assert finding.severity == "error"
    assert "(the target's server has no extension never_heard_of)" in finding.message


def _extensions(server: RunningServer) -> frozenset[str]:
    with fresh_database(server) as database:
        return frozenset(name for (name,) in database.execute(AVAILABLE))


def _uses(project: Project, extension: str) -> None:
    assert isinstance(project.database, Database)
    statements = (f'CREATE EXTENSION IF NOT EXISTS "{extension}"', "CREATE TABLE b (id int DEFAULT made_by_it())")
    project.revision("a1", "\n".join(f"op.execute({each!r})" for each in statements), "op.drop_table('b')")
