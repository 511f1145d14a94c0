"""What a plan says of backups: found out while it is made, from what it may lose and from what the ledger has."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from erm_alembic.backup.contents import Contents, contents_of
from erm_alembic.backup.keeping import Needs, find_fresh, in_ledger, is_there
from erm_alembic.backup.store import Store
from erm_alembic.config.settings import Settings
from erm_alembic.ledger.backups import LostObject
from erm_alembic.ledger.store import Ledger, open_ledger
from erm_alembic.planning.at_risk import at_risk
from erm_alembic.planning.backups import HeldBackup, PlannedBackup
from erm_alembic.planning.model import Plan
from erm_alembic.target import Target

__all__ = ["planned_backup", "tables_at_risk"]


def planned_backup(target: Target, plan: Plan) -> PlannedBackup | None:
    """What a plan says of backups; None where there is nothing to say.

    Args:
        target: the database.
        plan: the plan.

    Raises:
        TargetError: the database cannot be reached.
    """
    settings = target.settings
    going_down, demand = plan.direction == "downgrade", settings.backup.before
    if not plan.steps or (demand == "never" and not going_down):
        return None
    with target.reported(), open_ledger(target) as ledger:
        store = _store(settings)
        held = tuple(_held(ledger, settings, store, plan)) if going_down else ()
        if demand == "never":
            return PlannedBackup(False, demand, settings.backup.method, held=held) if held else None
        with target.reading("erm plan") as cursor:
            risks = at_risk(cursor, plan)
            demanded = demand == "every" or bool(risks)
            contents = contents_of(cursor) if demanded else None
        if contents is None:
            return PlannedBackup(False, demand, settings.backup.method, held=held)
        tables = None if settings.backup.tables == "all" else tables_at_risk(risks, contents)
        noted = _Noted()
        fresh = find_fresh(ledger, settings, store, Needs(tables, plan.current), closely=False, progress=noted)
    own = settings.backup.method == "pg_dump" and going_down and bool(risks)
    return PlannedBackup(
        demanded=True,
        before=demand,
        method=settings.backup.method,
        at_risk=risks,
        tables=tables,
        estimated_bytes=_estimated(contents, settings, tables),
        fresh=None if fresh is None else fresh.id,
        held=held,
        command=_command(settings, fresh.id if fresh is not None else "latest") if own else None,
        notes=tuple(noted.notes),
    )


class _Noted:
    """Keeps what is told of backups that are passed over: a plan shows it, and prints nothing while it is made."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def at(self, what: str, done: int, total: int) -> None:
        """Nothing: looking at what the ledger has takes no time."""


def tables_at_risk(risks: tuple[LostObject, ...], contents: Contents) -> tuple[str, ...] | None:
    """The tables that a backup of what is at risk has to hold; None for all, where it is not known of each which it is.

    Args:
        risks: what may be lost.
        contents: the tables that there are.
    """
    names = [each.table for each in risks]
    if not names or None in names:
        return None
    return contents.with_parts([name for name in names if name is not None])


def _estimated(contents: Contents, settings: Settings, tables: tuple[str, ...] | None) -> int | None:
    if settings.backup.method == "pg_dump":
        return contents.bytes_of(tables)
    return contents.database.bytes if settings.backup.method == "pg_basebackup" else None


def _held(ledger: Ledger, settings: Settings, store: Store, plan: Plan) -> Iterator[HeldBackup]:
    """The backups that stood behind the runs which last applied the revisions that are to be taken back."""
    backups = {each.id: each for each in in_ledger(ledger, settings.ledger.schema) if is_there(each, store)}
    if not backups:
        return
    runs = ledger.runs()
    for step in plan.steps:
        applied = next(
            (
                run
                for run in runs
                for each in run.revisions
                if each.revision == step.revision and each.direction == "upgrade" and each.outcome == "done"
            ),
            None,
        )
        for guard in applied.backups if applied is not None else ():
            backup = backups.get(guard.id)
            holds = tuple(each for each in backup.at_risk if each.revision == step.revision) if backup else ()
            if backup is not None and any(each.table for each in holds):
                command = _command(settings, backup.id) if backup.method == "pg_dump" else None
                yield HeldBackup(backup.id, backup.place, backup.started, step.revision, holds, command)


def _command(settings: Settings, backup_id: str) -> str:
    return shlex.join(["erm", "restore", "--env", settings.environment, "--to", backup_id, "--lost"])


def _store(settings: Settings) -> Store:
    """The folder, which a plan does not make."""
    return Store(settings.backup.directory or settings.project_dir / ".erm" / "backups")
