"""Bring a whole backup back: into a database that is made for it, never over one that is there.

A database that is to give way keeps its data under another name; what was made for a restore that failed is dropped.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import errors as pg
from psycopg2 import sql

from erm_alembic.backup.connection import address_of
from erm_alembic.backup.dumping import ARCHIVE
from erm_alembic.backup.manifest import Manifest
from erm_alembic.backup.process import Orders, run_program
from erm_alembic.backup.programs import find_program
from erm_alembic.backup.progress import BackupProgress
from erm_alembic.backup.verifying import PROVIDERS_SINCE, compare_rows, verify_backup
from erm_alembic.config.redaction import first_line
from erm_alembic.errors import BackupError
from erm_alembic.postgres.backup_facts import database_names, end_sessions, is_empty_database, may_create_databases
from erm_alembic.target import Target

__all__ = ["Restored", "restore_whole"]

NOTHING = "Nothing was changed."
GONE = "What was made of it is gone again."
STAYS = "{!r} was there before, and stays: it may hold a part of the backup now."
LONGEST_NAME = 63
BEGINS = 'processing data for table "'


@dataclass(frozen=True)
class Restored:
    """A backup that was brought back.

    Args:
        backup: the backup's id.
        database: the database that has it now.
        kept_as: what the database that had this name before is called now; None where there was none.
        tables: how many tables came back.
        rows: how many rows.
        notes: what is not as it was.
    """

    backup: str
    database: str
    kept_as: str | None = None
    tables: int = 0
    rows: int = 0
    notes: tuple[str, ...] = ()


def restore_whole(
    target: Target,
    manifest: Manifest,
    folder: Path,
    into: str | None,
    *,
    replace: bool,
    progress: BackupProgress,
    stopped: Callable[[], bool],
    checksum: str | None,
) -> Restored:
    """Restore a backup into a database of its own.

    Args:
        target: a database of the server that gets it.
        manifest: what stands beside the backup.
        folder: its folder.
        into: the database; None for one that is named for the backup.
        replace: whether a database of that name gives way.
        progress: told what happens.
        stopped: asked again and again whether to end.
        checksum: what the ledger has as its checksum.

    Raises:
        BackupError: it is damaged, or cannot be restored; its effect says what is left of it.
        TargetError: the server cannot be reached.
    """
    _refuse_other_methods(manifest)
    name = into or _default_name(manifest)
    if len(name.encode()) > LONGEST_NAME or not name or "\x00" in name:
        raise BackupError(
            f"{name!r} is no name of a database: it has {LONGEST_NAME} bytes at most.",
            effect=NOTHING,
            cure="Give another one: --into NAME.",
        )
    verify_backup(target.settings, manifest, folder, progress, stopped, checksum=checksum)
    with target.reported(), contextlib.closing(target.connect("erm restore")) as admin:
        admin.set_client_encoding("UTF8")  # in which names are quoted, whatever the database has
        admin.autocommit = True
        with admin.cursor() as cursor:
            able, superuser = may_create_databases(cursor)
            there = name in database_names(cursor)
            if there and not replace and not _is_empty(target, name):
                raise BackupError(
                    f"There is a database {name!r} already, and it is not empty.",
                    effect=NOTHING,
                    cure="Give another name: --into NAME. With --replace it gives way, and is kept under another name.",
                )
            if there and name == target.database and replace:
                raise BackupError(
                    f"{name!r} is the database of --env {target.settings.environment} itself: it cannot give way while "
                    "erm is connected to it.",
                    effect=NOTHING,
                    cure="Restore it under another name, look at it, and then rename the two; or put lost data back: "
                    "--lost.",
                )
            if there and not replace:
                with _left(
                    f"{name!r} was there before, and stays: it may hold a part of the backup now.", _again(name)
                ):
                    notes = _fill(target, manifest, folder, name, superuser, progress, stopped)
                return _result(manifest, name, None, notes)
            if not able:
                raise BackupError(
                    f"The role {target.role} may not create databases.",
                    effect=NOTHING,
                    cure=f"ALTER ROLE ... CREATEDB; or create an empty database, and name it: --into {name}.",
                )
            making = f"{name[:40]}_restoring_{os.getpid()}" if there else name
            with _made(cursor, making, manifest) as made:
                with _left(GONE):
                    notes = _fill(target, manifest, folder, making, superuser, progress, stopped)
                kept_as = _swap(cursor, name, making) if there else None
                made.append(making)
    return _result(manifest, name, kept_as, notes)


def _result(manifest: Manifest, name: str, kept_as: str | None, notes: tuple[str, ...]) -> Restored:
    return Restored(manifest.backup.id, name, kept_as, len(manifest.rows), sum(manifest.rows.values()), notes)


def _refuse_other_methods(manifest: Manifest) -> None:
    backup = manifest.backup
    if backup.method == "command":
        raise BackupError(
            f"{backup.id} was taken by a command of the team's own, and only that knows how it is brought back.",
            effect=NOTHING,
            cure=f"It is at {backup.place}.",
        )
    if backup.method == "pg_basebackup":
        raise BackupError(
            f"{backup.id} is a copy of a whole cluster: it is started, not restored into a database.",
            effect=NOTHING,
            cure=f"Copy the folder {backup.place}, and start a server on the copy: pg_ctl -D COPY start",
        )


def _default_name(manifest: Manifest) -> str:
    moment = manifest.backup.started.astimezone(UTC)
    ending = f"_restored_{moment:%Y%m%d_%H%M%S}"
    return _shortened(manifest.database.name, LONGEST_NAME - len(ending)) + ending


def _shortened(name: str, bytes_: int) -> str:
    return name.encode()[:bytes_].decode("utf-8", "ignore")


def _is_empty(target: Target, name: str) -> bool:
    url = target.url.with_parameters(dbname=name)
    try:
        with contextlib.closing(psycopg2.connect(url.dsn(), application_name="erm restore")) as found:
            return is_empty_database(found.cursor())
    except psycopg2.Error as error:
        raise BackupError(
            f"The database {name!r} is there, and cannot be looked at: {first_line(error)}",
            effect=NOTHING,
            cure="Give another name: --into NAME.",
        ) from None


@contextlib.contextmanager
def _made(cursor: Any, name: str, manifest: Manifest) -> Iterator[list[str]]:
    """A new database like the one of the backup; it is dropped after the block unless its name is in the list."""
    facts = manifest.database
    options = {"ENCODING": facts.encoding, "LC_COLLATE": facts.collate, "LC_CTYPE": facts.ctype}
    words = [sql.SQL(" {} = {}").format(sql.SQL(key), sql.Literal(value)) for key, value in options.items()]
    if cursor.connection.server_version >= PROVIDERS_SINCE:
        words.append(sql.SQL(" LOCALE_PROVIDER = {}").format(sql.Literal(facts.provider)))
    if facts.provider != "libc" and facts.locale is not None:
        key = "ICU_LOCALE" if facts.provider == "icu" else "BUILTIN_LOCALE"
        words.append(sql.SQL(" {} = {}").format(sql.SQL(key), sql.Literal(facts.locale)))
    make = sql.SQL("CREATE DATABASE {} TEMPLATE = template0").format(sql.Identifier(name))
    try:
        cursor.execute(make + sql.Composed(words))
    except pg.DuplicateDatabase:
        raise BackupError(f"There is a database {name!r} by now.", effect=NOTHING, cure="Run it again.") from None
    kept: list[str] = []
    try:
        yield kept
    finally:
        if name not in kept:
            with contextlib.suppress(psycopg2.Error):
                cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.contextmanager
def _left(effect: str, before: str = "") -> Iterator[None]:
    """What is left of a restore that fails, and what has to be done about it before the next one."""
    try:
        yield
    except BackupError as error:
        error.effect, error.cure = effect, f"{error.cure} {before}".strip()
        raise


def _again(name: str) -> str:
    return f"Before that, drop {name!r} and make it anew, empty; or give another name: --into NAME."


def _fill(
    target: Target,
    manifest: Manifest,
    folder: Path,
    name: str,
    superuser: bool,
    progress: BackupProgress,
    stopped: Callable[[], bool],
) -> tuple[str, ...]:
    """Run pg_restore, and count what came; what cannot be as it was is told."""
    address = address_of(target, name)
    server = target.major
    program = find_program("pg_restore", manifest.client, max(manifest.client, server))
    total, done = len(manifest.rows), 0

    def told(line: str) -> None:
        nonlocal done
        _, found, table = line.partition(BEGINS)
        if found:
            progress.at(table.rstrip('"'), done, total)
            done += 1

    argv: list[str | bytes | Path] = [program.path, "--verbose", "--no-password"]
    argv += [f"--jobs={target.settings.backup.jobs}", f"--dbname={address.dsn}"]
    notes: list[str] = []
    if not superuser:
        argv.append("--no-owner")
        notes.append(f"Everything belongs to {target.role}: only a superuser can give objects their owners back.")
    # A newer pg_restore sets what an older server does not know; everything else is a failure.
    tolerant = program.major > server
    argv += [] if tolerant else ["--exit-on-error"]
    orders = Orders(address.environ, told, stopped, None, (), "restoring it")
    progress.note(f"Restoring {manifest.backup.id} into {name}")
    try:
        run_program([*argv, folder / ARCHIVE], orders)
    except BackupError:
        ignored = [line for line in orders.said if "error:" in line]
        known = tolerant and all("unrecognized configuration parameter" in line for line in ignored)
        if stopped() or not known:
            raise
    compare_rows(target.url.with_parameters(dbname=name), manifest.rows, None)
    if stopped():
        raise BackupError("Stopped by a signal.", cure="Run the command again.")
    return tuple(notes)


def _swap(cursor: Any, name: str, making: str) -> str:
    """Put a new database in the place of the one that bears its name; that one is kept under another one."""
    ending = f"_before_{datetime.now(UTC):%Y%m%d_%H%M%S}"
    kept_as = _shortened(name, LONGEST_NAME - len(ending)) + ending
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    try:
        end_sessions(cursor, name)
        cursor.execute(rename.format(sql.Identifier(name), sql.Identifier(kept_as)))
    except psycopg2.Error as error:
        raise BackupError(
            f"The database {name!r} cannot be renamed: {first_line(error)}",
            effect="Nothing was changed; what was made of the backup is gone again.",
            cure="End its sessions, and let a role do it that owns it.",
        ) from None
    cursor.execute(rename.format(sql.Identifier(making), sql.Identifier(name)))
    return kept_as
