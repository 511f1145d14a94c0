"""Where a run makes sure, under the deploy lock and before its first step, that there is a backup to fall back on.

How one is taken is not known here: `Guard` is the seam, and erm_alembic/backup stands above it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from erm_alembic.errors import ErmError
from erm_alembic.ledger.backups import RunGuard
from erm_alembic.ledger.store import Ledger
from erm_alembic.postgres.signals import SignalWatch

__all__ = ["Guard", "Guarding", "NoGuard"]


class Guard(Protocol):
    """Has a backup, where the profile demands one."""

    def before_first_step(
        self, run_id: int, ledger: Ledger, watch: SignalWatch, tell: Callable[[str], None]
    ) -> RunGuard | None:
        """Find a backup that is fresh enough, or take one.

        Args:
            run_id: the run's number.
            ledger: keeps which backup stands behind it.
            watch: tells of signals; they end what is under way.
            tell: told what happens.

        Returns:
            The backup; None where none is demanded.

        Raises:
            BackupError: none could be taken: nothing is to be run.
            Stopped: a signal arrived meanwhile.
        """


class NoGuard:
    """Demands nothing."""

    def before_first_step(
        self, run_id: int, ledger: Ledger, watch: SignalWatch, tell: Callable[[str], None]
    ) -> RunGuard | None:
        """No backup."""
        return None


class Guarding:
    """The guard of one run, and what became of it.

    Args:
        guard: has the backup.
        run_id: the run's number.
        ledger: keeps which backup stands behind it.
        watch: tells of signals.
        tell: told what happens.
    """

    def __init__(
        self, guard: Guard, run_id: int, ledger: Ledger, watch: SignalWatch, tell: Callable[[str], None]
    ) -> None:
        self._guard = guard
        self._told = run_id, ledger, watch, tell
        self.backup: RunGuard | None = None
        self.refusal: ErmError | None = None

    def have_backup(self) -> RunGuard | None:
        """A backup, where one is demanded; an env.py that keeps the refusal to itself does not make the run end well.

        Raises:
            BackupError: there is none.
            Stopped: a signal arrived meanwhile.
        """
        try:
            self.backup = self._guard.before_first_step(*self._told)
        except ErmError as error:
            self.refusal = error
            raise
        return self.backup
