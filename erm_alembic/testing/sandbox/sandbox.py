"""The databases of one test process: a template at the heads of the project's history, and copies of it.

They are scratch databases as the shadow has them: on a private server in the project's `.erm/`, in memory where there
is room, on files that wait for no disk. The revisions run in a process of their own, which has no address of any other
database and connects to none. What that made is kept as long as everything it was made of is the same, for the other
processes of this run and for later runs; a lock lets one of them make it at a time. A copy is dropped with its block,
and what a killed run has left is swept by the next one.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from types import TracebackType
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.interpolation import UnsetVariable, expand
from erm_alembic.config.loader import load_settings
from erm_alembic.config.sealed import SealedUrl
from erm_alembic.config.settings import Settings, ShadowSettings
from erm_alembic.errors import ErmError, ShadowUnavailable
from erm_alembic.postgres.embedded.private_place import short_digest
from erm_alembic.postgres.shadow_facts import ShadowFacts
from erm_alembic.revisions.history import History, read_history
from erm_alembic.revisions.project import AlembicOptions, AlembicProject, find_project
from erm_alembic.revisions.runnable import refuse_what_cannot_run
from erm_alembic.shadow.ahead import AsItWas
from erm_alembic.shadow.child.clean_environment import clean_environment
from erm_alembic.shadow.child.job import Job
from erm_alembic.shadow.child.running import Child
from erm_alembic.shadow.making import Maker, Wanted
from erm_alembic.shadow.provision import Provision
from erm_alembic.shadow.recipe import Made, Recipe, basis_of, recipe, told_apart
from erm_alembic.shadow.server import ShadowServer, TemplateGone
from erm_alembic.shadow.templates import template_of
from erm_alembic.testing.options import Chosen
from erm_alembic.testing.sandbox.database import TestDatabase
from erm_alembic.testing.sandbox.importing import standard_library_first
from erm_alembic.testing.sandbox.preparing import Making, made_in, what_makes
from erm_alembic.testing.sandbox.serving import nothing_made, refuse_lacking, served

__all__ = ["Sandbox"]

# Of what is no revision: no revision's id has an @ in it.
SEEDED = "@seed"
BASE = "base"
# By the beginning of the SQLSTATE: something that a statement names is not there.
MISSING = ("42", "3F")
TRIES = 3


class Sandbox:
    """The databases of one test process.

    Args:
        chosen: what was chosen for this run.
        prepare: what is made before the first revision: SQL, or a function that is given an engine.
        seed: what is made after the last one, likewise.
        run: the name of this run of tests: what a function makes is made once in it.

    Raises:
        ErmError: a subclass of it: the project cannot be found or read, there is no server.

    Example:
        with Sandbox(Chosen(Path.cwd()), None, None, "1") as sandbox, sandbox.database() as database:
            engine = create_engine(database.url)
    """

    def __init__(self, chosen: Chosen, prepare: Making, seed: Making, run: str) -> None:
        self._chosen, self._prepare, self._seed, self._run = chosen, prepare, seed, run
        self.settings = _settings(chosen)
        self.project: AlembicProject = find_project(self.settings, AlembicOptions(chosen.x, chosen.name))
        refuse_what_cannot_run(self.project)
        self._at_hand: dict[str, str] = {}
        self._provision: Provision = served(self.settings, chosen.major)
        role = self.settings.migrations.role
        try:
            self._server = ShadowServer(self._provision, None, ShadowFacts(roles=(role,) if role else ()))
        except ShadowUnavailable as error:
            self._provision.close()
            raise _failed(error) from error

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the server, which stops when nobody else uses it."""
        self._server.close()
        self._provision.close()

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads of the project's history."""
        return self._history.heads

    def make_template(self) -> None:
        """Make the template at the heads, where it is not there.

        Raises:
            ErmError: a subclass of it: a revision or its preparation fails, with its file and line.
        """
        self._template(self._wanted(None))

    @property
    def is_prepared(self) -> bool:
        """Whether anything is made before the first revision."""
        return self._prepare is not None

    def prepare(self, database: TestDatabase) -> None:
        """Make in an empty database what is made before the first revision.

        Raises:
            ProjectError: the server refuses the SQL of `erm_prepare`.
        """
        self._load(database.name)

    @contextlib.contextmanager
    def database(self, *, revision: str | None = None, empty: bool = False, **drivers: str) -> Iterator[TestDatabase]:
        """A database of its own, dropped with the block.

        Args:
            revision: the revision that it stands at, with what comes before it and without `seed`; None for the heads.
            empty: whether nothing is in it, not even a revision.
            drivers: `driver` and `async_driver` of the database.

        Raises:
            ErmError: a subclass of it: a revision or its preparation fails, with its file and line.
        """
        if empty:
            with self._empty() as name:
                yield self._as_told(name, drivers)
            return
        wanted = self._wanted(revision)
        for _ in range(TRIES):
            template = self._template(wanted)
            with contextlib.ExitStack() as stack:
                try:
                    name = stack.enter_context(self._server.scratch(wanted.recipe.key[:12], template))
                except TemplateGone:
                    self._at_hand.clear()
                    continue
                except ShadowUnavailable as error:
                    raise _failed(error) from error
                yield self._as_told(name, drivers)
                return
        raise nothing_made("The template of the test databases is dropped by somebody as soon as it is there.")

    @contextlib.contextmanager
    def _empty(self) -> Iterator[str]:
        try:
            with self._server.scratch(short_digest(self.project.root)[:12]) as name:
                yield name
        except ShadowUnavailable as error:
            raise _failed(error) from error

    def _as_told(self, name: str, drivers: Mapping[str, str]) -> TestDatabase:
        return TestDatabase(name, DatabaseUrl.parse(self._server.address(name)), **drivers)

    def _template(self, wanted: Wanted) -> str:
        """The template of what is wanted, made where it is missing; looked for once in a process."""
        key = wanted.recipe.key
        if key not in self._at_hand:
            try:
                if SEEDED in wanted.recipe.revisions:
                    self._make(_without_seed(wanted))  # which is kept for later runs, whatever seeds it
                self._make(wanted)
            except ShadowUnavailable as error:
                raise _failed(error) from error
            self._at_hand[key] = template_of(wanted.recipe)
        return self._at_hand[key]

    def _make(self, wanted: Wanted) -> None:
        """See to it that a template is there."""

        def fill(name: str, before: Made, arguments: dict[str, Any]) -> list[dict[str, Any]]:
            missing = wanted.recipe.revisions.keys() - before.revisions.keys()
            events = self._replayed(name, arguments) if missing - {SEEDED} else []
            if SEEDED in missing:
                made_in("erm_seed", self._seed, self._server.address(name), self._engine(name))
            return events

        def is_current(made: Made) -> bool:
            return made.server == self._server.identity.version and made.is_current(self.project.root, {})

        # Apart from the templates of the project's shadow: of each, a few are kept.
        owner = f"{short_digest(self.project.root.resolve())} tests"
        Maker(self._server, fill, _give_nothing, is_current, owner, self.project.root).look(wanted, _look_away)

    def _wanted(self, revision: str | None) -> Wanted:
        revisions = self._history.recorded(self._history.heads) if revision is None else self._revision(revision)
        found = recipe(self._history, revisions, self._basis)
        if revision is None and self._seed is not None:
            # Of another history too: rows that a later revision has not seen are others.
            seed = told_apart([what_makes(self._seed, self._run), sorted(found.revisions.items())])
            found = Recipe(found.basis, {**found.revisions, SEEDED: seed[:20]})
        return Wanted(found, revisions, load=self._load)

    def _revision(self, name: str) -> tuple[str, ...]:
        """The revision that is meant, as a database records it."""
        if name == BASE:
            return ()
        known = self._history.hashes
        found = [name] if name in known else [each for each in known if each.startswith(name)]
        if len(found) != 1:
            what = "is the beginning of several revisions" if found else "is no revision of the project"
            raise nothing_made(
                f"{name!r} {what}.", "Write the id of a revision, as `erm history` and its file have it."
            )
        return (found[0],)

    def _load(self, name: str) -> tuple[str, ...]:
        """What is in a database before its first revision."""
        if self._prepare is not None:
            made_in("erm_prepare", self._prepare, self._server.address(name), self._engine(name))
        return ()

    def _engine(self, name: str) -> Engine:
        url = DatabaseUrl.parse(self._server.address(name)).sqlalchemy_url("postgresql+psycopg2")
        return create_engine(url, poolclass=NullPool)

    @cached_property
    def _history(self) -> History:
        # What Alembic thinks of an ini file is no failure of a test, however strict its run is about warnings.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return read_history(self.project)

    @cached_property
    def _basis(self) -> str:
        settings, found = self.settings, self._provision
        told = {
            "for": "tests",
            "prepare": what_makes(self._prepare, self._run),
            "run": self._run if self._chosen.fresh else None,
            "major": found.binaries.major if found.binaries else None,
            "server": found.url.redacted if found.url else None,
            "role": settings.migrations.role,
            "metadata": settings.migrations.metadata,
        }
        return basis_of(self.project, self._history, told)

    def _replayed(self, name: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        address, migrations = self._server.address(name), self.settings.migrations
        now, url = AsItWas.now(), DatabaseUrl.parse(address)
        job = Job(
            "replay",
            address,
            self.project,
            migrations.metadata,
            migrations.role,
            {**arguments, "where": "in the test database"},
            path=standard_library_first(now),
        )
        with Child() as child:
            events = child.run(job, clean_environment(now.environ, url, url))
        refuse_lacking([event["extension"] for event in events if event["event"] == "lacking"], "a revision")
        return events


def _settings(chosen: Chosen) -> Settings:
    """The settings of the project, with the server that tests may use in the shadow's place, and no database."""
    settings = load_settings(chosen.env, chosen.config, cwd=chosen.root, require_url=False)
    return replace(settings, url=None, shadow=ShadowSettings(url=_sealed(chosen)))


def _sealed(chosen: Chosen) -> SealedUrl | None:
    """The server that was named; a variable that is empty names none."""
    if chosen.url is None:
        return None
    with contextlib.suppress(UnsetVariable):  # which is told when the address is opened
        if not expand(chosen.url, os.environ).strip():
            return None
    # As an address of a file: its variables are replaced.
    return SealedUrl(chosen.url, "--erm-url", "erm_url", line=0, base_dir=chosen.root, environ=os.environ)


def _without_seed(wanted: Wanted) -> Wanted:
    kept = {name: value for name, value in wanted.recipe.revisions.items() if name != SEEDED}
    return replace(wanted, recipe=Recipe(wanted.recipe.basis, kept))


def _failed(error: ShadowUnavailable) -> ErmError:
    """The same of a database for tests, in the words of its author."""
    what = error.reason.replace("The shadow's server", "The server of the tests")
    cure = error.cure.replace("`shadow.url`", "--erm-url (or erm_url)")
    if error.sqlstate is not None:
        cure = "Correct the revision; `erm migrate --mode plan --rehearse` on an empty database says more."
        if error.sqlstate.startswith(MISSING):
            cure = "Where an administrator makes what is missing, make it in `erm_prepare`; else correct the revision."
    return nothing_made(what, cure)


def _look_away(_name: str, _made: Made) -> None:
    """It only has to be there."""


def _give_nothing(_name: str) -> None:
    """There is no target whose schemas could be there beforehand."""
