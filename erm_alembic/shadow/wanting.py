"""What a scratch database is to have in it, as the project and the target are now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.config.settings import Settings
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.postgres.shadow_facts import ShadowFacts, read_shadow_facts
from erm_alembic.postgres.snapshot import catalog_fingerprint
from erm_alembic.revisions.history import History, read_history
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.shadow.making import Wanted
from erm_alembic.shadow.provision import Provision
from erm_alembic.shadow.recipe import Recipe, basis_of, recipe, told_apart
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["LiveSide", "Wants"]

LIVE = "live"


@dataclass(frozen=True)
class LiveSide:
    """What of the target decides what its shadow is like, read when it is asked for.

    Args:
        target: the database.
    """

    target: Target

    @contextlib.contextmanager
    def reading(self) -> Iterator[Any]:
        """A cursor of a session of the target that only reads."""
        with contextlib.closing(self.target.connect("erm shadow")) as connection, self.target.reported():
            connection.set_session(readonly=True)
            with connection.cursor(cursor_factory=PlainCursor) as cursor:
                yield cursor

    @cached_property
    def facts(self) -> ShadowFacts:
        """What it is like."""
        with self.reading() as cursor:
            return read_shadow_facts(cursor)

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of its catalog, without erm's ledger."""
        with self.reading() as cursor:
            return catalog_fingerprint(cursor, (self.target.settings.ledger.schema,))


@dataclass
class Wants:
    """Says what scratch databases are to have.

    Args:
        settings: what is in force.
        project: the Alembic project.
        live: the target.
        provision: which server they are on.
        load: brings the live schema into an empty one.
        scripts: the project's script directory where it is loaded already.
        current: the revisions that the target records, where that is known.
    """

    settings: Settings
    project: AlembicProject
    live: LiveSide
    provision: Callable[[], Provision]
    load: Callable[[str], tuple[str, ...]]
    scripts: ScriptDirectory | None = None
    current: Collection[str] | None = None

    def at(self, revisions: Collection[str]) -> Wanted:
        """One in which the history up to some revisions was replayed.

        Raises:
            ProjectError: no file declares one of the revisions.
            ShadowUnavailable: there is none at these revisions.
        """
        revisions = self._history.recorded(revisions)
        found = recipe(self._history, revisions, self._basis)
        if self.settings.shadow.source != "live":
            return Wanted(found, revisions)
        current = self.current if self.current is not None else revisions
        before = recipe(self._history, current, self._basis)
        if not before.revisions.items() <= found.revisions.items():
            raise ShadowUnavailable(
                "`shadow.from` is live: a shadow of an earlier revision than the target's cannot be made.",
                cure="Only a history that can be replayed from empty has one: `shadow: {from: history}`.",
            )
        stamped = {LIVE: self.live.fingerprint, "stamped": told_apart(sorted(current))}
        later = {name: value for name, value in found.revisions.items() if name not in before.revisions}
        return Wanted(Recipe(self._live_basis, {**stamped, **later}), revisions, current, self.load)

    def of_live(self) -> Wanted:
        """One with the schema of the live database."""
        return Wanted(Recipe(self._live_basis, {LIVE: self.live.fingerprint}), None, load=self.load)

    @cached_property
    def _history(self) -> History:
        return read_history(self.project, self.scripts)

    @cached_property
    def _basis(self) -> str:
        found, settings, facts = self.provision(), self.settings, self.live.facts
        told = {
            "major": found.binaries.major if found.binaries else None,
            "server": found.url.redacted if found.url else None,
            "role": [None if self.live.target.login_ends else self.live.target.role, settings.migrations.role],
            "metadata": settings.migrations.metadata,
            "settings": dict(facts.settings),
            "encoding": facts.encoding,
        }
        return basis_of(self.project, self._history, told)

    @property
    def _live_basis(self) -> str:
        return told_apart([LIVE, self._basis])
