"""Within the child: a session of the shadow, and the project's env.py run on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2 import sql
from sqlalchemy import Connection

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.postgres.intercept import Gate, GatedConnection, connect_gated, gated_engine
from erm_alembic.revisions.environment import run_environment
from erm_alembic.revisions.graph import verify_graph
from erm_alembic.shadow.job import Job

if TYPE_CHECKING:
    from erm_alembic.revisions.environment import Config, Work
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["ChildSession", "child_session"]

APPLICATION = "erm shadow"


@dataclass(frozen=True)
class ChildSession:
    """A session of the shadow, with the project entered and its graph loaded.

    Args:
        job: what is to be done.
        config: Alembic's configuration of this run.
        scripts: the revision graph.
        raw: the connection that revisions run on.
        connection: the same one, for SQLAlchemy.
    """

    job: Job
    config: Config
    scripts: ScriptDirectory
    raw: GatedConnection
    connection: Connection

    def run(self, work: Work, *, destination: str = "heads", context_options: dict[str, Any] | None = None) -> None:
        """Run env.py once, doing `work` where Alembic would run its migrations; everything is written.

        Args:
            work: given the recorded revisions, yields the steps to run.
            destination: what `context.get_revision_argument()` answers.
            context_options: further options of Alembic's EnvironmentContext, for autogenerate.

        Raises:
            ProjectError: env.py raises, or does what erm cannot do safely.
        """
        run_environment(
            self.job.project,
            self.scripts,
            self.config,
            self.connection,
            DatabaseUrl.parse(self.job.url),
            work,
            destination=destination,
            read_only=False,
            metadata=self.job.metadata,
            context_options=context_options,
        )


@contextlib.contextmanager
def child_session(job: Job, gate: Gate | None = None) -> Iterator[ChildSession]:
    """Open a session of the shadow and load the project.

    Args:
        job: what is to be done.
        gate: what sees each statement before the server does.

    Raises:
        ProjectError: the project cannot be read.
    """
    url = DatabaseUrl.parse(job.url)

    def connect() -> GatedConnection:
        raw = connect_gated(job.url, APPLICATION)
        raw.autocommit = True
        with raw.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
            if job.role is not None:
                cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(job.role)))
        raw.autocommit = False
        raw.gate = gate
        return raw

    with job.project.entered(), contextlib.closing(connect()) as raw:
        config = job.project.config()
        scripts = job.project.script_directory(config)
        verify_graph(scripts)
        engine = gated_engine(raw, url.sqlalchemy_url("postgresql+psycopg2"), connect)
        with engine.connect() as connection:
            connection.rollback()
            yield ChildSession(job, config, scripts, raw, connection)
