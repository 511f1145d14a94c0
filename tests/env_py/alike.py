"""One project deployed twice, by plain `alembic` and by `erm`, into two databases that must come out alike."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.deploying import Project
from tests.support.cli import erm_environment
from tests.support.databases import Database
from tests.support.forking import start

HEAD = """
from alembic import context
from sqlalchemy import create_engine, engine_from_config, event, pool, text

config = context.config
URL = config.get_main_option("sqlalchemy.url")


def run(engine, **options):
    with engine.connect() as connection:
        run_on(connection, **options)


def run_on(connection, **options):
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()


"""


@dataclass(frozen=True)
class Twice:
    """The same project, for two databases.

    Args:
        project: the project; `project.database` is the one that erm deploys.
        plain: the database that plain alembic deploys.
    """

    project: Project
    plain: Database

    @property
    def adopted(self) -> Database:
        """The database that erm deploys."""
        assert self.project.database is not None
        return self.project.database

    def env_py(self, body: str) -> None:
        """Write env.py: the usual imports, URL and run(engine), and then `body`."""
        self.project.env_py(HEAD + body)

    def both(self, statement: str) -> None:
        """What an administrator does in both databases before the first migration."""
        self.adopted.execute(statement)
        self.plain.execute(statement)

    def alembic(self, *arguments: str) -> str:
        """Run plain alembic, which must succeed, and answer what it complained of."""
        url = self.plain.url.replace("%", "%%")
        (self.project.root / "plain.ini").write_text(
            f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {self.written(url)}\n", encoding="utf-8"
        )
        environ = erm_environment({**self.project.env, "ERM_DATABASE_URL": None})
        process = start("alembic", "-c", "plain.ini", *arguments, cwd=self.project.root, environ=environ)
        said, complained = process.communicate(timeout=60)
        assert process.returncode == 0, f"alembic {arguments}: {said}{complained}"
        return complained

    def written(self, url: str) -> str:
        """The URL as the project's env.py wants it: with the driver of its engine."""
        source = (self.project.root / "migrations" / "env.py").read_text(encoding="utf-8")
        for driver in ("asyncpg", "psycopg"):
            if f'"postgresql+{driver}' in source or f"# driver: {driver}" in source:
                return url.replace("postgresql://", f"postgresql+{driver}://", 1)
        return url.replace("postgresql://", "postgresql+psycopg2://", 1)

    def erm(self) -> Any:
        """Plan and apply with erm, which must succeed."""
        done = self.project.apply()
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def up(self) -> None:
        """Deploy both, and hold that they came out alike."""
        self.alembic("upgrade", "head")
        self.erm()
        self.alike()

    def alike(self) -> None:
        """Hold that both databases have the same catalog, owners and rows, but for what erm adds."""
        assert seen(self.adopted) == seen(self.plain)


def seen(database: Database) -> str:
    """Everything that a database holds beside the ledger, as text."""
    program = database.server.binaries.bin_dir / "pg_dump"
    command = [program, "--exclude-schema=erm", database.url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


def twice(folder: Path, adopted: Database, plain: Database) -> Twice:
    """A project in a folder, with an erm database and a plain one."""
    return Twice(Project(folder, adopted), plain)
