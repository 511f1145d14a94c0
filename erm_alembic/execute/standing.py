"""Set down what a database records, and run nothing: Alembic's version table and the ledger, in one transaction.

Nothing of it is decided before the deploy lock is held, and the database is looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.execute.provenance import git_commit
from erm_alembic.execute.session import SessionLimits
from erm_alembic.execute.under_lock import connect_another, create_ledger, under_deploy_lock
from erm_alembic.ledger.imported import ImportedRevision, record_import
from erm_alembic.ledger.store import Ledger
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.login_role import as_login_role
from erm_alembic.postgres.signals import SignalWatch, Stopped
from erm_alembic.revisions.environment import run_environment
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.version_table import set_heads
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.environment import MigrationContext, RevisionStep
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["Found", "Recorded", "Standing", "set_standing"]


@dataclass(frozen=True)
class Found:
    """What a database records when the deploy lock is held.

    Args:
        heads: the revisions in Alembic's version table.
        scripts: the project's revision graph.
        cursor: of the session that env.py has set up; for reading.
        ledger: the ledger, on a connection of its own.
    """

    heads: tuple[str, ...]
    scripts: ScriptDirectory
    cursor: Any
    ledger: Ledger


@dataclass(frozen=True)
class Standing:
    """What it is to record.

    Args:
        heads: the revisions in Alembic's version table; None leaves that alone.
        revisions: the rows of the ledger's run.
        why: what is let pass or mended, each with its reason.
    """

    heads: tuple[str, ...] | None
    revisions: tuple[ImportedRevision, ...] = ()
    why: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Recorded:
    """What became of it.

    Args:
        run_id: the run's number in the ledger.
        heads: the revisions that the database records now.
    """

    run_id: int
    heads: tuple[str, ...]


def set_standing(
    target: Target,
    project: AlembicProject,
    mode: str,
    decide: Callable[[Found], Standing],
    *,
    wait: float | None,
    tell: Callable[[str], None],
    accept_environment: bool,
) -> Recorded:
    """Record what `decide` says, under the deploy lock; no revision is run.

    Args:
        target: the database.
        project: the Alembic project.
        mode: the mode of the run in the ledger; the command too.
        decide: given what is found under the lock, says what is to be recorded, or raises what is in the way.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        tell: told who holds it, and which limits of the role's do not hold.
        accept_environment: whether a database that was deployed under another environment is accepted.

    Raises:
        Interrupted: a signal arrived before anything was recorded; one that comes later is too late.
        LockNotHad: another deployer holds the lock.
        Refused: the database belongs to another environment; or whatever `decide` raises.
        TargetError: the database cannot be reached, or the ledger cannot be created.
    """
    name = f"erm {mode}"
    with under_deploy_lock(target, project, name, wait=wait, tell=tell) as (raw, ledger, watch), target.reported():
        create_ledger(target, ledger, accept_environment=accept_environment)
        limits = SessionLimits(target.settings.execution, tell)
        limits.set_up(raw, quiet=True)
        target.set_role(raw)
        raw.autocommit = False
        setting = _Setting(target, project, mode, decide, raw, ledger, watch)
        try:
            _run(setting, limits)
        except Stopped:
            if setting.result is None:
                raise
        assert setting.result is not None  # run_environment sees to it that the work was done
        return setting.result


@dataclass
class _Setting:
    """The work that env.py's run_migrations() does: none of its steps, but the version table and the ledger."""

    target: Target
    project: AlembicProject
    mode: str
    decide: Callable[[Found], Standing]
    raw: GatedConnection
    ledger: Ledger
    watch: SignalWatch
    scripts: ScriptDirectory | None = None
    result: Recorded | None = None

    def __call__(self, heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        assert self.scripts is not None
        with self.raw.cursor(cursor_factory=PlainCursor) as cursor:
            wanted = self.decide(Found(heads, self.scripts, cursor, self.ledger))
        if wanted.heads is not None:
            set_heads(context, wanted.heads)
        run_id = self._record(wanted.revisions, wanted.why)
        self.watch.check()
        with self.watch.held():
            connection: Any = context.connection
            connection.commit()
            self.result = Recorded(run_id, heads if wanted.heads is None else tuple(sorted(wanted.heads)))
        return ()

    def _record(self, revisions: Sequence[ImportedRevision], why: Sequence[tuple[str, str]]) -> int:
        """Write the ledger as the login role, whom it belongs to."""
        settings = self.target.settings
        with self.raw.cursor(cursor_factory=PlainCursor) as cursor, as_login_role(cursor):
            return record_import(
                self.raw,
                settings.ledger.schema,
                revisions,
                environment=settings.environment,
                role=self.target.role,
                git_commit=git_commit(self.project.root),
                mode=self.mode,
                overrides=why,
            )


def _run(setting: _Setting, limits: SessionLimits) -> None:
    target, project = setting.target, setting.project
    config = project.config()
    setting.scripts = project.scripts(config)
    engine = target.engine(setting.raw, lambda: connect_another(target, f"erm {setting.mode}", limits))
    with engine.connect() as connection:
        connection.rollback()
        run_environment(
            project,
            setting.scripts,
            config,
            connection,
            target.url,
            setting,
            destination="heads",
            read_only=False,
            metadata=target.settings.migrations.metadata,
            limits=limits.in_force,
        )
