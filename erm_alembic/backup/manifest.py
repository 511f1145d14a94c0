"""What stands beside a backup: what it is, of which database, what is in it, and a checksum of each of its files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from erm_alembic.errors import BackupError
from erm_alembic.ledger.backups import Backup, LostObject
from erm_alembic.postgres.backup_facts import DatabaseFacts

__all__ = ["MANIFEST", "FileSum", "Manifest", "checksum_of", "file_sums", "read_manifest", "written"]

MANIFEST = "manifest.json"
VERSION = 1
CHUNK = 1024 * 1024


@dataclass(frozen=True)
class FileSum:
    """One file of a backup.

    Args:
        path: its path within the backup's folder.
        bytes: its size.
        sha256: its SHA-256, hexadecimal.
    """

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A backup with what is known of it.

    Args:
        backup: what the ledger has of it.
        database: what its database is like.
        server_version: the version of its server.
        client: the major version of the program that took it.
        files: its files.
        rows: how many rows of each table it holds.
        columns: the columns of each table, each with its type.
        parts: of each table those that hold rows of it beside its own: partitions, heirs.
    """

    backup: Backup
    database: DatabaseFacts
    server_version: str
    client: int
    files: tuple[FileSum, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def file_sums(folder: Path, stopped: Callable[[], bool]) -> tuple[FileSum, ...]:
    """The files below a folder, without the manifest, each with its checksum.

    Args:
        folder: the backup's folder.
        stopped: asked again and again whether to end.

    Raises:
        BackupError: one cannot be read, or it was stopped.
    """
    try:
        return tuple(sorted(_sums(folder, stopped), key=lambda each: each.path))
    except OSError as error:
        raise BackupError(
            f"{error.filename or folder} cannot be read: {error.strerror}.", cure="Look at the disk that it is on."
        ) from error


def checksum_of(files: tuple[FileSum, ...]) -> str:
    """One checksum over all files of a backup.

    Example:
        >>> checksum_of(())[:8]
        'e3b0c442'
    """
    lines = (f"{each.sha256} {each.bytes} {each.path}\n" for each in files)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def written(manifest: Manifest) -> bytes:
    """The manifest as the content of its file."""
    document: dict[str, Any] = {"version": VERSION, **asdict(manifest)}
    return (json.dumps(document, indent=1, default=_plain) + "\n").encode("ascii")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup.

    Args:
        folder: the backup's folder.

    Raises:
        BackupError: there is none, or it cannot be read.
    """
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
        if document["version"] > VERSION:
            raise BackupError(
                f"The backup in {folder} was taken by a newer erm.", cure="Use that version of erm, or a newer one."
            )
        return _manifest(document)
    except OSError as error:
        raise BackupError(f"{folder} has no manifest: {error.strerror}.", cure=CURE) from error
    except (ValueError, TypeError, KeyError) as error:
        raise BackupError(f"The manifest in {folder} is damaged.", cure=CURE) from error


CURE = "`erm backup list` shows the backups that are whole."


def _manifest(document: dict[str, Any]) -> Manifest:
    told = document["backup"]
    for name in ("started", "ended", "removed"):
        told[name] = told[name] and datetime.fromisoformat(told[name])
    told["tables"] = None if told["tables"] is None else tuple(told["tables"])
    told["heads"] = tuple(told["heads"])
    told["at_risk"] = tuple(LostObject(**each) for each in told["at_risk"])
    return Manifest(
        backup=Backup(**told),
        database=DatabaseFacts(**document["database"]),
        server_version=document["server_version"],
        client=document["client"],
        files=tuple(FileSum(**each) for each in document["files"]),
        rows=document["rows"],
        columns=document["columns"],
        parts={name: tuple(parts) for name, parts in document["parts"].items()},
    )


def _sums(folder: Path, stopped: Callable[[], bool]) -> Iterator[FileSum]:
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file() or path == folder / MANIFEST:
            continue
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                if stopped():
                    raise BackupError("Stopped by a signal.", cure="Run the command again.")
        yield FileSum(os.fsdecode(path.relative_to(folder)), size, digest.hexdigest())


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
