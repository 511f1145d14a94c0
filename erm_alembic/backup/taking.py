"""Take a backup: begun under a name that does not count, written, read to its end, and only then given its own."""

from __future__ import annotations

import contextlib
import getpass
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from erm_alembic.backup.base import CLUSTER, copy_cluster, verify_cluster
from erm_alembic.backup.by_command import ask_command, told_to_command
from erm_alembic.backup.connection import address_of
from erm_alembic.backup.contents import Contents, read_contents
from erm_alembic.backup.dumping import Dump, archive_in
from erm_alembic.backup.manifest import FileSum, Manifest, checksum_of, file_sums
from erm_alembic.backup.process import NOT_STOPPED, Orders
from erm_alembic.backup.progress import BackupProgress
from erm_alembic.backup.store import Store, Unfinished, new_id, store_of
from erm_alembic.backup.verifying import restore_into_scratch
from erm_alembic.config.settings import BackupSettings
from erm_alembic.errors import BackupError
from erm_alembic.ledger.backups import Backup, LostObject
from erm_alembic.target import Target
from erm_alembic.version import __version__

__all__ = ["Wish", "take_backup"]


@dataclass(frozen=True)
class Wish:
    """What is to be backed up, and why.

    Args:
        tables: the tables, with their schema and quoted where they must be; None for all.
        at_risk: what the run that it guards is to lose.
        heads: the revisions that the database records.
        run_id: that run; None where it was asked for by hand.
        restored: whether it is restored into a scratch database before it counts, whatever the settings say.
    """

    tables: tuple[str, ...] | None = None
    at_risk: tuple[LostObject, ...] = ()
    heads: tuple[str, ...] = ()
    run_id: int | None = None
    restored: bool = False


def take_backup(
    target: Target, wish: Wish, progress: BackupProgress, stopped: Callable[[], bool] = NOT_STOPPED
) -> Manifest:
    """Take a backup of a database, look at it, and keep it.

    Args:
        target: the database.
        wish: what of it.
        progress: told what happens.
        stopped: asked again and again whether to end.

    Returns:
        What is known of it; nothing of it is in the ledger yet.

    Raises:
        BackupError: it could not be taken, or what was written is damaged; nothing counts as a backup then.
        TargetError: the database cannot be reached.
    """
    settings = target.settings.backup
    if settings.method == "none":
        raise BackupError(
            f"backup.method is none: there is nothing that takes a backup of {target.settings.environment}.",
            effect="No backup was taken.",
            cure="Set `backup.method` in erm.yaml: pg_dump, pg_basebackup or command.",
        )
    target.freshen_login()
    contents = read_contents(target)
    store = store_of(target.settings)
    begun = time.monotonic()
    taking = _Taking(target, wish, contents, store, settings, progress, stopped)
    with store.writing(new_id(contents.now)) as unfinished:
        try:
            manifest = taking.take(unfinished)
        except BackupError as error:
            error.effect = error.effect or "No backup was taken; nothing of it counts as one."
            raise
        ended = contents.now + timedelta(seconds=time.monotonic() - begun)
        manifest = replace(manifest, backup=replace(manifest.backup, ended=ended))
        store.finish(unfinished, manifest)
    return manifest


