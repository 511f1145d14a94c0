"""Within the child: a session of the shadow, and the project's env.py run on it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from psycopg2 import sql
from sqlalchemy import Connection

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.postgres.intercept import Gate, GatedConnection, connect_gated, gated_engine
from erm_alembic.postgres.text.shared import Shared
from erm_alembic.revisions.environment import run_environment
from erm_alembic.revisions.graph import verify_graph
from erm_alembic.shadow.child.job import Job
from erm_alembic.shadow.child.shared_objects import SharedObjects

if TYPE_CHECKING:
    from erm_alembic.revisions.environment import Config, Work
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["ChildSession", "LoadedProject", "child_session", "loaded_project", "session_in"]

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
        loaded: the project, which knows what was stood in for.
    """

    job: Job
    config: Config
    scripts: ScriptDirectory
    raw: GatedConnection
    connection: Connection
    loaded: LoadedProject

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


@dataclass(frozen=True)
class LoadedProject:
    """The project of a job, entered, with its graph loaded.

    Args:
        job: what is to be done.
        config: Alembic's configuration.
        scripts: the revision graph.
        notes: what was stood in for so far, for a human; as keys, in order.
        extensions: the extensions that were made so far; as keys.
        lacking: those of which nothing could be made; as keys.
        stood_in: told each statement that was not sent, because it acts on what all databases share.
    """

    job: Job
    config: Config
    scripts: ScriptDirectory
    notes: dict[str, None] = field(default_factory=dict)
    extensions: dict[str, None] = field(default_factory=dict)
    lacking: dict[str, None] = field(default_factory=dict)
    stood_in: Callable[[Shared], None] = lambda statement: None


@contextlib.contextmanager
def child_session(job: Job, gate: Gate | None = None) -> Iterator[ChildSession]:
    """Open a session of the shadow and load the project.

    Args:
        job: what is to be done.
        gate: what sees each statement before the server does.

    Raises:
        ProjectError: the project cannot be read.
    """
    with loaded_project(job) as loaded, session_in(loaded, job.url, gate) as session:
        yield session


@contextlib.contextmanager
def loaded_project(job: Job) -> Iterator[LoadedProject]:
    """Enter the project and load its graph, which several sessions may then use.

    Args:
        job: what is to be done.

    Raises:
        ProjectError: the project cannot be read.
    """
    with job.project.entered():
        config = job.project.config()
        scripts = job.project.script_directory(config)
        verify_graph(scripts)
        yield LoadedProject(job, config, scripts)


@contextlib.contextmanager
def session_in(loaded: LoadedProject, url: str, gate: Gate | None = None) -> Iterator[ChildSession]:
    """Open a session of a scratch database.

    Args:
        loaded: the project.
        url: the scratch database as a libpq URI.
        gate: what sees each statement before the server does.
    """
    job = replace(loaded.job, url=url)

    def connect() -> GatedConnection:
        raw = connect_gated(url, APPLICATION)
        raw.autocommit = True
        with raw.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
            if job.role is not None:
                cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(job.role)))
        raw.autocommit = False
        raw.gate = SharedObjects(
            connect_apart,
            job.extensions,
            loaded.notes.setdefault,
            gate,
            used=loaded.extensions.setdefault,
            lacking=loaded.lacking.setdefault,
            given=job.given,
            stood_in=loaded.stood_in,
        )
        return raw

    def connect_apart() -> GatedConnection:
        raw = connect_gated(url, APPLICATION)
        raw.autocommit = True
        return raw

    with contextlib.closing(connect()) as raw:
        engine = gated_engine(raw, DatabaseUrl.parse(url).sqlalchemy_url("postgresql+psycopg2"), connect)
        with engine.connect() as connection:
            connection.rollback()
            yield ChildSession(job, loaded.config, loaded.scripts, raw, connection, loaded)
