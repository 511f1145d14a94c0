"""What everything that writes to a database begins with: limits, signals, the deploy lock, the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from erm_alembic.errors import Interrupted, Refused
from erm_alembic.execute.session import SessionLimits
from erm_alembic.ledger.store import Ledger, open_ledger
from erm_alembic.postgres.deploy_lock import acquire_deploy_lock
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.signals import SignalWatch, Stopped, cancel_on_signal
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.target import Target

__all__ = ["UnderLock", "connect_another", "create_ledger", "under_deploy_lock"]

NOTHING_CHANGED = "The database was not changed."


class UnderLock(NamedTuple):
    """What is there for as long as the deploy lock is held."""

    raw: GatedConnection
    ledger: Ledger
    watch: SignalWatch


@contextlib.contextmanager
def under_deploy_lock(
    target: Target, project: AlembicProject, name: str, *, wait: float | None, tell: Callable[[str], None]
) -> Iterator[UnderLock]:
    """Open the migration's connection, take the deploy lock on it, open the ledger, enter the project.

    Args:
        target: the database.
        project: the Alembic project.
        name: the application name of the connection.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        tell: told who holds the lock, where what is done next is done, and which limits of the role's do not hold.

    Raises:
        Interrupted: a signal arrived, and the block did not make an outcome of it: then nothing was changed.
        LockNotHad: another deployer holds the lock.
        TargetError: the database cannot be reached.
    """
    execution = target.settings.execution
    target.freshen_login()
    try:
        with cancel_on_signal() as watch, contextlib.closing(target.connect(name)) as raw:
            watch.remember(raw)
            raw.autocommit = True
            with target.reported():
                # Before it waits: a role's idle_session_timeout would end the session meanwhile.
                SessionLimits(execution, tell).set_up(raw)
                acquire_deploy_lock(raw, execution.deploy_lock_wait.total_seconds() if wait is None else wait, tell)
            with open_ledger(target) as ledger, project.entered():
                watch.at_last(ledger.cut_off)
                tell(f"Target   {target.settings.environment}  {target.redacted}  (PostgreSQL {target.server_version})")
                yield UnderLock(raw, ledger, watch)
    except Stopped as stopped:
        raise Interrupted(
            f"Interrupted by {stopped}.",
            signal_number=stopped.signal_number,
            effect=NOTHING_CHANGED,
            cure="Run the command again.",
        ) from stopped


def connect_another(target: Target, name: str, limits: SessionLimits) -> GatedConnection:
    """Open one more connection of a run, for a revision or an env.py that asks its engine for a second one.

    Args:
        target: the database.
        name: the application name of the connection.
        limits: those of the run's sessions.

    Raises:
        TargetError: the database cannot be reached.
    """
    another = target.connect(name)
    another.autocommit = True
    limits.set_up(another, quiet=True)
    another.autocommit = False
    target.set_role(another)
    return another


def create_ledger(target: Target, ledger: Ledger, *, accept_environment: bool) -> None:
    """Create the ledger where there is none; it must belong to this environment.

    Args:
        target: the database.
        ledger: its ledger.
        accept_environment: whether a database that was deployed under another environment is accepted.

    Raises:
        Refused: the database belongs to another environment.
        TargetError: the ledger cannot be created.
    """
    ledger.create()
    environment = target.settings.environment
    known = ledger.environments()
    if known and environment not in known and not accept_environment:
        raise Refused(
            f"This database was deployed as {', '.join(sorted(known))}; you asked for --env {environment}.",
            effect=NOTHING_CHANGED,
            cure="Check that the URL is the one you mean. If it is, say so once: --accept-environment.",
        )