@dataclass(frozen=True)
class _Taking:
    target: Target
    wish: Wish
    contents: Contents
    store: Store
    settings: BackupSettings
    progress: BackupProgress
    stopped: Callable[[], bool]

    def take(self, unfinished: Unfinished) -> Manifest:
        match self.settings.method:
            case "pg_dump":
                return self._dump(unfinished)
            case "pg_basebackup":
                return self._copy(unfinished)
            case _:
                return self._ask(unfinished)

    def _dump(self, unfinished: Unfinished) -> Manifest:
        wanted = None if self.wish.tables is None else self.contents.with_parts(self.wish.tables)
        dump = Dump(self.target, wanted, self.settings)
        if not dump.fits_command_line():
            self.progress.note(f"{len(wanted or ())} tables are at risk, too many to be named: all of them are dumped.")
            wanted = None
            dump = Dump(self.target, None, self.settings)
        columns = self.contents.columns(wanted)
        dump.run(unfinished.folder, self._orders(unfinished), self.progress, self.contents)
        files = self._sums(unfinished)
        self.progress.at("reading it again", 1, 1)
        archive = archive_in(unfinished.folder, dump.program.major, dump.address.environ, self._orders(unfinished))
        rows = archive.count_rows()
        self._refuse_missing(wanted, rows)
        backup = self._backup(unfinished.id, str(self.store.place(unfinished.id)), files, wanted)
        manifest = Manifest(
            backup,
            self.contents.database,
            self.target.server_version,
            dump.program.major,
            files,
            rows,
            columns,
            self.contents.parts(),
        )
        if self.wish.restored or self.settings.verify == "restored":
            restore_into_scratch(self.target.settings, manifest, unfinished.folder, self.progress, self.stopped)
            manifest = replace(manifest, backup=replace(backup, verified="restored"))
        return manifest

    def _copy(self, unfinished: Unfinished) -> Manifest:
        orders = self._orders(unfinished)
        client = copy_cluster(self.target, unfinished.folder, self.settings, orders, self.progress)
        verify_cluster(unfinished.folder, self.target.major, address_of(self.target).environ, orders)
        files = self._sums(unfinished)
        place = str(self.store.place(unfinished.id) / CLUSTER)
        manifest = self._manifest(self._backup(unfinished.id, place, files, None), client, files)
        return replace(manifest, columns=self.contents.columns(None), parts=self.contents.parts())

    def _ask(self, unfinished: Unfinished) -> Manifest:
        tables = None if self.wish.tables is None else self.contents.with_parts(self.wish.tables)
        told = told_to_command(self.target, unfinished.id, tables, self.wish.at_risk, self.wish.run_id)
        orders = replace(self._orders(unfinished), told=self.progress.note, held=())
        answer = ask_command(self.target.settings, "take", told, orders)
        assert answer is not None  # or it has raised
        backup = self._backup(unfinished.id, answer.place, (), tables)
        return self._manifest(replace(backup, bytes=answer.bytes, checksum=None, verified="command"), 0, ())

    def _manifest(self, backup: Backup, client: int, files: tuple[FileSum, ...]) -> Manifest:
        return Manifest(backup, self.contents.database, self.target.server_version, client, files)

    def _backup(self, backup_id: str, place: str, files: tuple[FileSum, ...], tables: tuple[str, ...] | None) -> Backup:
        return Backup(
            id=backup_id,
            method=self.settings.method,
            environment=self.target.settings.environment,
            database=self.target.database,
            system=self.contents.identity.system,
            place=place,
            started=self.contents.now,
            ended=self.contents.now,
            bytes=sum(each.bytes for each in files),
            checksum=checksum_of(files),
            tables=tables,
            heads=self.wish.heads,
            at_risk=self.wish.at_risk,
            verified="listed",
            who=f"{_user()} ({self.target.role})",
            host=socket.gethostname(),
            erm_version=__version__,
            run_id=self.wish.run_id,
        )

    def _sums(self, unfinished: Unfinished) -> tuple[FileSum, ...]:
        lock = Path(".lock")
        return tuple(each for each in file_sums(unfinished.folder, self.stopped) if Path(each.path) != lock)

    def _refuse_missing(self, wanted: tuple[str, ...] | None, rows: dict[str, int]) -> None:
        """A table that was asked for must be in it, however it came that it is not."""
        kinds = {name for name in (wanted or ()) if name not in rows}
        partitioned = self.contents.parts()
        missing = sorted(kinds - partitioned.keys() - self._without_rows())
        if missing:
            raise BackupError(
                f"The dump lacks {', '.join(missing[:5])}{' and more' if len(missing) > 5 else ''}.",
                effect="No backup was taken; nothing of it counts as one.",
                cure="Were they dropped meanwhile? Plan again.",
            )

    def _without_rows(self) -> set[str]:
        from erm_alembic.backup.contents import named

        return {named(each) for each in self.contents.tables if each.kind != "r"}

    def _orders(self, unfinished: Unfinished) -> Orders:
        timeout = self.settings.timeout.total_seconds() or None
        return Orders({}, stopped=self.stopped, timeout=timeout, held=(unfinished.lock,), what="taking a backup")


def _user() -> str:
    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return "unknown"
