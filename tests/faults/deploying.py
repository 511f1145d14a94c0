"""A small Alembic project that is deployed by `erm` in another process, as a user would."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from tests.support.cli import erm_environment, run_erm
from tests.support.databases import Database
from tests.support.forking import Forked, start
from tests.support.secrecy import shown_in
from tests.support.waiting import until as until

SLEEPS = 'op.execute("DO $$ BEGIN PERFORM pg_sleep(600); END $$")'
# Waits for the test, which holds advisory lock 42.
HOLDS = 'op.execute("DO $$ BEGIN PERFORM pg_advisory_xact_lock(42); END $$")'

ENV_PY = """
from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = '''"""{message}"""
from alembic import op
import sqlalchemy as sa

revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''


@dataclass
class Project:
    """An Alembic project without an erm.yaml; the database comes from ERM_DATABASE_URL."""

    root: Path
    database: Database | None = None
    url: str | None = None
    env: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.url is None and self.database is not None:
            self.url = self.database.url
        self.versions.mkdir(parents=True, exist_ok=True)
        self.env_py(ENV_PY)

    @property
    def versions(self) -> Path:
        return self.root / "migrations" / "versions"

    def env_py(self, text: str) -> None:
        """Replace env.py."""
        (self.root / "migrations" / "env.py").write_text(text, encoding="utf-8")

    def config(self, text: str) -> None:
        """Write erm.yaml."""
        (self.root / "erm.yaml").write_text(dedent(text), encoding="utf-8")

    def revision(
        self,
        revision: str,
        upgrade: str,
        downgrade: str = 'op.execute("SELECT 1")',
        *,
        down: str | tuple[str, ...] | None = None,
        name: str | None = None,
    ) -> Path:
        """Write a revision file.

        Args:
            revision: its id.
            upgrade: the body of upgrade().
            downgrade: the body of downgrade().
            down: the id that it builds on.
            name: the file's name without `.py`; the id by default.
        """
        path = self.versions / f"{name or revision}.py"
        bodies = {"upgrade": upgrade, "downgrade": downgrade}
        shown = {key: indent(dedent(body).strip(), "    ") for key, body in bodies.items()}
        text = REVISION.format(message=f"make {revision}", revision=revision, down=down, **shown)
        path.write_text(text, encoding="utf-8")
        return path

    def table(self, revision: str, table: str, *, down: str | None = None) -> Path:
        """Write a revision that creates a table of one column, and drops it."""
        create = f'op.create_table({table!r}, sa.Column("id", sa.Integer, primary_key=True))'
        return self.revision(revision, create, f"op.drop_table({table!r})", down=down)

    def environ(self) -> dict[str, str | None]:
        """The variables of every process that deploys this project."""
        return {"ERM_DATABASE_URL": self.url, "PYTHONDONTWRITEBYTECODE": "1", **self.env}

    def erm(self, *args: str | Path, **env: str | None) -> subprocess.CompletedProcess[str]:
        """Run `erm` and wait for it."""
        return run_erm(*args, cwd=self.root, env={**self.environ(), **env}, timeout=60)

    def apply(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """Run `erm migrate`."""
        return self.erm("migrate", *args)

    def history(self) -> list[dict[str, Any]]:
        """The ledger as `erm history --format json` exports it, oldest run first."""
        done = self.erm("history", "--format", "json")
        assert done.returncode == 0, done.stderr
        return list(reversed(json.loads(done.stdout)["runs"]))

    def runs(self) -> list[dict[str, Any]]:
        """The runs in the ledger's own tables, oldest first, each with its revisions."""
        assert self.database is not None
        rows = self.database.execute(
            "SELECT row_to_json(run)::jsonb || jsonb_build_object('revisions', coalesce("
            " (SELECT jsonb_agg(row_to_json(r) ORDER BY id) FROM erm.revision r WHERE run_id = run.id), '[]'))"
            " FROM erm.run ORDER BY id"
        )
        return [row[0] for row in rows]

    @contextmanager
    def deploying(self, *args: str | Path) -> Iterator[Deployer]:
        """`erm migrate` under way in the background, killed at the end where it still runs."""
        with self.running("migrate", *args) as deployer:
            yield deployer

    @contextmanager
    def running(self, *args: str | Path) -> Iterator[Deployer]:
        """`erm` under way in the background, killed at the end where it still runs."""
        # A fresh group: a signal to the test runner's own group is none of its business.
        process = start("erm_alembic", *args, cwd=self.root, environ=erm_environment(self.environ()), own_group=True)
        try:
            yield Deployer(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


@dataclass
class Deployer:
    """An `erm migrate` that is under way."""

    process: Forked | subprocess.Popen[str]

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it without giving it a chance to clean up."""
        self.signal(signal.SIGKILL)
        self.process.wait(10)

    def ended(self, seconds: float = 30, *, quiet: bool = True) -> tuple[int, str, str]:
        """Wait for its end: exit code, stdout, stderr, which holds no traceback unless `quiet` is off."""
        out, err = self.process.communicate(timeout=seconds)
        assert not quiet or "Traceback" not in err, err
        assert not shown_in(out + err)
        return self.process.returncode, out, err

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition that this deployer brings about; fail with its words when it ends before."""
        until(lambda: condition() or not self.still_runs())
        if not condition():
            out, err = self.process.communicate()
            raise AssertionError(f"it ended before the awaited condition came true:\n{out}{err}")

    def still_runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None


def sleeping(database: Database) -> list[tuple[Any, ...]]:
    """The server processes in which a migration sleeps: pid, and whether a transaction is open."""
    return database.execute(
        "SELECT pid, xact_start IS NOT NULL FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'PgSleep'"
    )


def tables(database: Database) -> set[str]:
    """The tables of the application and of Alembic."""
    rows = database.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'erm')"
    )
    return {row[0] for row in rows}


def advisory_locks(database: Database) -> int:
    """How many advisory locks are held in the database."""
    rows = database.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return int(rows[0][0])


def told(done: subprocess.CompletedProcess[str]) -> tuple[int, list[str]]:
    """The exit code, and the lines of the error."""
    return done.returncode, [line for line in done.stderr.splitlines() if line[:7] in ("error: ", "effect:", "cure:  ")]


def mounted(*arguments: str | Path) -> bool:
    """Mount a file system; False where this machine does not let us."""
    if shutil.which("mount") is None:
        return False
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
