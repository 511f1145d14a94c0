"""`erm backup` and `erm restore`, for Python callers too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from erm_alembic.backup.contents import read_contents
from erm_alembic.backup.keeping import (
    DAMAGED,
    chosen,
    is_there,
    known_backups,
    manifest_of,
    note_verified,
    prune,
    record,
)
from erm_alembic.backup.planned import tables_at_risk as tables_of
from erm_alembic.backup.progress import BackupProgress, QuietProgress
from erm_alembic.backup.store import store_of
from erm_alembic.backup.taking import Wish, take_backup
from erm_alembic.backup.verifying import verify_backup
from erm_alembic.errors import BackupDamaged, BackupError, ErmError, Interrupted
from erm_alembic.ledger.backups import Backup, LostObject
from erm_alembic.ledger.store import Ledger, open_ledger
from erm_alembic.opening import Opened, configured, open_project
from erm_alembic.planning.at_risk import at_risk
from erm_alembic.planning.build import build_plan
from erm_alembic.planning.request import Request
from erm_alembic.planning.standing import read_standing
from erm_alembic.postgres.signals import Stopped, cancel_on_signal
from erm_alembic.revisions.project import AlembicOptions
from erm_alembic.target import Target, open_target

if TYPE_CHECKING:
    from erm_alembic.backup.putting_back import PutBack
    from erm_alembic.backup.restoring import Restored

__all__ = ["Listed", "backups", "put_back", "restore", "take", "verify"]

NOTHING_TAKEN = "No backup was taken; nothing of it counts as one."


@dataclass(frozen=True)
class Listed:
    """A backup in a list.

    Args:
        backup: the backup.
        is_there: whether it can be read from this machine; of one that a command took, only that command knows.
    """

    backup: Backup
    is_there: bool


def take(
    env: str | None = None,
    *,
    config: Path | None = None,
    tables_at_risk: bool = False,
    request: Request | None = None,
    restored: bool = False,
    run_id: int | None = None,
    progress: BackupProgress | None = None,
    options: AlembicOptions | None = None,
) -> Backup:
    """Take a backup, as the section `backup` of the profile says.

    Args:
        env: the profile.
        config: the path of erm.yaml.
        tables_at_risk: whether it holds only the tables that the pending revisions may lose something of.
        request: what those are; None for an apply up to the heads.
        restored: whether it is restored into a scratch database before it counts.
        run_id: the run in the ledger that it is taken for; None for none.
        progress: told what happens.
        options: Alembic's own options for env.py.

    Raises:
        BackupError: it could not be taken, or what was written is damaged; nothing counts as a backup then.
        ErmError: another subclass, when the database or the project cannot be had.

    Example:
        >>> import erm_alembic.backup
        >>> backup = erm_alembic.backup.take("staging")
        >>> backup.method, backup.verified, backup.tables
        ('pg_dump', 'listed', None)
    """
    opened = open_project(env, config, options)
    told = progress or QuietProgress()
    risks, tables, heads = _wanted(opened, request or Request("upgrade", "heads"), tables_at_risk)
    if tables_at_risk and not risks:
        raise BackupError(
            "What is pending puts no table at risk.",
            effect="No backup was taken.",
            cure="Without --tables-at-risk the whole database is backed up.",
        )
    if tables_at_risk and tables is None:
        told.note(
            "What is pending cannot be read whole, so that every table may be at risk: all of them are backed up."
        )
    wish = Wish(tables, risks, heads, run_id, restored)
    with _stopping("while a backup was taken", NOTHING_TAKEN) as stopped:
        backup = take_backup(opened.target, wish, told, stopped).backup
    with _writable_ledger(opened.target, told) as ledger:
        if ledger is not None:
            record(ledger, backup)
        prune(ledger, opened.settings, store_of(opened.settings), backup, told)
    return backup


def backups(env: str | None = None, *, config: Path | None = None) -> tuple[Listed, ...]:
    """The backups of an environment, the newest first: those that the ledger knows, and those in the folder.

    Args:
        env: the profile.
        config: the path of erm.yaml.

    Raises:
        ErmError: a subclass of it, when neither can be looked at.

    Example:
        >>> import erm_alembic.backup
        >>> taken = erm_alembic.backup.take("staging")
        >>> [(each.backup.id == taken.id, each.is_there) for each in erm_alembic.backup.backups("staging")]
        [(True, True)]
    """
    target = open_target(configured(env, config))
    store = store_of(target.settings)
    with target.reported(), open_ledger(target) as ledger:
        found = known_backups(ledger, target.settings, store)
    return tuple(Listed(each, is_there(each, store)) for each in found)


def verify(
    env: str | None = None,
    backup: str = "latest",
    *,
    config: Path | None = None,
    restored: bool = False,
    progress: BackupProgress | None = None,
) -> Backup:
    """Look at a backup: whether its files are what they were, and can be read from one end to the other.

    Args:
        env: the profile.
        backup: its id, the beginning of it, or `latest`.
        config: the path of erm.yaml.
        restored: whether it is restored into a scratch database too, and its rows counted there.
        progress: told what happens.

    Raises:
        BackupError: it is damaged, or not there.
        ErmError: another subclass, when it cannot be told.

    Example:
        >>> import erm_alembic.backup
        >>> taken = erm_alembic.backup.take("staging")
        >>> erm_alembic.backup.verify("staging", taken.id).verified
        'listed'
    """
    target = open_target(configured(env, config))
    store = store_of(target.settings)
    with target.reported(), open_ledger(target) as ledger:
        wanted = chosen(known_backups(ledger, target.settings, store), backup, target.settings.environment)
    manifest = manifest_of(wanted, store)

    def note(how: str) -> None:
        with contextlib.suppress(ErmError), target.reported(), open_ledger(target) as ledger:
            note_verified(ledger, target.settings.ledger.schema, wanted.id, how)

    with _stopping("while a backup was looked at", "Nothing was changed.") as stopped:
        try:
            how = verify_backup(
                target.settings,
                manifest,
                store.place(wanted.id),
                progress or QuietProgress(),
                stopped,
                checksum=wanted.checksum,
                restored=restored,
            )
        except BackupDamaged:
            note(DAMAGED)  # so that no plan and no release counts on it
            raise
    if how == "restored" or wanted.verified == DAMAGED:  # else it may have been looked at more closely before
        note(how)
        return _verified(manifest.backup, how)
    return manifest.backup


def restore(
    env: str | None = None,
    backup: str = "latest",
    *,
    into: str | None = None,
    replace: bool = False,
    config: Path | None = None,
    progress: BackupProgress | None = None,
) -> Restored:
    """Bring a backup back into a database of its own, beside the one that it was taken of.

    Args:
        env: the profile.
        backup: its id, the beginning of it, or `latest`.
        into: the name of the database; None for one made of the backup's database and its time.
        replace: whether a database of that name gives way; it is kept under another name.
        config: the path of erm.yaml.
        progress: told what happens.

    Raises:
        BackupError: it is damaged, or cannot be restored; a database that was made for it is gone again, one that was
            there and empty may hold a part of it.
        ErmError: another subclass, when the server cannot be had.

    Example:
        >>> import erm_alembic.backup
        >>> taken = erm_alembic.backup.take("staging")
        >>> restored = erm_alembic.backup.restore("staging", taken.id)
        >>> restored.database.startswith("shop"), restored.kept_as
        (False, None)
    """
    from erm_alembic.backup.restoring import restore_whole

    target = open_target(configured(env, config))
    store = store_of(target.settings)
    with target.reported(), open_ledger(target) as ledger:
        wanted = chosen(known_backups(ledger, target.settings, store), backup, target.settings.environment)
    manifest = manifest_of(wanted, store)
    found: Restored | None = None
    try:
        with _stopping("while a backup was restored", "Nothing was changed.") as stopped:
            found = restore_whole(
                target,
                manifest,
                store.place(wanted.id),
                into,
                replace=replace,
                progress=progress or QuietProgress(),
                stopped=stopped,
                checksum=wanted.checksum,
            )
    except Interrupted:
        if found is None:
            raise
    assert found is not None  # a signal that came when all was done has stopped nothing
    return found


def put_back(
    env: str | None = None,
    backup: str = "latest",
    *,
    names: tuple[str, ...] = (),
    lost: bool = True,
    overwrite: bool = False,
    really: bool = False,
    wait: float | None = None,
    config: Path | None = None,
    progress: BackupProgress | None = None,
) -> PutBack:
    """Put lost data back from a backup, in one transaction and under the deploy lock: columns by their rows' keys.

    Args:
        env: the profile.
        backup: its id, the beginning of it, or `latest`.
        names: tables and columns, as `public.users.email`, to be put back.
        lost: whether what the run that the backup guarded was to lose is put back too.
        overwrite: whether values that stand in these columns now give way to those of the backup.
        really: False only says what would be done.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        config: the path of erm.yaml.
        progress: told what happens.

    Raises:
        BackupError: it cannot be put back: no primary key, a table or a column that is not there.
        LockNotHad: somebody deploys.
        ErmError: another subclass, when the database cannot be had.

    Example:
        >>> import erm_alembic.backup
        >>> erm_alembic.apply("staging", to="8c4d2e91f6a0").outcome.result
        'done'
        >>> taken = erm_alembic.backup.take("staging")
        >>> found = erm_alembic.backup.put_back("staging", taken.id, names=("public.alembic_version",), lost=False)
        >>> found.really, [(each.table, each.inserted) for each in found.tables]
        (False, [('public.alembic_version', 0)])
    """
    from erm_alembic.backup.putting_back import put_back_lost

    target = open_target(configured(env, config))
    store = store_of(target.settings)
    with target.reported(), open_ledger(target) as ledger:
        known = known_backups(ledger, target.settings, store)
        if backup == "latest" and lost and not names:  # of those that hold what a run was to lose
            known = tuple(each for each in known if each.at_risk) or known
        wanted = chosen(known, backup, target.settings.environment)
    manifest = manifest_of(wanted, store)
    return put_back_lost(
        target,
        manifest,
        store.place(wanted.id),
        names,
        lost=lost,
        overwrite=overwrite,
        really=really,
        wait=wait,
        progress=progress or QuietProgress(),
        checksum=wanted.checksum,
    )


def _wanted(
    opened: Opened, request: Request, only_at_risk: bool
) -> tuple[tuple[LostObject, ...], tuple[str, ...] | None, tuple[str, ...]]:
    """What is at risk, the tables for it, and what the database records."""
    if not only_at_risk:
        with opened.target.reported():
            return (), None, read_standing(opened.target, opened.project).current
    with opened.target.reported():
        plan = build_plan(opened.target, opened.project, request).plan
    with opened.target.reading("erm backup") as cursor:
        risks = at_risk(cursor, plan)
    contents = read_contents(opened.target)
    return risks, tables_of(risks, contents), plan.current


@contextlib.contextmanager
def _writable_ledger(target: Target, progress: BackupProgress) -> Iterator[Ledger | None]:
    """The ledger with its tables; a backup counts without it, too: its manifest stands beside it."""
    if target.is_standby:
        progress.note("The ledger of a standby cannot be written: the backup is known by its manifest alone.")
        yield None
        return
    with target.reported(), open_ledger(target) as ledger:
        ledger.create()
        yield ledger


@contextlib.contextmanager
def _stopping(when: str, effect: str) -> Iterator[Callable[[], bool]]:
    """Whether a signal arrived, for as long as the block lasts; one that did ends it as an interruption.

    What was stopped by it may know better what is left: the effect and the cure of its own error count then.

    Raises:
        Interrupted: a signal arrived.
    """
    cure = "Run the command again."
    try:
        with cancel_on_signal() as watch, watch.held():
            try:
                yield lambda: watch.received is not None
            except BackupError as error:
                effect, cure = error.effect or effect, error.cure or cure
                raise
            finally:
                watch.check()
    except Stopped as stopped:
        raise Interrupted(
            f"Interrupted by {stopped} {when}.",
            signal_number=stopped.signal_number,
            effect=effect,
            cure=cure,
        ) from stopped


def _verified(backup: Backup, how: str) -> Backup:
    from dataclasses import replace

    return replace(backup, verified=how)
