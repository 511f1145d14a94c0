"""Quotes, spaces, percent signs, newlines and emoji in every name that a user chooses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.faults.deploying import ENV_PY, Project
from tests.support.databases import Database

AWKWARD = {
    "quotes, spaces and percent": """it's "x"  100%s %(x)s %% {y}""",
    "newline and emoji": "one\ntwo déjà 🐘",
}
awkward = pytest.mark.parametrize("name", AWKWARD.values(), ids=list(AWKWARD))


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture
def named(request: pytest.FixtureRequest, one_database: Database) -> Iterator[tuple[str, Database]]:
    """A database and a login role that both bear an awkward name, with a suffix of this test's own."""
    name: str = f"{request.getfixturevalue('name')} {one_database.name}"
    one_database.execute(f"CREATE ROLE {identifier(name)} LOGIN")
    one_database.execute(f"CREATE DATABASE {identifier(name)} OWNER {identifier(name)}")
    database = Database(quote(name, safe=""), one_database.server)
    try:
        yield name, database
    finally:
        one_database.execute(f"DROP DATABASE {identifier(name)} WITH (FORCE)")
        one_database.execute(f"DROP ROLE {identifier(name)}")


@awkward
def test_every_name_at_once(name: str, named: tuple[str, Database], one_database: Database, tmp_path: Path) -> None:
    """Database, role, schemas, tables, columns, ledger and folder of that name: apply, history and rollback work."""
    full, _ = named
    url = one_database.server.url(full).replace("postgres@", f"{quote(full, safe='')}@")
    folder = tmp_path / f"in {name}"
    folder.mkdir()
    project = Project(folder, url=url)
    project.env_py(
        ENV_PY.replace(
            "context.configure(connection=connection)",
            f"name = {name!r}\n"
            "    quoted = '\"' + name.replace('\"', '\"\"') + '\"'\n"
            "    connection.exec_driver_sql((f'CREATE SCHEMA IF NOT EXISTS {quoted}').replace('%', '%%'))\n"
            "    connection.exec_driver_sql((f'SET search_path TO {quoted}').replace('%', '%%'))\n"
            "    connection.commit()\n"
            "    context.configure(connection=connection, version_table=name, version_table_schema=name)",
        )
    )
    project.config(f"ledger: {{schema: {_yaml('ledger ' + name)}}}\nmigrations: {{role: {_yaml(full)}}}\n")
    project.revision(
        "a1",
        f"op.create_table({'t ' + name!r}, sa.Column({name!r}, sa.Text))\n"
        f"op.bulk_insert(sa.table({'t ' + name!r}, sa.column({name!r})), [{{{name!r}: {name!r}}}])",
        f"op.drop_table({'t ' + name!r})",
    )
    done = project.apply()
    assert done.returncode == 0, done.stderr + done.stdout
    assert [(run["outcome"], run["revisions"][0]["outcome"]) for run in project.history()] == [("done", "done")]
    refused = project.apply("--mode", "rollback")
    assert (refused.returncode, "loses 1 row." in refused.stdout) == (1, True), refused.stdout
    again = project.apply("--mode", "rollback", "--allow-data-loss")
    assert again.returncode == 0, again.stderr + again.stdout


def _yaml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
