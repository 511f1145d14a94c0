"""The folder of backups: one is written under a name that does not count, and gets its own when it is whole.

Whoever writes one holds a lock on it for as long as they live, and so does the program that writes for them: what is
there without such a lock, and without its own name, is what a killed run has left, and is swept.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from erm_alembic.backup.manifest import MANIFEST, Manifest, read_manifest, written
from erm_alembic.config.own_folder import erm_folder
from erm_alembic.config.settings import Settings
from erm_alembic.errors import BackupError
from erm_alembic.planning.private_file import write_private

__all__ = ["Store", "Unfinished", "new_id", "store_of"]

UNFINISHED, REMOVED, LOCK = ".unfinished-", ".removed-", ".lock"


def new_id(started: datetime) -> str:
    """The name of a backup: its time, and something that tells it from another one of the same second.

    Args:
        started: when it was begun.

    Example:
        >>> new_id(datetime(2026, 1, 31, 23, 59, tzinfo=UTC))[:16]
        '20260131T235900Z'
    """
    return f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class Unfinished:
    """A backup that is being written.

    Args:
        id: its name once it is whole.
        folder: where it is written.
        lock: the file descriptor whose lock says that somebody writes it.
    """

    id: str
    folder: Path
    lock: int


@dataclass(frozen=True)
class Store:
    """A folder of backups.

    Args:
        root: the folder; made when the first one is taken.
    """

    root: Path

    def place(self, backup_id: str) -> Path:
        """Where a backup is, or would be."""
        return self.root / backup_id

    @contextlib.contextmanager
    def writing(self, backup_id: str) -> Iterator[Unfinished]:
        """A folder for a backup that is about to be taken; it is gone after the block unless `finish` was called.

        Args:
            backup_id: its name.

        Raises:
            BackupError: it cannot be made.
        """
        folder = self.root / f"{UNFINISHED}{backup_id}"
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.sweep()
            folder.mkdir(mode=0o700)
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _cannot_write(folder, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Unfinished(backup_id, folder, lock)
        finally:
            os.close(lock)
            shutil.rmtree(folder, ignore_errors=True)

    def finish(self, unfinished: Unfinished, manifest: Manifest) -> Path:
        """Give a backup its own name: from now on it counts.

        Args:
            unfinished: where it was written; all of it is on the disk afterwards.
            manifest: what is known of it.

        Returns:
            Where it is.

        Raises:
            BackupError: it cannot be written to the disk.
        """
        place = self.place(unfinished.id)
        try:
            (unfinished.folder / LOCK).unlink()
            write_private(unfinished.folder / MANIFEST, written(manifest))
            _sync(unfinished.folder)
            unfinished.folder.rename(place)
            _sync_folder(self.root)
        except OSError as error:
            raise _cannot_write(unfinished.folder, error) from error
        return place

    def ids(self) -> tuple[str, ...]:
        """The backups that are whole, the newest first."""
        try:
            names = [each.name for each in self.root.iterdir() if (each / MANIFEST).is_file()]
        except OSError:
            return ()
        return tuple(sorted((name for name in names if not name.startswith(".")), reverse=True))

    def manifests(self) -> Iterator[Manifest]:
        """What is known of each backup that is whole, the newest first; one whose manifest is damaged is left out."""
        for backup_id in self.ids():
            with contextlib.suppress(BackupError):
                manifest = read_manifest(self.place(backup_id))
                if manifest.backup.id == backup_id:  # or somebody has renamed the folder, or the manifest
                    yield manifest

    def remove(self, backup_id: str) -> None:
        """Remove a backup: at once for everybody who looks, and then from the disk.

        Raises:
            BackupError: it cannot be removed.
        """
        away = self.root / f"{REMOVED}{backup_id}"
        try:
            self.place(backup_id).rename(away)
        except OSError as error:
            raise _cannot_write(self.place(backup_id), error) from error
        shutil.rmtree(away, ignore_errors=True)

    def sweep(self) -> tuple[str, ...]:
        """Remove what killed runs have left; their names."""
        swept = []
        with contextlib.suppress(OSError):
            for folder in self.root.iterdir():
                left = folder.name.startswith(UNFINISHED) and not _is_locked(folder / LOCK)
                if (left or folder.name.startswith(REMOVED)) and _is_ours(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                    swept.append(folder.name)
        return tuple(swept)


def store_of(settings: Settings) -> Store:
    """The folder of backups of a profile.

    Args:
        settings: what is in force.

    Raises:
        BackupError: it would be in the project's `.erm`, which cannot be made.
    """
    if settings.backup.directory is not None:
        return Store(settings.backup.directory)
    try:
        return Store(erm_folder(settings.project_dir) / "backups")
    except OSError as error:
        raise BackupError(
            f"{settings.project_dir / '.erm'} cannot be written: {error.strerror or error}.",
            effect="No backup was taken.",
            cure="Make it writable, or set `backup.directory`.",
        ) from error


def _is_locked(path: Path) -> bool:
    """Whether somebody who lives holds the lock; one that is not there yet, or any more, is about to be used."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return not _is_old(path.parent)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def _is_old(folder: Path) -> bool:
    """Whether a folder was last changed longer ago than it takes to lock it, or to rename it."""
    try:
        changed = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    except OSError:
        return False
    return (datetime.now(UTC) - changed).total_seconds() > 3600


def _is_ours(folder: Path) -> bool:
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _sync(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        if path.is_symlink():
            continue
        if path.is_dir():
            _sync_folder(path)
        elif path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot_write(path: Path, error: OSError) -> BackupError:
    return BackupError(
        f"{path} cannot be written: {error.strerror or error}.",
        effect="Nothing there counts as a backup.",
        cure="Free space on that disk, make the folder writable, or name another one: `backup.directory`.",
    )
