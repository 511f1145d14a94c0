"""What the ledger knows of backups, what the folder has, which is fresh enough for a run, and which are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg2 import sql

from erm_alembic.backup.manifest import Manifest, read_manifest
from erm_alembic.backup.process import NOT_STOPPED
from erm_alembic.backup.progress import BackupProgress
from erm_alembic.backup.store import Store
from erm_alembic.backup.verifying import verify_backup
from erm_alembic.config.settings import Settings
from erm_alembic.errors import BackupError
from erm_alembic.ledger.backups import (
    Backup,
    LostObject,
    insert_backup,
    insert_guard,
    mark_at_risk,
    mark_removed,
    mark_verified,
    read_backups,
)
from erm_alembic.ledger.store import Ledger
from erm_alembic.postgres.catalog import tables_of

__all__ = [
    "DAMAGED",
    "Needs",
    "find_fresh",
    "guarded_by",
    "known_backups",
    "note_at_risk",
    "note_verified",
    "prune",
    "record",
]

# What a run of these modes changes, a backup from before it does not have.
CHANGES = ("apply", "rollback", "repair", "restore")
# What the ledger has of a backup in which damage was found, in place of how it was verified.
DAMAGED = "damaged"


@dataclass(frozen=True)
class Needs:
    """What a run needs of a backup that was not taken for it.

    Args:
        tables: the tables that it must hold; None for all of the database.
        heads: the revisions that the database records.
        run_id: the run itself, which is no other one; None where it has not begun.
    """

    tables: tuple[str, ...] | None
    heads: tuple[str, ...]
    run_id: int | None = None


def _has(ledger: Ledger, schema: str, *tables: str) -> bool:
    with ledger.connection.cursor() as cursor:
        return len(tables_of(cursor, schema, tables)) == len(tables)


def record(ledger: Ledger, backup: Backup) -> None:
    """Write into the ledger that a backup is whole.

    Args:
        ledger: the ledger, with its tables.
        backup: the backup.
    """
    insert_backup(ledger.connection, ledger.table("backup"), backup)


def guarded_by(ledger: Ledger, run_id: int, backup_id: str, *, taken: bool) -> None:
    """Write into the ledger that a backup stands behind a run.

    Args:
        ledger: the ledger, with its tables.
        run_id: the run.
        backup_id: the backup.
        taken: whether it was taken for this run.
    """
    insert_guard(ledger.connection, ledger.table("guard"), run_id, backup_id, taken=taken)


def note_at_risk(ledger: Ledger, backup: Backup, at_risk: Collection[LostObject]) -> None:
    """Write into the ledger what a run is to lose that an older backup guards, so that it can be put back from it.

    Args:
        ledger: the ledger, with its tables.
        backup: the backup, as the ledger has it.
        at_risk: what that run is to lose.
    """
    all_of_it = tuple(dict.fromkeys((*backup.at_risk, *at_risk)))
    if all_of_it != backup.at_risk:
        mark_at_risk(ledger.connection, ledger.table("backup"), backup.id, all_of_it)


def note_verified(ledger: Ledger, schema: str, backup_id: str, verified: str) -> None:
    """Write into the ledger that a backup was looked at more closely than before."""
    if _has(ledger, schema, "backup"):
        mark_verified(ledger.connection, ledger.table("backup"), backup_id, verified)


def in_ledger(ledger: Ledger, schema: str) -> tuple[Backup, ...]:
    """The backups that the ledger knows, the newest first.

    Args:
        ledger: the ledger.
        schema: its schema.
    """
    if not _has(ledger, schema, "backup"):
        return ()
    return read_backups(ledger.connection, ledger.table("backup"))


def known_backups(ledger: Ledger | None, settings: Settings, store: Store) -> tuple[Backup, ...]:
    """The backups of an environment: those of the ledger, and those that only the folder has; the newest first.

    Args:
        ledger: the ledger; None where it cannot be reached.
        settings: what is in force.
        store: the folder.
    """
    told = in_ledger(ledger, settings.ledger.schema) if ledger is not None else ()
    known = {each.id: each for each in told}
    for manifest in store.manifests():
        if manifest.backup.environment == settings.environment:
            known.setdefault(manifest.backup.id, manifest.backup)
    return tuple(sorted(known.values(), key=lambda each: (each.started, each.id), reverse=True))


def is_there(backup: Backup, store: Store) -> bool:
    """Whether a backup can be read from this machine; one that a command took is where its command says."""
    if backup.removed is not None:
        return False
    return backup.method == "command" or backup.id in store.ids()


def find_fresh(
    ledger: Ledger,
    settings: Settings,
    store: Store,
    needs: Needs,
    *,
    closely: bool,
    progress: BackupProgress,
    stopped: Callable[[], bool] = NOT_STOPPED,
) -> Backup | None:
    """The newest backup that is fresh enough for a run, so that none has to be taken; None where there is none.

    It is of the same database at the same revisions, not older than `backup.max_age`, holds what is at risk, nothing
    was run since it was begun, and its files are what they were.

    Args:
        ledger: the ledger.
        settings: what is in force.
        store: the folder.
        needs: what the run needs.
        closely: whether its files are looked at, too.
        progress: told which one would be fresh enough, and is damaged or cannot be looked at.
        stopped: asked again and again whether to end.
    """
    wanted = settings.backup
    candidates = [each for each in in_ledger(ledger, settings.ledger.schema) if is_there(each, store)]
    if not candidates or wanted.max_age.total_seconds() <= 0:
        return None
    now, latest = _moments(ledger, needs.run_id)
    for each in candidates:
        fits = (
            each.method == wanted.method
            and each.environment == settings.environment
            and now - each.started <= wanted.max_age
            and (latest is None or latest < each.started)
            and tuple(sorted(each.heads)) == tuple(sorted(needs.heads))
            and _holds(each.tables, needs.tables)
        )
        if fits and each.verified == DAMAGED:
            progress.note(f"Warning: Backup {each.id} is damaged, and does not count as a fresh one.")
        elif fits and (not closely or _is_sound(each, settings, store, progress, stopped)):
            return each
    return None


def prune(ledger: Ledger | None, settings: Settings, store: Store, newest: Backup, progress: BackupProgress) -> None:
    """Remove the oldest backups of the same kind, where there are more than `backup.keep`.

    Args:
        ledger: the ledger; None where it cannot be written.
        settings: what is in force.
        store: the folder.
        newest: the one that was just taken: only those of its environment, database, method and extent count.
        progress: told what is removed.
    """
    keep = settings.backup.keep
    if keep == 0 or newest.method == "command":
        return
    alike = [each.backup for each in store.manifests() if _kind(each.backup) == _kind(newest)]
    for each in alike[keep:]:
        try:
            store.remove(each.id)
        except BackupError as error:
            progress.note(f"Warning: {error.what}")
            continue
        progress.note(f"Removed the backup {each.id}: backup.keep is {keep}")
        if ledger is not None and _has(ledger, settings.ledger.schema, "backup"):
            mark_removed(ledger.connection, ledger.table("backup"), each.id)


def _kind(backup: Backup) -> tuple[object, ...]:
    return backup.environment, backup.database, backup.system, backup.method, backup.tables is None


def _holds(has: tuple[str, ...] | None, needs: Collection[str] | None) -> bool:
    return has is None or (needs is not None and set(needs) <= set(has))


def _moments(ledger: Ledger, run_id: int | None) -> tuple[datetime, datetime | None]:
    """The server's clock, and when the last run began that may have changed something."""
    query = sql.SQL(
        "SELECT pg_catalog.clock_timestamp(), (SELECT max(started_at) FROM {} WHERE mode = ANY(%s) AND id <> %s)"
    ).format(ledger.table("run"))
    with ledger.connection.cursor() as cursor:
        cursor.execute(query, [list(CHANGES), run_id or 0])
        now, latest = cursor.fetchone()
    return now, latest


