"""A sample project and its database: erm in this process, plain `alembic` in another one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from tests.support.cli import erm_environment
from tests.support.databases import Database

PROJECTS = Path(__file__).resolve().parents[1] / "projects"

# Several commands of plain alembic, each in a process of its own as on a shell; a fork saves importing it each time.
PLAIN = """
import io, json, os, sys
from alembic.config import CommandLine, Config
from alembic.util import CommandError

def answer(arguments):
    line, said = CommandLine(), io.StringIO()
    options = line.parser.parse_args(arguments)
    config = Config(os.environ.get("PLAIN_INI"), toml_file=os.environ.get("PLAIN_TOML"), cmd_opts=options, stdout=said)
    try:
        line.run_cmd(config, options)
        return [0, said.getvalue().strip()]
    except CommandError as error:
        return [1, str(error)]

for arguments in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        print(json.dumps(answer(arguments)), file=sys.__stdout__, flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""


def copy_sample(name: str, folder: Path) -> Path:
    """Copy the sample projects, which share revisions, and answer the folder of one."""
    projects = folder / "projects"
    shutil.copytree(PROJECTS, projects, ignore=shutil.ignore_patterns("__pycache__"))
    return projects / name


@dataclass(frozen=True)
class Sample:
    """A sample project that is worked on with erm and with plain alembic."""

    path: Path
    database: Database

    def prepare(self) -> None:
        """What an administrator does before the first migration."""
        script = self.path / "before.sql"
        if script.exists():
            self.database.execute(script.read_text())

    def alembic(self, *commands: str) -> list[str]:
        """Run commands of plain alembic in another process, with its own copy of the ini that has the true URL.

        Every command must succeed; the answers are what each printed.
        """
        environ = erm_environment({"ERM_DATABASE_URL": None, "APP_DATABASE_URL": self.database.url})
        environ.update(self._plain_configuration())
        done = subprocess.run(
            [sys.executable, "-c", PLAIN, json.dumps([command.split() for command in commands])],
            cwd=self.path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        for command, (code, said) in zip(commands, answers, strict=True):
            assert code == 0, f"alembic {command}: {said}"
        return [said for _, said in answers]

    def _plain_configuration(self) -> dict[str, str]:
        ini = self.path / "alembic.ini"
        if not ini.exists():
            return {"PLAIN_TOML": str(self.path / "pyproject.toml")}
        lines = ini.read_text().splitlines()
        for number, line in enumerate(lines):
            if line.startswith("sqlalchemy.url = "):
                driver = make_url(line.removeprefix("sqlalchemy.url = ")).drivername
                lines[number] = f"sqlalchemy.url = {self._url(driver)}"
        plain = self.path / "plain.ini"
        plain.write_text(os.linesep.join(lines))
        return {"PLAIN_INI": str(plain)}

    def _url(self, driver: str) -> str:
        if not driver.startswith("postgresql"):
            driver = "postgresql"
        written = self.database.url.replace("postgresql://", f"{driver}://", 1)
        return written.replace("%", "%%")

    def current(self) -> set[str]:
        """The revisions that plain alembic says the database is at."""
        (said,) = self.alembic("current")
        return {line.split()[0] for line in said.splitlines()}

    def rows(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        """The rows of a query on the database."""
        return self.database.execute(statement, *params)
