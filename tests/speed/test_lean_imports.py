"""What a command does not need, it does not load: a start is mostly loading."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.deploying import Project
from tests.support.cli import erm_environment
from tests.support.databases import Database

LOADED = """
import json, sys
sys.argv = ["erm", *sys.argv[1:]]
from erm_alembic.cli.main import run
try:
    run()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
DATABASE = ("sqlalchemy", "alembic", "psycopg2", "asyncpg", "psycopg")
CASES = (
    (("--help",), (*DATABASE, "pydantic", "yaml", "rich", "jsonschema", "erm_alembic.config")),
    (("migrate", "--help"), (*DATABASE, "yaml", "jsonschema", "erm_alembic.config")),
    (("--version",), (*DATABASE, "yaml", "jsonschema", "erm_alembic.config")),
    (("check", "downgrades"), ("sqlalchemy", "alembic", "asyncpg", "psycopg", "jsonschema")),
)


def loaded(*arguments: str, cwd: Path, env: dict[str, str | None] | None = None) -> set[str]:
    """The modules that a command has loaded when it ends."""
    argv = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(argv, cwd=cwd, env=erm_environment(env), capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(("arguments", "unneeded"), CASES, ids=[" ".join(arguments) for arguments, _ in CASES])
def test_a_command_without_a_database_loads_nothing_for_one(
    tmp_path: Path, arguments: tuple[str, ...], unneeded: tuple[str, ...]
) -> None:
    """Help, the version and the check of down scripts load neither SQLAlchemy nor Alembic."""
    Project(tmp_path).table("a1", "first")
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    found = loaded(*arguments, cwd=tmp_path)
    assert "erm_alembic.cli.main" in found
    assert [name for name in unneeded if name in found] == []


def test_a_plan_does_not_load_what_runs_one(one_database: Database, tmp_path: Path) -> None:
    """Planning loads neither the executor nor the commands of hooks, rich or the embedded server."""
    Project(tmp_path, one_database).table("a1", "first")
    found = loaded("migrate", "--mode", "plan", cwd=tmp_path, env={"ERM_DATABASE_URL": one_database.url})
    assert "erm_alembic.planning.build" in found
    unneeded = ("erm_alembic.execute.deploy", "erm_alembic.hooks.process", "rich", "jsonschema", "asyncpg")
    assert [name for name in unneeded if name in found] == []


def test_importing_the_package_loads_nothing_else() -> None:
    """An application that imports erm_alembic pays for none of it until it calls something."""
    code = "import erm_alembic, sys; print([name for name in sys.modules if name.startswith('erm_alembic.')])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=erm_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['erm_alembic.version']"
