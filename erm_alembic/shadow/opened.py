"""The shadow of a target: scratch databases with the history of the project up to given revisions.

The server is started, and the target asked for its facts, when the first of them is needed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.redaction import first_line
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.postgres.intercept import GatedConnection, connect_gated
from erm_alembic.postgres.scratch import create_database, drop_database, drop_left_behind, held_name, let_go, major_of
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.shadow.clean_environment import clean_environment
from erm_alembic.shadow.job import Job
from erm_alembic.shadow.provision import Provision, provision
from erm_alembic.shadow.running import run_child
from erm_alembic.target import Target

__all__ = ["Shadow", "ShadowDatabase", "open_shadow"]

APPLICATION = "erm shadow"
NO_KEY = "0" * 12


@dataclass(frozen=True)
class ShadowDatabase:
    """One scratch database, which is dropped when its block ends.

    Args:
        name: its name.
        url: its address as a libpq URI, with the role that revisions run as; never shown.
        notes: what is not as on the target, for a human: another major version, what stands in for what.
    """

    name: str
    url: str = field(repr=False)
    notes: tuple[str, ...] = ()

    def connect(self) -> psycopg2.extensions.connection:
        """Open a connection; whoever opened it closes it.

        Raises:
            ShadowUnavailable: the shadow's server is gone.
        """
        return _connected(self.url)


class Shadow:
    """The shadow of one target, for as long as `open_shadow` lasts.

    Args:
        settings: what is in force.
        project: the Alembic project.
        target: the database whose shadow it is.
    """

    def __init__(self, settings: Settings, project: AlembicProject, target: Target) -> None:
        self._settings = settings
        self._project = project
        self._target = target
        self._stack = contextlib.ExitStack()
        self._provision: Provision | None = None
        self._admin: GatedConnection | None = None

    @property
    def exact_major(self) -> bool:
        """Whether the shadow's server is of the target's major version.

        Raises:
            ShadowUnavailable: there is no server.
        """
        return self.major == self._target.major

    @property
    def major(self) -> int:
        """The major version of the shadow's server; an embedded one is not started for this.

        Raises:
            ShadowUnavailable: there is no server.
        """
        binaries = self._provisioned().binaries
        return major_of(self._connected()) if binaries is None else binaries.major

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as on the target, for a human."""
        if self.exact_major:
            return ()
        return (f"The shadow is PostgreSQL {self.major}; the target is PostgreSQL {self._target.server_version}.",)

    @contextlib.contextmanager
    def at(self, revisions: Collection[str]) -> Iterator[ShadowDatabase]:
        """A scratch database in which the history up to some revisions has been replayed.

        Args:
            revisions: the revisions that the database records, as a database records them; none for the base.

        Raises:
            ShadowUnavailable: it cannot be had, with the reason.
        """
        with self._scratch(NO_KEY) as database:
            self.run("replay", database, {"revisions": sorted(revisions)})
            yield database

    def run(
        self,
        task: str,
        database: ShadowDatabase,
        arguments: Mapping[str, Any],
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Run a task of the child in a scratch database.

        Args:
            task: its name in `tasks.TASKS`.
            database: the scratch database.
            arguments: what the task is told; values that JSON has.
            on_event: told each event as it comes.

        Returns:
            The events that it told.

        Raises:
            ShadowUnavailable: it failed, with its reason.
        """
        migrations = self._settings.migrations
        job = Job(task, database.url, self._project, migrations.metadata, migrations.role, arguments)
        environ = clean_environment(os.environ, self._target.url, DatabaseUrl.parse(database.url))
        return run_child(job, environ, on_event)

    def close(self) -> None:
        """Drop what is left, and stop a server that was started for this."""
        self._stack.close()
        if self._provision is not None:
            self._provision.close()

    def _provisioned(self) -> Provision:
        if self._provision is None:
            self._provision = provision(self._settings, self._target.major)
        return self._provision

    def _connected(self) -> GatedConnection:
        """The session that administers the server, and holds the locks of the scratch databases."""
        if self._admin is None:
            self._admin = _connected(self._provisioned().start().dsn())
            self._admin.autocommit = True
            self._stack.callback(self._admin.close)
            with self._admin.cursor() as cursor:
                drop_left_behind(cursor)
        return self._admin

    @contextlib.contextmanager
    def _scratch(self, key: str) -> Iterator[ShadowDatabase]:
        with self._connected().cursor() as cursor:
            name = held_name(cursor, key)
            try:
                create_database(cursor, name)
                yield ShadowDatabase(name, self._address(name), self.notes)
            except psycopg2.Error as error:
                raise _refused(error) from error
            finally:
                with contextlib.suppress(psycopg2.Error):
                    drop_database(cursor, name)
                    let_go(cursor, name)

    def _address(self, name: str) -> str:
        return DatabaseUrl.parse(self._provisioned().start().dsn()).with_parameters(dbname=name).dsn()


@contextlib.contextmanager
def open_shadow(settings: Settings, project: AlembicProject, target: Target) -> Iterator[Shadow]:
    """The shadow of a target. Nothing is started before it is asked for something.

    Args:
        settings: what is in force.
        project: the Alembic project.
        target: the database whose shadow it is.

    Raises:
        ShadowUnavailable: from what is asked of it: there is no server, or the history cannot be replayed.

    Example:
        with open_shadow(opened.settings, opened.project, opened.target) as shadow:
            with shadow.at(plan.current) as database, contextlib.closing(database.connect()) as connection:
                with connection.cursor() as cursor:
                    expected = take_snapshot(cursor)
    """
    shadow = Shadow(settings, project, target)
    try:
        yield shadow
    finally:
        shadow.close()


def _connected(dsn: str) -> GatedConnection:
    try:
        return connect_gated(dsn, APPLICATION)
    except psycopg2.Error as error:
        raise _refused(error) from error


def _refused(error: psycopg2.Error) -> ShadowUnavailable:
    return ShadowUnavailable(
        f"The shadow's server refuses: {first_line(error)}",
        cure="Look at `shadow.url`, and at the rights of its role: it needs CREATEDB.",
    )
