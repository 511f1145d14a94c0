"""The child's task `try_rights`: the project's revisions, run as a role that has only the rights they ask for.

From where the target stands: up to the heads, down as far as there is a way, and up again, as on a target that is
deployed, rolled back and deployed again.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.errors import ProjectError
from erm_alembic.postgres.catalog import whole_name
from erm_alembic.postgres.intercept import connect_gated
from erm_alembic.postgres.proving import own_schema
from erm_alembic.postgres.rights.fixes import drop_probe, is_superuser, make_probe, take_from_public
from erm_alembic.postgres.rights.objects import own_relations
from erm_alembic.postgres.scratch import major_of
from erm_alembic.revisions.forked import ends_forked_children
from erm_alembic.revisions.graph import script_of
from erm_alembic.revisions.kept_open import kept_open
from erm_alembic.revisions.recording.call_stack import failed_at
from erm_alembic.revisions.steps import PendingRevision, pending_alone, pending_downgrades, pending_upgrades
from erm_alembic.revisions.version_table import version_table
from erm_alembic.shadow.child.job import Job
from erm_alembic.shadow.child.session import APPLICATION, LoadedProject, loaded_project, session_in
from erm_alembic.shadow.rights.gate import RightsGate
from erm_alembic.shadow.rights.told import need_to_json
from erm_alembic.shadow.server_words import failure_words

if TYPE_CHECKING:
    from erm_alembic.revisions.environment import MigrationContext, RevisionStep

__all__ = ["PROBE", "try_rights"]

Emit = Callable[[dict[str, Any]], None]
PROBE = "erm_shadow_rights_"


def try_rights(job: Job, emit: Emit) -> None:
    """Run the project's revisions as a role without rights, from `arguments["current"]`.

    Args:
        job: what is to be done; its shadow stands where the target does, its session is a superuser's.
        emit: told `need` for each right, `objects` with what the project makes, `version_table` with its name, `ran`
            for each revision and direction, and `stopped` where one fails for another reason.

    Raises:
        ProjectError: the project cannot be read.
    """
    job, probe = replace(job, role=None), f"{PROBE}{uuid.uuid4().hex[:12]}"
    with contextlib.closing(connect_gated(job.url, APPLICATION)) as keeper:
        keeper.autocommit = True
        major = major_of(keeper)
        with keeper.cursor(cursor_factory=PlainCursor) as cursor:
            if not is_superuser(cursor):
                raise ProjectError(
                    "The role of `shadow.url` is no superuser, and cannot try what another role may do.",
                    effect="Which rights the revisions need was not tried.",
                    cure="Leave `shadow.url` out for this command (an embedded server does), or name a superuser.",
                )
            make_probe(cursor, probe)
            take_from_public(cursor)
        try:
            gate = RightsGate(probe, major, lambda need: emit({"event": "need", **need_to_json(need)}))
            with loaded_project(job) as loaded:
                _Trial(replace(loaded, stood_in=gate.stood_in), gate, keeper, emit).run()
        finally:
            with keeper.cursor(cursor_factory=PlainCursor) as cursor:
                drop_probe(cursor, probe)


class _Stopped(Exception):
    """A revision failed, for another reason than a right."""


@dataclass
class _Trial:
    """The shadow on its way up, down and up again.

    Args:
        loaded: the project.
        gate: what sees its statements.
        keeper: a superuser's connection to the same database.
        emit: told what is found.
    """

    loaded: LoadedProject
    gate: RightsGate
    keeper: Any
    emit: Emit
    heads: tuple[str, ...] = field(default=(), init=False)

    def run(self) -> None:
        """Go the whole way."""
        self._look()
        self._tell_objects("current")
        project, scripts = self.loaded.job.project, self.loaded.scripts
        try:
            self._go(pending_upgrades(project, scripts, self.heads, "heads"), "upgrade")
            self._tell_objects("heads")
            taken = self._down(
                pending_downgrades(
                    project, scripts, self.heads, to="base", count=1, applied_order=lambda revision: None
                )
            )
            again = [pending_alone(project, scripts, each, upgrade=True) for each in reversed(taken)]
            self._go(again, "upgrade")
        except _Stopped:
            return

    def _down(self, steps: Sequence[PendingRevision]) -> list[str]:
        """Take back what has a way back; what was taken back."""
        taken: list[str] = []
        for pending in steps:
            if pending.step is None or pending.facts.downgrade.state != "ok":
                break
            try:
                self._go([pending], "downgrade")
            except _Stopped:
                break
            taken.append(pending.facts.revision)
        return taken

    def _look(self) -> None:
        """Learn what the database records, and where."""

        def look(heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
            self.heads = tuple(heads)
            with self.keeper.cursor(cursor_factory=PlainCursor) as cursor:
                table = version_table(context)
                to_be = table if context.version_table_schema else f"{own_schema(cursor)}.{table}"
                self.emit({"event": "version_table", "name": whole_name(cursor, table) or to_be})
            return iter(())

        with session_in(self.loaded, self.loaded.job.url) as session:
            session.run(look)

    def _tell_objects(self, at: str) -> None:
        with self.keeper.cursor(cursor_factory=PlainCursor) as cursor:
            self.emit({"event": "objects", "at": at, "objects": [asdict(each) for each in own_relations(cursor)]})

    def _go(self, steps: Sequence[PendingRevision], direction: str) -> None:
        """Run revisions one after the other.

        Raises:
            _Stopped: one of them fails.
        """
        for pending in steps:
            self.gate.revision, self.gate.direction = pending.facts.revision, direction
            try:
                heads = self._one(pending)
            except Exception as error:
                script = script_of(self.loaded.scripts, pending.facts.revision).path
                place = failed_at(error, script, self.loaded.job.project.relative(script), None)
                self.emit(
                    {
                        "event": "stopped",
                        "revision": pending.facts.revision,
                        "direction": direction,
                        "place": place,
                        "error": failure_words(error),
                    }
                )
                raise _Stopped from error
            self.heads = heads
            self.emit({"event": "ran", "revision": pending.facts.revision, "direction": direction})

    def _one(self, pending: PendingRevision) -> tuple[str, ...]:
        """Run one revision, and record it as Alembic does; what the database records then."""
        recorded: tuple[str, ...] = ()

        def work(heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
            nonlocal recorded
            step = pending.step
            assert step is not None  # or there is no way down, and it is not tried
            step.migration_fn = _alone(step.migration_fn)
            yield step
            recorded = tuple(context.get_current_heads())

        with session_in(self.loaded, self.loaded.job.url, self.gate) as session:
            session.run(work)
        return recorded


def _alone(run: Callable[..., Any]) -> Callable[..., None]:
    """A revision's function, whose processes end with it."""

    def migration_fn(**kw: Any) -> None:
        try:
            with ends_forked_children(), kept_open():
                run(**kw)
        except SystemExit as error:
            raise RuntimeError(f"the revision calls sys.exit({error.code!r})") from error

    migration_fn.__name__ = run.__name__
    return migration_fn
