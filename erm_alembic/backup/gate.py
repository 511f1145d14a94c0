"""The gate before a run's first step: a backup that is fresh enough, or one that is taken now, or no step at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from erm_alembic.backup.keeping import Needs, find_fresh, guarded_by, note_at_risk, prune, record
from erm_alembic.backup.store import store_of
from erm_alembic.backup.taking import Wish, take_backup
from erm_alembic.config.sizes import about
from erm_alembic.errors import BackupError
from erm_alembic.execute.guarding import Guard, NoGuard
from erm_alembic.ledger.backups import Backup, RunGuard
from erm_alembic.ledger.store import Ledger
from erm_alembic.planning.backups import PlannedBackup
from erm_alembic.planning.model import Plan
from erm_alembic.postgres.signals import SignalWatch
from erm_alembic.target import Target

__all__ = ["Gate", "gate_of"]

NOTHING_RUN = "No revision was run: this profile demands a backup first."


@dataclass(frozen=True)
class Telling:
    """What is told of a backup that a run takes, line by line.

    Args:
        tell: told each line.
    """

    tell: Callable[[str], None]

    def note(self, message: str) -> None:
        """Tell it."""
        self.tell(message)

    def at(self, what: str, done: int, total: int) -> None:
        """Nothing: a run has a line for what begins and ends."""


@dataclass(frozen=True)
class Gate:
    """Has a backup before the first step.

    Args:
        target: the database.
        planned: what the plan says of it.
        heads: the revisions that the database records.
    """

    target: Target
    planned: PlannedBackup
    heads: tuple[str, ...]

    def before_first_step(
        self, run_id: int, ledger: Ledger, watch: SignalWatch, tell: Callable[[str], None]
    ) -> RunGuard | None:
        """Find a backup that is fresh enough, or take one (`Guard`)."""
        signals = watch.count
        try:
            with watch.held():
                found = self._stand(run_id, ledger, lambda: watch.count > signals, tell)
        except BackupError as error:
            watch.check()
            error.effect = NOTHING_RUN
            raise
        watch.check()
        return found

    def _stand(self, run_id: int, ledger: Ledger, stopped: Callable[[], bool], tell: Callable[[str], None]) -> RunGuard:
        settings, telling = self.target.settings, Telling(tell)
        store = store_of(settings)
        needs = Needs(self.planned.tables, self.heads, run_id)
        fresh = find_fresh(ledger, settings, store, needs, closely=True, progress=telling, stopped=stopped)
        if fresh is not None:
            guarded_by(ledger, run_id, fresh.id, taken=False)
            note_at_risk(ledger, fresh, self.planned.at_risk)
            tell(f"Backup   {fresh.id} is fresh enough: {fresh.place}")
            return _as_guard(fresh, taken=False)
        tell(f"Backup   taking one before the first step ({settings.backup.method})")
        wish = Wish(self.planned.tables, self.planned.at_risk, self.heads, run_id)
        backup = take_backup(self.target, wish, telling, stopped).backup
        record(ledger, backup)
        guarded_by(ledger, run_id, backup.id, taken=True)
        size = "" if backup.bytes is None else f", {about(backup.bytes)}"
        tell(f"Backup   {backup.id}{size}, {backup.verified}: {backup.place}")
        prune(ledger, settings, store, backup, telling)
        return _as_guard(backup, taken=True)


def gate_of(target: Target, plan: Plan) -> Guard:
    """The gate of a plan's run.

    Args:
        target: the database.
        plan: the plan.
    """
    planned = plan.backup
    if planned is None or not planned.demanded or planned.method == "none":
        return NoGuard()  # where there is no method, a finding has objected, and was let pass
    return Gate(target, planned, plan.current)


def _as_guard(backup: Backup, *, taken: bool) -> RunGuard:
    return RunGuard(backup.id, backup.method, backup.place, taken, backup.bytes, backup.started)
