"""Look at a backup that is there: whether its files are what they were, can be read, and can be restored."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg2
from psycopg2 import sql

from erm_alembic.backup.base import verify_cluster
from erm_alembic.backup.by_command import ask_command
from erm_alembic.backup.dumping import ARCHIVE, archive_in
from erm_alembic.backup.loading import load_as_text
from erm_alembic.backup.manifest import Manifest, checksum_of, file_sums
from erm_alembic.backup.process import NOT_STOPPED, Orders, run_program
from erm_alembic.backup.programs import find_program
from erm_alembic.backup.progress import BackupProgress
from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.env_option import env_option
from erm_alembic.config.redaction import first_line
from erm_alembic.config.settings import Settings
from erm_alembic.errors import BackupDamaged, BackupError
from erm_alembic.postgres.scratch import create_database, drop_database, held_name
from erm_alembic.postgres.text.words import name_parts
from erm_alembic.shadow.provision import provision

__all__ = ["PROVIDERS_SINCE", "compare_files", "compare_rows", "restore_into_scratch", "verify_backup"]

UNTOLD = "Whether the backup is whole is not known by this; nothing was changed."
# Before this version every database had its collation from the C library.
PROVIDERS_SINCE = 150000
# What a scratch server need not have, and what would reach out of it.
LEFT_OUT = ("--no-owner", "--no-privileges", "--no-subscriptions", "--no-publications", "--no-security-labels")


def verify_backup(
    settings: Settings,
    manifest: Manifest,
    folder: Path,
    progress: BackupProgress,
    stopped: Callable[[], bool] = NOT_STOPPED,
    *,
    checksum: str | None = None,
    restored: bool = False,
) -> str:
    """Look at a backup.

    Args:
        settings: what is in force.
        manifest: what stands beside it.
        folder: its folder.
        progress: told what happens.
        stopped: asked again and again whether to end.
        checksum: what the ledger has as its checksum; None where the ledger does not know it.
        restored: whether it is restored into a scratch database as well.

    Returns:
        How it was looked at: `listed`, `restored` or `command`.

    Raises:
        BackupDamaged: it is not what it was.
        BackupError: whether it is cannot be told here.
    """
    backup = manifest.backup
    orders = Orders(_environ(), progress.note, stopped, what="verifying the backup")
    if backup.method == "command":
        told = {"backup": backup.id, "place": backup.place, "environment": backup.environment, "run_id": backup.run_id}
        ask_command(settings, "verify", told, orders)
        return "command"
    progress.note(f"Comparing the checksums of {backup.id}")
    compare_files(manifest, folder, stopped, checksum)
    if backup.method == "pg_basebackup":
        if restored:
            raise BackupError(
                f"{backup.id} is a copy of a whole cluster: it is not restored, it is started.",
                cure="Without --restored its files and its log are looked at. To start it, copy the folder "
                f"{backup.place}, and run pg_ctl on the copy.",
            )
        with _untold(manifest):
            verify_cluster(folder, int(manifest.server_version.split(".")[0]), _environ(), orders)
        return "listed"
    progress.note(f"Reading {backup.id} from one end to the other")
    with _untold(manifest):
        rows = archive_in(folder, manifest.client, _environ(), orders).count_rows()
    if rows != dict(manifest.rows):
        raise _is_damaged(manifest, "its tables do not have the rows that were counted when it was taken")
    if restored:
        restore_into_scratch(settings, manifest, folder, progress, stopped)
        return "restored"
    return "listed"


def restore_into_scratch(
    settings: Settings,
    manifest: Manifest,
    folder: Path,
    progress: BackupProgress,
    stopped: Callable[[], bool] = NOT_STOPPED,
) -> None:
    """Restore a backup into a scratch database on the server of shadows, count its rows, and drop it again.

    Of a backup of some tables the rows are loaded as text, as they are to put lost data back: it lacks their types.

    Args:
        settings: what is in force.
        manifest: what stands beside it.
        folder: its folder.
        progress: told what happens.
        stopped: asked again and again whether to end.

    Raises:
        BackupError: a table does not come back with all of its rows, or there is no such server.
        ShadowUnavailable: there is none, with the reason.
    """
    major = int(manifest.server_version.split(".")[0])
    progress.note(f"Restoring {manifest.backup.id} into a scratch database")
    server = provision(settings, major)
    try:
        url = server.start().opened()
        with _scratch(url, manifest.database.encoding) as scratch:
            if manifest.backup.tables is not None:
                archive = archive_in(folder, manifest.client, _environ(), Orders({}, stopped=stopped))
                if (loaded := load_as_text(scratch, archive, manifest.rows)) != dict(manifest.rows):
                    missing = next(name for name in manifest.rows if loaded.get(name) != manifest.rows[name])
                    raise BackupError(f"Table {missing} does not come back with all of its rows.", cure=SCRATCH_CURE)
                return
            environ = _environ() | ({"PGPASSWORD": scratch.parameters["password"]} if scratch.secrets else {})
            program = find_program("pg_restore", manifest.client)
            address = scratch.with_parameters(password="", sslpassword="").dsn()
            argv: list[str | bytes | Path] = [program.path, *LEFT_OUT, f"--jobs={settings.backup.jobs}"]
            argv += ["--no-password", f"--dbname={address}", folder / ARCHIVE]
            orders = Orders(environ, stopped=stopped, what="restoring it into a scratch database")
            failure: BackupError | None = None
            try:
                run_program(argv, orders)
            except BackupError as error:
                if stopped() or not any("errors ignored on restore" in line for line in orders.said):
                    raise
                failure = error  # what it is about, the rows tell
            compare_rows(scratch, manifest.rows, failure)
    finally:
        server.close()


@contextlib.contextmanager
def _scratch(url: DatabaseUrl, encoding: str) -> Iterator[DatabaseUrl]:
    try:
        connection = psycopg2.connect(url.with_parameters(connect_timeout="15").dsn(), application_name="erm backup")
    except psycopg2.Error as error:
        raise BackupError(
            f"The server for scratch databases cannot be reached: {first_line(error)}", cure="Look at `shadow.url`."
        ) from None
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            name = held_name(cursor, secrets.token_hex(6))
            options: dict[str, str | int] = {"ENCODING": encoding, "LC_COLLATE": "C", "LC_CTYPE": "C"}
            if connection.server_version >= PROVIDERS_SINCE:
                options["LOCALE_PROVIDER"] = "libc"
            create_database(cursor, name, options=options)
            try:
                yield url.with_parameters(dbname=name)
            finally:
                drop_database(cursor, name)
    except psycopg2.Error as error:
        raise BackupError(
            f"The server for scratch databases refuses: {first_line(error)}",
            cure="Look at `shadow.url`, and at the rights of its role: it needs CREATEDB.",
        ) from None
    finally:
        connection.close()


def compare_rows(url: DatabaseUrl, rows: Mapping[str, int], failure: BackupError | None) -> None:
    """Count the rows of tables in a database that a backup was restored into.

    Args:
        url: the database.
        rows: how many each table is to have.
        failure: what pg_restore objected to meanwhile, which may be why.

    Raises:
        BackupError: a table is not there, or has other rows.
    """
    why = "" if failure is None else f" {failure.what}"
    with contextlib.closing(psycopg2.connect(url.dsn(), application_name="erm backup")) as connection:
        connection.set_client_encoding("UTF8")  # in which names are quoted, whatever the database has
        for table, expected in rows.items():
            try:
                with connection.cursor() as cursor:
                    cursor.execute(sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(*name_parts(table))))
                    row = cursor.fetchone()
                connection.rollback()
                found = row[0] if row is not None else 0
            except psycopg2.Error:
                connection.rollback()
                raise BackupError(f"Table {table} does not come back.{why}", cure=SCRATCH_CURE) from None
            if found != expected:
                raise BackupError(
                    f"Table {table} comes back with {found} rows of {expected}.{why}",
                    cure=SCRATCH_CURE,
                )


SCRATCH_CURE = "Give the shadow's server what it lacks (`shadow.url`), such as the target's extensions."


def compare_files(
    manifest: Manifest, folder: Path, stopped: Callable[[], bool] = NOT_STOPPED, checksum: str | None = None
) -> None:
    """Whether the files of a backup are what they were when it was taken.

    Args:
        manifest: what stands beside it.
        folder: its folder.
        stopped: asked again and again whether to end.
        checksum: what the ledger has as its checksum; None where the ledger does not know it.

    Raises:
        BackupDamaged: they are not.
        BackupError: one cannot be read.
    """
    found = {each.path: each for each in file_sums(folder, stopped)}
    for expected in manifest.files:
        actual = found.pop(expected.path, None)
        if actual == expected:
            continue
        if actual is None:
            _refuse_unreadable(folder / expected.path)
        what = "is missing" if actual is None else "has other bytes than when it was written"
        raise _is_damaged(manifest, f"{expected.path} {what}")
    if found:
        raise _is_damaged(manifest, f"{next(iter(found))} was not there when it was written")
    if checksum is not None and checksum != checksum_of(manifest.files):
        raise _is_damaged(manifest, "the ledger has another checksum of it: its files and its manifest were changed")


def _refuse_unreadable(path: Path) -> None:
    """A file that cannot be looked at is not one that is missing: a folder above it may be closed to this user."""
    try:
        path.open("rb").close()
    except FileNotFoundError:
        return
    except OSError as error:
        raise BackupError(
            f"{path} cannot be read: {error.strerror}.",
            effect=UNTOLD,
            cure="Run it as a user that may read the folder of the backups.",
        ) from error


@contextlib.contextmanager
def _untold(manifest: Manifest) -> Iterator[None]:
    """What a program fails for says nothing of the backup: its files are known to have their checksums by now."""
    try:
        yield
    except BackupError as error:
        error.effect = UNTOLD
        raise


def _is_damaged(manifest: Manifest, why: str) -> BackupDamaged:
    return BackupDamaged(
        f"Backup {manifest.backup.id} is damaged: {why}.",
        effect="It does not count as a backup any more.",
        cure=f"Take another one: erm backup{env_option(manifest.backup.environment)}",
    )


def _environ() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("ERM_DATABASE_URL", "PGPASSWORD")}
    return kept | {"LC_ALL": "C"}
