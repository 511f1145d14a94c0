"""The shadow of a target: scratch databases with the history of the project up to given revisions.

The server is started, and the target asked for its facts, when the first of them is needed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import psycopg2

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.postgres.embedded.private_place import short_digest
from erm_alembic.postgres.extension_members import read_members
from erm_alembic.postgres.shadow_facts import ShadowFacts, read_shadow_facts
from erm_alembic.postgres.stand_ins import available_extensions
from erm_alembic.revisions.history import History, read_history
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.shadow.clean_environment import clean_environment
from erm_alembic.shadow.job import Job
from erm_alembic.shadow.provision import Provision, provision
from erm_alembic.shadow.recipe import Made, Recipe, basis_of, hashed_files, recipe
from erm_alembic.shadow.running import run_child
from erm_alembic.shadow.server import ShadowServer, TemplateGone, connected
from erm_alembic.shadow.templates import best_template, keep, making
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["Shadow", "ShadowDatabase", "open_shadow"]

TRIES = 3


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
        return connected(self.url)


class Shadow:
    """The shadow of one target, for as long as `open_shadow` lasts.

    Args:
        settings: what is in force.
        project: the Alembic project.
        target: the database whose shadow it is.
        scripts: the project's script directory where it is loaded already.
    """

    def __init__(
        self, settings: Settings, project: AlembicProject, target: Target, scripts: ScriptDirectory | None = None
    ) -> None:
        self._settings = settings
        self._project = project
        self._target = target
        self._scripts = scripts
        self._stack = contextlib.ExitStack()

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
        binaries = self._provision.binaries
        return self._server.major if binaries is None else binaries.major

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as on the target, for a human; that of a scratch database comes with it."""
        if self.exact_major:
            return ()
        return (f"The shadow is PostgreSQL {self.major}; the target is PostgreSQL {self._target.server_version}.",)

    @contextlib.contextmanager
    def at(self, revisions: Collection[str]) -> Iterator[ShadowDatabase]:
        """A scratch database in which the history up to some revisions has been replayed.

        Args:
            revisions: the revisions that the database records, as a database records them; none for the base.

        Raises:
            ProjectError: no file declares one of the revisions.
            ShadowUnavailable: it cannot be had, with the reason.
        """
        wanted = recipe(self._history, revisions, self._basis)
        with self._copy(wanted, revisions) as (name, made):
            yield self._database(name, made.notes)

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
        job = Job(
            task,
            database.url,
            self._project,
            migrations.metadata,
            migrations.role,
            arguments,
            extensions=self._extensions,
        )
        environ = clean_environment(os.environ, self._target.url, DatabaseUrl.parse(database.url))
        return run_child(job, environ, on_event)

    def close(self) -> None:
        """Drop what is left, and stop a server that nobody else uses."""
        self._stack.close()

    @cached_property
    def _provision(self) -> Provision:
        found = provision(self._settings, self._target.major)
        self._stack.callback(found.close)
        return found

    @cached_property
    def _server(self) -> ShadowServer:
        server = ShadowServer(self._provision, self._target, self._facts)
        self._stack.callback(server.close)
        return server

    @cached_property
    def _facts(self) -> ShadowFacts:
        with contextlib.closing(self._target.connect("erm shadow")) as connection:
            connection.autocommit = True
            with self._target.reported(), connection.cursor() as cursor:
                return read_shadow_facts(cursor)

    @cached_property
    def _extensions(self) -> dict[str, Any]:
        """What the target knows of its extensions, with stand-ins for those that the shadow's server lacks."""
        known: dict[str, Any] = {name: {"version": each[0]} for name, each in self._facts.extensions.items()}
        with self._server.cursor() as cursor:
            missing = sorted(known.keys() - available_extensions(cursor))
        if missing:
            with contextlib.closing(self._target.connect("erm shadow")) as connection, self._target.reported():
                connection.readonly = True
                with connection.cursor() as cursor:
                    for name, statements in read_members(cursor, missing).items():
                        known[name]["statements"] = statements
        return known

    @cached_property
    def _history(self) -> History:
        return read_history(self._project, self._scripts)

    @cached_property
    def _basis(self) -> str:
        url = self._settings.shadow.url
        facts = {
            "major": self._provision.binaries.major if self._provision.binaries else None,
            "server": self._provision.url.redacted if self._provision.url else None,
            "named": None if url is None else url.shown,
            "role": [self._target.role, self._settings.migrations.role],
            "metadata": self._settings.migrations.metadata,
            "settings": dict(self._facts.settings),
            "encoding": self._facts.encoding,
        }
        return basis_of(self._project, self._history, facts)

    @contextlib.contextmanager
    def _copy(self, wanted: Recipe, revisions: Collection[str]) -> Iterator[tuple[str, Made]]:
        """A copy of the template of a recipe, which is made where there is none."""
        for _ in range(TRIES):
            template, made = self._template(wanted, revisions)
            with contextlib.ExitStack() as stack:
                try:
                    name = stack.enter_context(self._server.scratch(wanted.key[:12], template))
                except TemplateGone:
                    continue
                yield name, made
                return
        raise ShadowUnavailable("The template of the shadow is dropped by somebody as soon as it is there.")

    def _template(self, wanted: Recipe, revisions: Collection[str]) -> tuple[str, Made]:
        with self._server.cursor() as cursor:
            found = best_template(cursor, wanted, self._is_current)
            if found is not None and found[1].revisions == wanted.revisions:
                return found
            with making(cursor, wanted):
                found = best_template(cursor, wanted, self._is_current)
                if found is not None and found[1].revisions == wanted.revisions:
                    return found
                return self._make(cursor, wanted, revisions, found)

    def _make(
        self, cursor: Any, wanted: Recipe, revisions: Collection[str], prefix: tuple[str, Made] | None
    ) -> tuple[str, Made]:
        """Replay what a template lacks, and keep that as a template of its own."""
        template, before = prefix if prefix is not None else (None, None)
        with self._server.scratch(wanted.key[:12], template) as name:
            events = self.run("replay", self._database(name, ()), {"revisions": sorted(revisions)})
            read = [path for event in events if event["event"] == "read" for path in event["paths"]]
            notes = [event["note"] for event in events if event["event"] == "note"]
            made = Made(
                basis=wanted.basis,
                revisions=dict(wanted.revisions),
                project=short_digest(self._project.root.resolve()),
                server=self._server.identity.version,
                files={**(before.files if before else {}), **hashed_files(self._project.root, read)},
                notes=tuple(dict.fromkeys((*(before.notes if before else ()), *notes))),
            )
            kept = keep(cursor, name, wanted, made)
        if kept is None:
            raise ShadowUnavailable("The shadow's server does not let a scratch database become a template.")
        return kept, made

    def _is_current(self, made: Made) -> bool:
        return made.server == self._server.identity.version and made.is_current(
            self._project.root, self._facts.extensions
        )

    def _database(self, name: str, notes: tuple[str, ...]) -> ShadowDatabase:
        found = (*self.notes, *self._server.notes, *notes)
        return ShadowDatabase(name, self._server.address(name), tuple(dict.fromkeys(found)))


@contextlib.contextmanager
def open_shadow(
    settings: Settings, project: AlembicProject, target: Target, scripts: ScriptDirectory | None = None
) -> Iterator[Shadow]:
    """The shadow of a target. Nothing is started before it is asked for something.

    Args:
        settings: what is in force.
        project: the Alembic project.
        target: the database whose shadow it is.
        scripts: the project's script directory where it is loaded already.

    Raises:
        ShadowUnavailable: from what is asked of it: there is no server, or the history cannot be replayed.

    Example:
        with open_shadow(opened.settings, opened.project, opened.target) as shadow:
            with shadow.at(plan.current) as database, contextlib.closing(database.connect()) as connection:
                with connection.cursor() as cursor:
                    expected = take_snapshot(cursor)
    """
    shadow = Shadow(settings, project, target, scripts)
    try:
        yield shadow
    finally:
        shadow.close()
