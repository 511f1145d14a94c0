"""Take over what another tool has run on a database: Alembic's version table and the ledger, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.errors import Refused
from erm_alembic.execute.provenance import git_commit
from erm_alembic.execute.session import SessionLimits
from erm_alembic.execute.under_lock import connect_another, create_ledger, under_deploy_lock
from erm_alembic.ledger.imported import ImportedRevision, record_import
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.login_role import as_login_role
from erm_alembic.postgres.signals import SignalWatch, Stopped
from erm_alembic.revisions.environment import run_environment
from erm_alembic.revisions.facts import read_facts
from erm_alembic.revisions.graph import applied_revisions, script_of, unknown_revisions
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.sql.layouts import SourceDirectory
from erm_alembic.revisions.sql.taking_over import Applied, TakenOver, taken_over
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.environment import MigrationContext, RevisionStep
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["Stamped", "read_taken_over", "stamp_taken_over"]

NOTHING_CHANGED = "The database was not changed."


@dataclass(frozen=True)
class Stamped:
    """What became of a database.

    Args:
        taken: what the other tool has run.
        state: `stamped` now, `already` (it records just that), `ahead` (erm went on since), `taken-back` (erm has taken
            some of it back since), or `nothing` to take over.
        current: the revisions that it records afterwards.
    """

    taken: TakenOver
    state: Literal["stamped", "already", "ahead", "taken-back", "nothing"]
    current: tuple[str, ...] = ()


def read_taken_over(target: Target, source: SourceDirectory, table: str | None) -> TakenOver:
    """Read what the other tool has run; nothing is written.

    Args:
        target: the database.
        source: the other tool's directory.
        table: its table, where it is not called as usual.

    Raises:
        Refused: what it has run is no history that revisions can have.
        UsageError: it is not certain which table is meant.
    """
    with target.reading("erm import-sql") as cursor:
        return taken_over(source, cursor, table)


def stamp_taken_over(
    target: Target,
    project: AlembicProject,
    source: SourceDirectory,
    table: str | None,
    *,
    wait: float | None,
    tell: Callable[[str], None],
    accept_environment: bool,
) -> Stamped:
    """Record in Alembic's version table and in the ledger what the other tool has run, under the deploy lock.

    The other tool's table is read again under the lock, and left as it is. A database that records it already, or that
    erm has brought further since, is not changed.

    Args:
        target: the database.
        project: the Alembic project, with the imported revisions.
        source: the other tool's directory.
        table: its table, where it is not called as usual.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        tell: told who holds it, and which limits of the role's do not hold.
        accept_environment: whether a database that was deployed under another environment is accepted.

    Raises:
        Interrupted: a signal arrived before anything was recorded; one that comes later is too late.
        LockNotHad: another deployer holds the lock.
        Refused: what was run is no history that revisions can have, or the database stands somewhere else.
        TargetError: the database cannot be reached, or the ledger cannot be created.
    """
    opened = under_deploy_lock(target, project, "erm import-sql", wait=wait, tell=tell)
    with opened as (raw, ledger, watch), target.reported():
        create_ledger(target, ledger, accept_environment=accept_environment)
        limits = SessionLimits(target.settings.execution, tell)
        limits.set_up(raw, quiet=True)
        target.set_role(raw)
        raw.autocommit = False
        stamping = _Stamping(target, project, source, table, raw, frozenset(ledger.applied_order()), watch)
        try:
            _run(stamping, limits)
            stamping.check()
        except Stopped:
            stamping.check()
        assert stamping.result is not None  # run_environment sees to it that the work was done
        return stamping.result


@dataclass
class _Stamping:
    """The work that env.py's run_migrations() does: none of its steps, but the version table and the ledger.

    `known` are the revisions that the ledger has as applied, by erm or by an import: one of them that the database does
    not record was taken back, and the other tool does not know it.
    """

    target: Target
    project: AlembicProject
    source: SourceDirectory
    table: str | None
    raw: GatedConnection
    known: frozenset[str]
    watch: SignalWatch
    scripts: ScriptDirectory | None = None
    result: Stamped | None = None

    def __call__(self, heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        assert self.scripts is not None
        with self.raw.cursor(cursor_factory=PlainCursor) as cursor:
            taken = taken_over(self.source, cursor, self.table)
        if taken.revision is None:
            self.result = Stamped(taken, "nothing", heads)
        elif heads == (taken.revision,):
            self.result = Stamped(taken, "already", heads)
        elif self._is_before(heads, taken.revision):
            new = self._new(taken, heads)
            if any(each.migration.version in self.known for each in new):
                self.result = Stamped(taken, "taken-back", heads)
            else:
                self._write(taken.revision, new, context)
                self.watch.check()
                with self.watch.held():
                    connection: Any = context.connection
                    connection.commit()
                    self.result = Stamped(taken, "stamped", (taken.revision,))
        else:
            self.result = Stamped(taken, "ahead", heads)
        return ()

    def check(self) -> None:
        """Raise `Stopped` again when a signal arrived, unless the database was changed: then it came too late."""
        if self.result is None or self.result.state != "stamped":
            self.watch.check()

    def _is_before(self, heads: tuple[str, ...], revision: str) -> bool:
        """Whether the database records less than the other tool has run; False when it records more.

        Raises:
            Refused: it records something else.
        """
        assert self.scripts is not None
        unknown = unknown_revisions(self.scripts, heads)
        if not unknown and set(heads) <= applied_revisions(self.scripts, [revision]):
            return True
        if not unknown and revision in applied_revisions(self.scripts, heads):
            return False
        raise Refused(
            f"The database records {', '.join(sorted(heads))}, which is not on the way to {revision}.",
            effect=NOTHING_CHANGED,
            cure="Check that it is the database that the scripts were run on; `erm status` shows where it stands.",
        )

    def _new(self, taken: TakenOver, heads: tuple[str, ...]) -> list[Applied]:
        """What the other tool has run and the database does not record."""
        assert self.scripts is not None
        recorded = applied_revisions(self.scripts, heads)
        return [each for each in taken.applied if each.migration.version not in recorded]

    def _write(self, revision: str, new: list[Applied], context: MigrationContext) -> None:
        assert self.scripts is not None
        facts = [(read_facts(self.project, script_of(self.scripts, each.migration.version)), each.at) for each in new]
        revisions = [
            ImportedRevision(
                *(each.revision, each.message, each.path, each.source, each.source_hash, at or datetime.now(UTC))
            )
            for each, at in facts
        ]
        context.stamp(self.scripts, revision)
        self._record(revisions)

    def _record(self, revisions: list[ImportedRevision]) -> None:
        """Write the ledger as the login role, whom it belongs to."""
        settings = self.target.settings
        with self.raw.cursor(cursor_factory=PlainCursor) as cursor, as_login_role(cursor):
            record_import(
                self.raw,
                settings.ledger.schema,
                revisions,
                environment=settings.environment,
                role=self.target.role,
                git_commit=git_commit(self.project.root),
            )


def _run(stamping: _Stamping, limits: SessionLimits) -> None:
    target, project = stamping.target, stamping.project
    config = project.config()
    stamping.scripts = project.scripts(config)
    engine = target.engine(stamping.raw, lambda: connect_another(target, "erm import-sql", limits))
    with engine.connect() as connection:
        connection.rollback()
        run_environment(
            project,
            stamping.scripts,
            config,
            connection,
            target.url,
            stamping,
            destination="heads",
            read_only=False,
            metadata=target.settings.migrations.metadata,
            limits=limits.in_force,
        )
