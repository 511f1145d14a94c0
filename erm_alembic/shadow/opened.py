"""The shadow of a target: scratch databases with the history of the project up to given revisions.

The server is started, and the target asked for its facts, when the first of them is needed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.postgres.embedded.private_place import short_digest
from erm_alembic.postgres.shadow_facts import ShadowFacts, read_shadow_facts
from erm_alembic.postgres.snapshot import catalog_fingerprint
from erm_alembic.revisions.history import History, read_history
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.shadow.catalogs import CatalogAt, catalog_key, keep_catalog, kept_catalog, read_catalog
from erm_alembic.shadow.child.clean_environment import clean_environment
from erm_alembic.shadow.child.job import Job
from erm_alembic.shadow.child.running import Child
from erm_alembic.shadow.filling import Filling
from erm_alembic.shadow.known_extensions import known_extensions
from erm_alembic.shadow.making import Maker, Wanted
from erm_alembic.shadow.provision import Provision, provision
from erm_alembic.shadow.recipe import Made, Recipe, basis_of, recipe, told_apart
from erm_alembic.shadow.server import ShadowServer, connected
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["Shadow", "ShadowDatabase", "open_shadow"]

LIVE = "live"


@dataclass(frozen=True)
class ShadowDatabase:
    """One scratch database, which is dropped when its block ends.

    Args:
        name: its name.
        url: its address as a libpq URI, with the role that revisions run as; never shown.
        notes: what is not as on the target, for a human: another major version, what stands in for what.
        made: what it was made of; None where that is not known.
    """

    name: str
    url: str = field(repr=False)
    notes: tuple[str, ...] = ()
    made: Made | None = field(default=None, repr=False)

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
        self._scripts = scripts
        self._current = current
        self._wanted_major = major
        self._stack = contextlib.ExitStack()
        self._waiting: Child | None = None

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
        wanted = self._wanted(revisions)
        if self._waiting is None:
            self._waiting = Child()  # whoever asks for a database has a task for it
        with self._maker.scratch(wanted) as (name, made):
            yield self._database(name, made)

    def key_at(self, revisions: Collection[str]) -> str:
        """The hash of what decides, as far as it is known beforehand, what `at` gives; raises what that does."""
        return self._wanted(revisions).recipe.key

    def is_current(self, made: Made) -> bool:
        """Whether what something was made of, and is not in its key, is still the same."""
        return made.is_current(self._project.root, self._facts.extensions)

    @contextlib.contextmanager
    def from_live(self) -> Iterator[ShadowDatabase]:
        """A scratch database with the schema of the live database, without its rows and without erm's ledger.

        Raises:
            ShadowUnavailable: it cannot be had: there is no `pg_dump`, or it may not read all tables.
        """
        with self._maker.scratch(self._wanted_live()) as (name, made):
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
        return self._catalog(self._wanted(revisions), leave_out, leave_out_tables)

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
        wanted, before = self._wanted(revisions), database.made
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
        return self._catalog(self._wanted_live(), leave_out, leave_out_tables)

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
        environ = clean_environment(os.environ, self._target.url, DatabaseUrl.parse(database.url))
        child, self._waiting = self._waiting or Child(), None
        with child:
            return child.run(job, environ, on_event)

    def close(self) -> None:
        """Drop what is left, and stop a server that nobody else uses."""
        if self._waiting is not None:
            self._waiting.end()
        self._stack.close()

    @cached_property
    def _provision(self) -> Provision:
        found = provision(self._settings, self._wanted_major or self._target.major)
        self._stack.callback(found.close)
        return found

    @cached_property
    def _server(self) -> ShadowServer:
        server = ShadowServer(self._provision, self._target, self._facts)
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
        return Filling(self._server, self._target, self._facts, lambda: self._extensions)

    @cached_property
    def _facts(self) -> ShadowFacts:
        with self._reading_target() as cursor:
            return read_shadow_facts(cursor)

    @cached_property
    def _live_fingerprint(self) -> str:
        with self._reading_target() as cursor:
            return catalog_fingerprint(cursor, (self._settings.ledger.schema,))

    @cached_property
    def _extensions(self) -> dict[str, Any]:
        with self._server.cursor() as here:
            return known_extensions(self._facts, here, self._reading_target)

    @cached_property
    def _history(self) -> History:
        return read_history(self._project, self._scripts)

    @cached_property
    def _basis(self) -> str:
        found, settings = self._provision, self._settings
        facts = {
            "major": found.binaries.major if found.binaries else None,
            "server": found.url.redacted if found.url else None,
            "role": [self._target.role, settings.migrations.role],
            "metadata": settings.migrations.metadata,
            "settings": dict(self._facts.settings),
            "encoding": self._facts.encoding,
        }
        return basis_of(self._project, self._history, facts)

    @property
    def _live_basis(self) -> str:
        return told_apart([LIVE, self._basis])

    def _wanted(self, revisions: Collection[str]) -> Wanted:
        found = recipe(self._history, revisions, self._basis)
        if self._settings.shadow.source != "live":
            return Wanted(found, revisions)
        current = self._current if self._current is not None else revisions
        before = recipe(self._history, current, self._basis)
        if not before.revisions.items() <= found.revisions.items():
            raise ShadowUnavailable(
                "`shadow.from` is live: a shadow of an earlier revision than the target's cannot be made.",
                cure="Only a history that can be replayed from empty has one: `shadow: {from: history}`.",
            )
        stamped = {LIVE: self._live_fingerprint, "stamped": told_apart(sorted(current))}
        later = {name: value for name, value in found.revisions.items() if name not in before.revisions}
        return Wanted(Recipe(self._live_basis, {**stamped, **later}), revisions, current, self._load)

    def _wanted_live(self) -> Wanted:
        return Wanted(Recipe(self._live_basis, {LIVE: self._live_fingerprint}), None, load=self._load)

    def _load(self, name: str) -> tuple[str, ...]:
        return self._filling.load(name)  # which starts the server, when it comes to that

    def _catalog(self, wanted: Wanted, leave_out: Collection[str], leave_out_tables: Collection[str]) -> CatalogAt:
        key = catalog_key(wanted.recipe, leave_out, leave_out_tables)
        found = kept_catalog(self._settings.project_dir, key, self.is_current)
        if found is not None:
            return found
        with self._maker.scratch(wanted) as (name, made):
            return self._read_catalog(wanted, name, made, leave_out, leave_out_tables)

    def _read_catalog(
        self, wanted: Wanted, name: str, made: Made, leave_out: Collection[str], leave_out_tables: Collection[str]
    ) -> CatalogAt:
        address, notes = self._server.address(name), self._database(name, made).notes
        found = read_catalog(address, made.server, notes, leave_out, leave_out_tables)
        keep_catalog(self._settings.project_dir, catalog_key(wanted.recipe, leave_out, leave_out_tables), found, made)
        return found

    @contextlib.contextmanager
    def _reading_target(self) -> Iterator[Any]:
        with contextlib.closing(self._target.connect("erm shadow")) as connection, self._target.reported():
            connection.set_session(readonly=True)
            with connection.cursor(cursor_factory=PlainCursor) as cursor:
                yield cursor

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