def _is_sound(
    backup: Backup, settings: Settings, store: Store, progress: BackupProgress, stopped: Callable[[], bool]
) -> bool:
    folder = store.place(backup.id)
    try:
        manifest = read_manifest(folder)
        verify_backup(settings, manifest, folder, progress, stopped, checksum=backup.checksum)
    except BackupError as error:
        if stopped():
            raise
        progress.note(f"Warning: {error.what} It does not count as a fresh one.")
        return False
    return True


def chosen(backups: tuple[Backup, ...], wanted: str, environment: str) -> Backup:
    """The backup that is meant.

    Args:
        backups: those that are known.
        wanted: its id, or the beginning of it that only one has; `latest`.
        environment: the profile, for the cure.

    Raises:
        BackupError: there is none, or several begin like that.
    """
    from erm_alembic.config.env_option import env_option

    there = [each for each in backups if each.removed is None]
    found = there[:1] if wanted == "latest" else [each for each in there if each.id == wanted]
    found = found or [each for each in there if wanted and each.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    gone = next((each for each in backups if each.id == wanted), None)
    if gone is not None:
        what = f"The backup {wanted} was removed: newer ones were to be kept."
    else:
        what = f"{wanted} could be {', '.join(each.id for each in found[:4])}." if found else f"No backup is {wanted}."
    raise BackupError(
        what, effect="Nothing was changed.", cure=f"`erm backup list{env_option(environment)}` shows what there is."
    )


def manifest_of(backup: Backup, store: Store) -> Manifest:
    """What stands beside a backup, with what the ledger has of it where they agree.

    Raises:
        BackupError: it is not on this machine, or damaged.
    """
    folder = store.place(backup.id)
    if backup.id not in store.ids():
        raise BackupError(
            f"The backup {backup.id} is not in {store.root}; it was taken on {backup.host}, at {backup.place}.",
            effect="Nothing was changed.",
            cure=f"Copy it to {folder}, or set `backup.directory` to the folder that has it.",
        )
    manifest = read_manifest(folder)
    at_risk = backup.at_risk or manifest.backup.at_risk
    told = replace(manifest.backup, run_id=backup.run_id, verified=backup.verified, at_risk=at_risk)
    return replace(manifest, backup=told)
