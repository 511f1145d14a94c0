"""The shadow of a target: scratch databases with the history of the project up to given revisions.

The server is started, and the target asked for its facts, when the first of them is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ErmError
from erm_alembic.postgres.embedded.private_place import short_digest
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.shadow.ahead import Ahead, AsItWas
from erm_alembic.shadow.catalogs import CatalogAt, catalog_key, keep_catalog, kept_catalog, read_catalog
from erm_alembic.shadow.child.clean_environment import clean_environment
from erm_alembic.shadow.child.job import Job
from erm_alembic.shadow.child.running import Child
from erm_alembic.shadow.database import ShadowDatabase
from erm_alembic.shadow.filling import Filling
from erm_alembic.shadow.known_extensions import known_extensions
from erm_alembic.shadow.making import Maker, Wanted
from erm_alembic.shadow.provision import Provision, provision
from erm_alembic.shadow.recipe import Made
from erm_alembic.shadow.server import ShadowServer
from erm_alembic.shadow.wanting import LiveSide, Wants
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["Shadow", "ShadowDatabase", "open_shadow"]


class Shadow:
    """The shadow of one target, for as long as `open_shadow` lasts.

    Args:
        settings: what is in force.
        project: the Alembic project.
        target: the database whose shadow it is.
        scripts: the project's script directory where it is loaded already.
        current: the revisions that the target records, where that is known; a shadow from the live schema needs it.
        major: the major version that its server is to have; None for the target's.
    """

    def __init__(
        self,
        settings: Settings,
        project: AlembicProject,
        target: Target,
        scripts: ScriptDirectory | None = None,
        current: Collection[str] | None = None,
        major: int | None = None,
    ) -> None:
        self._settings = settings
        self._project = project
        self._target = target
        self._wanted_major = major
        self._live = LiveSide(target)
        self._wants = Wants(settings, project, self._live, lambda: self._provision, self._load, scripts, current)
        self._stack = contextlib.ExitStack()
        self._waiting: Child | None = None
        self._expected = 0
        self._ahead = Ahead()
        self._begun: dict[str, Future[CatalogAt]] = {}
        self._as_it_was: AsItWas | None = None

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

        Where `shadow.from` is `live`, it has the schema of the live database instead, and what is to come after that.

        Args:
            revisions: the revisions that the database records, as a database records them; none for the base.

        Raises:
            ProjectError: no file declares one of the revisions.
            ShadowUnavailable: it cannot be had, with the reason.
        """
        wanted = self._wants.at(revisions)
        if self._waiting is None:
            self._waiting = Child()  # whoever asks for a database has a task for it
        with self._maker.scratch(wanted) as (name, made):
            yield self._database(name, made)

    def key_at(self, revisions: Collection[str]) -> str:
        """The hash of what decides, as far as it is known beforehand, what `at` gives; raises what that does."""
        return self._wants.at(revisions).recipe.key

    def is_current(self, made: Made) -> bool:
        """Whether what something was made of, and is not in its key, is still the same."""
        return made.is_current(self._project.root, self._live.facts.extensions)

    @contextlib.contextmanager
    def from_live(self) -> Iterator[ShadowDatabase]:
        """A scratch database with the schema of the live database, without its rows and without erm's ledger.

        Raises:
            ShadowUnavailable: it cannot be had: there is no `pg_dump`, or it may not read all tables.
        """
        with self._maker.scratch(self._wants.of_live()) as (name, made):
            yield self._database(name, made)

    def catalog_at(
        self, revisions: Collection[str], leave_out: Collection[str] = (), leave_out_tables: Collection[str] = ()
    ) -> CatalogAt:
        """The catalog of the history up to some revisions; where it was looked at before, no server is started.

        Args:
            revisions: as for `at`.
            leave_out: names of schemas that do not count, unquoted.
            leave_out_tables: names of tables that do not count, with their schema and quoted where they must be.

        Raises:
            ProjectError: no file declares one of the revisions.
            ShadowUnavailable: it cannot be had, with the reason.
        """
        return self._catalog(self._wants.at(revisions), leave_out, leave_out_tables)

    def begin_server(self) -> None:
        """Begin with an embedded server that the project does not have yet, in a thread of its own."""
        with contextlib.suppress(ErmError):  # whoever asks for something is told
            embedded = self._provision.embedded
            if embedded is not None and embedded.status().major is None:
                self._waiting = Child()
                self._ahead.begin(lambda: self._server)

    def learn(self, scripts: ScriptDirectory, current: Collection[str]) -> None:
        """What was found out since it was opened: the project's script directory, and what the target records."""
        self._wants.scripts, self._wants.current = scripts, current

    def expect(self, tasks: int) -> None:
        """How many tasks are likely to come after the next one: the process of each is started with the one before."""
        self._expected = tasks

    @property
    def is_busy(self) -> bool:
        """Whether a thread is making a catalog that nobody has asked for yet."""
        return bool(self._begun)

    def begin_catalog(
        self, revisions: Collection[str], leave_out: Collection[str], leave_out_tables: Collection[str]
    ) -> bool:
        """Begin with what `catalog_at` gives, in a thread of its own, unless it is kept; whether it was begun.

        Args:
            revisions: as for `catalog_at`, and so the others.

        Raises:
            ProjectError: no file declares one of the revisions.
            ShadowUnavailable: it cannot be had, as far as that is known at once.
        """
        wanted = self._wants.at(revisions)
        key = catalog_key(wanted.recipe, leave_out, leave_out_tables)
        if kept_catalog(self._settings.project_dir, key, self.is_current) is not None:
            return False
        self._waiting = self._waiting or Child()
        self._as_it_was = AsItWas.now()
        self._begun[key] = self._ahead.begin(lambda: self._made_catalog(wanted, leave_out, leave_out_tables))
        return True

    def catalog_in(
        self,
        database: ShadowDatabase,
        revisions: Collection[str],
        events: Sequence[Mapping[str, Any]],
        leave_out: Collection[str] = (),
        leave_out_tables: Collection[str] = (),
    ) -> CatalogAt:
        """What `catalog_at` gives, read from a scratch database in which the rest of the history was run.

        Args:
            database: the scratch database, of which it is known what it was made of.
            revisions: the revisions that it records now.
            events: what the child told when it ran the rest.
            leave_out: as for `catalog_at`, and so `leave_out_tables`; it raises what that does.
        """
        wanted, before = self._wants.at(revisions), database.made
        assert before is not None
        made = replace(self._maker.found_out(before, events), revisions=dict(wanted.recipe.revisions))
        return self._read_catalog(wanted, database.name, made, leave_out, leave_out_tables)

    def catalog_of_live(self, leave_out: Collection[str] = (), leave_out_tables: Collection[str] = ()) -> CatalogAt:
        """The catalog of the live database as the shadow's server has it: for servers of two major versions.

        Args:
            leave_out: names of schemas that do not count, unquoted.
            leave_out_tables: names of tables that do not count, with their schema and quoted where they must be.

        Raises:
            ShadowUnavailable: it cannot be had, with the reason.
        """
        return self._catalog(self._wants.of_live(), leave_out, leave_out_tables)

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
            self._extensions,
            given=database.made is not None and database.made.given,
        )
        before = self._as_it_was or AsItWas.now()
        environ = clean_environment(before.environ, self._target.url, DatabaseUrl.parse(database.url))
        child, self._waiting = self._waiting or Child(), None
        if self._expected:
            self._expected, self._waiting = self._expected - 1, Child()
        with child, self._ahead.ends(child):
            return child.run(replace(job, path=before.path), environ, on_event)

    def close(self) -> None:
        """Drop what is left, and stop a server that nobody else uses."""
        self._ahead.close()
        if self._waiting is not None:
            self._waiting.end()
        self._stack.close()

    @cached_property
    def _provision(self) -> Provision:
        found = provision(self._settings, self._wanted_major or self._target.major)
        self._stack.callback(found.close)
        return found

    @property
    def _server(self) -> ShadowServer:
        with self._ahead.one_at_a_time:
            return self._started

    @cached_property
    def _started(self) -> ShadowServer:
        server = ShadowServer(self._provision, self._target, self._live.facts)
        self._stack.callback(server.close)
        return server

    @cached_property
    def _maker(self) -> Maker:
        def replay(name: str, before: Made, arguments: dict[str, Any]) -> list[dict[str, Any]]:
            return self.run("replay", self._database(name, before), arguments)

        def is_current(made: Made) -> bool:
            return made.server == self._server.identity.version and self.is_current(made)

        project = short_digest(self._project.root.resolve())
        return Maker(self._server, replay, self._filling.give, is_current, project, self._project.root)

    @cached_property
    def _filling(self) -> Filling:
        return Filling(self._server, self._target, self._live.facts, lambda: self._extensions)

    @cached_property
    def _extensions(self) -> dict[str, Any]:
        with self._server.cursor() as here:
            return known_extensions(self._live.facts, here, self._live.reading)

    def _load(self, name: str) -> tuple[str, ...]:
        return self._filling.load(name)  # which starts the server, when it comes to that

    def _catalog(self, wanted: Wanted, leave_out: Collection[str], leave_out_tables: Collection[str]) -> CatalogAt:
        key = catalog_key(wanted.recipe, leave_out, leave_out_tables)
        if (begun := self._begun.pop(key, None)) is not None:
            try:
                return begun.result()
            finally:
                self._as_it_was = None
        found = kept_catalog(self._settings.project_dir, key, self.is_current)
        return found if found is not None else self._made_catalog(wanted, leave_out, leave_out_tables)

    def _made_catalog(self, wanted: Wanted, leave_out: Collection[str], leave_out_tables: Collection[str]) -> CatalogAt:
        return self._maker.look(
            wanted, lambda name, made: self._read_catalog(wanted, name, made, leave_out, leave_out_tables)
        )

    def _read_catalog(
        self, wanted: Wanted, name: str, made: Made, leave_out: Collection[str], leave_out_tables: Collection[str]
    ) -> CatalogAt:
        address, notes = self._server.address(name), self._database(name, made).notes
        found = read_catalog(address, made.server, notes, leave_out, leave_out_tables)
        keep_catalog(self._settings.project_dir, catalog_key(wanted.recipe, leave_out, leave_out_tables), found, made)
        return found

    def _database(self, name: str, made: Made) -> ShadowDatabase:
        found = (*self.notes, *self._server.notes, *made.notes)
        return ShadowDatabase(name, self._server.address(name), tuple(dict.fromkeys(found)), made)


@contextlib.contextmanager
def open_shadow(
    settings: Settings,
    project: AlembicProject,
    target: Target,
    scripts: ScriptDirectory | None = None,
    current: Collection[str] | None = None,
    major: int | None = None,
) -> Iterator[Shadow]:
    """The shadow of a target. Nothing is started before it is asked for something.

    Args:
        settings: what is in force.
        project: the Alembic project.
        target: the database whose shadow it is.
        scripts: the project's script directory where it is loaded already.
        current: the revisions that the target records, where that is known; a shadow from the live schema needs it.
        major: the major version that its server is to have; None for the target's.

    Raises:
        ShadowUnavailable: from what is asked of it: there is no server, or the history cannot be replayed.

    Example:
        with open_shadow(opened.settings, opened.project, opened.target) as shadow:
            with shadow.at(plan.current) as database, contextlib.closing(database.connect()) as connection:
                with connection.cursor() as cursor:
                    expected = take_snapshot(cursor)
    """
    shadow = Shadow(settings, project, target, scripts, current, major)
    try:
        yield shadow
    finally:
        shadow.close()
