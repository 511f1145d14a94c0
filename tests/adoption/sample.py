"""A sample project and its database: erm in this process, plain `alembic` in another one."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from tests.support.cli import erm_environment
from tests.support.databases import Database
from tests.support.forking import start

PROJECTS = Path(__file__).resolve().parents[1] / "projects"


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
        """Run commands of plain alembic, each in another process, with its own copy of the ini that has the true URL.

        Every command must succeed; the answers are what each printed.
        """
        environ = erm_environment({"ERM_DATABASE_URL": None, "APP_DATABASE_URL": self.database.url})
        options = self._plain_configuration()
        answers = []
        for command in commands:
            process = start("alembic", *options, *command.split(), cwd=self.path, environ=environ)
            said, complained = process.communicate(timeout=60)
            assert process.returncode == 0, f"alembic {command}: {said}{complained}"
            answers.append(said.strip())
        return answers

    def _plain_configuration(self) -> list[str]:
        ini = self.path / "alembic.ini"
        # Without one, pyproject.toml has the settings; env.py asks for an address, which needs the section to be there.
        lines = ini.read_text().splitlines() if ini.exists() else ["[alembic]"]
        for number, line in enumerate(lines):
            if line.startswith("sqlalchemy.url = "):
                driver = make_url(line.removeprefix("sqlalchemy.url = ")).drivername
                lines[number] = f"sqlalchemy.url = {self._url(driver)}"
        plain = self.path / "plain.ini"
        plain.write_text(os.linesep.join(lines))
        return ["-c", str(plain)]

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
