"""The method `pg_dump`: one consistent snapshot of the database, or of some of its tables, as an archive.

Where tables are chosen they are named to pg_dump in quotes, so that nothing in a name is a pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from erm_alembic.backup.archive import Archive
from erm_alembic.backup.connection import Address, address_of
from erm_alembic.backup.contents import Contents
from erm_alembic.backup.process import Orders, run_program
from erm_alembic.backup.programs import Program, find_program
from erm_alembic.backup.progress import BackupProgress
from erm_alembic.config.settings import BackupSettings
from erm_alembic.errors import BackupError
from erm_alembic.postgres.text.words import name_parts
from erm_alembic.target import Target

__all__ = ["ARCHIVE", "Dump", "archive_in"]

ARCHIVE = "database.dump"
LOCK_WAIT = "60s"
# What the kernel takes as a command line, at least, and a program's environment too.
LONGEST_COMMAND = 500_000
COMPRESSES_OTHERWISE_SINCE = 16
CONVERTS_NOTHING = ("SQL_ASCII", "MULE_INTERNAL")
TABLE_BEGINS = "dumping contents of table "


class Dump:
    """One run of pg_dump.

    Args:
        target: the database.
        tables: the tables that are dumped, with their schema and quoted where they must be; None for all.
        settings: how.

    Raises:
        BackupError: there is no pg_dump that reads such a server, or not with that compression.
    """

    def __init__(self, target: Target, tables: Sequence[str] | None, settings: BackupSettings) -> None:
        self._target, self._tables, self._settings = target, tables, settings
        self.program: Program = find_program("pg_dump", target.major)
        self.address: Address = address_of(target)
        self._refuse_compression()

    def run(self, folder: Path, orders: Orders, progress: BackupProgress, contents: Contents) -> Path:
        """Write the archive.

        Args:
            folder: where.
            orders: how the program is run; its environment is this one's own.
            progress: told each table.
            contents: what the database has.

        Returns:
            The archive.

        Raises:
            BackupError: it cannot be written, or the database cannot be read.
        """
        place, done = folder / ARCHIVE, 0
        total = len([each for each in contents.tables if each.kind == "r"] if self._tables is None else self._tables)

        def told(line: str) -> None:
            nonlocal done
            _, found, table = line.partition(TABLE_BEGINS)
            if found:
                progress.at(table.strip().strip('"'), done, total)
                done += 1

        argv = [*self._how(place), *self._as_whom(contents, progress), *self._what(), f"--dbname={self.address.dsn}"]
        environ = self.address.environ | self._encoding(contents)
        run_program(argv, Orders(environ, told, orders.stopped, orders.timeout, orders.held, orders.what))
        return place

    def _how(self, place: Path) -> list[str | bytes | Path]:
        settings = self._settings
        argv: list[str | bytes | Path] = [self.program.path, "--verbose", "--no-password"]
        argv += [f"--lock-wait-timeout={LOCK_WAIT}", b"--file=" + bytes(place)]
        argv += ["--format=directory", f"--jobs={settings.jobs}"] if settings.jobs > 1 else ["--format=custom"]
        return argv + ([] if settings.compress is None else [f"--compress={settings.compress}"])

    def _as_whom(self, contents: Contents, progress: BackupProgress) -> list[str | bytes | Path]:
        role, ledger = self._target.settings.migrations.role, self._target.settings.ledger.schema
        as_role, without_ledger = contents.reader(self._tables, ledger)
        if role is None or not as_role:
            return []
        argv: list[str | bytes | Path] = [f"--role={role}"]
        if without_ledger:
            argv.append(f"--exclude-schema={_quoted(ledger)}")
            progress.note(f"The ledger is not in this backup: {role} may not read it.")
        return argv

    def _what(self) -> list[str | bytes | Path]:
        return [f"--table={'.'.join(map(_quoted, name_parts(table)))}" for table in self._tables or ()]

    def _encoding(self, contents: Contents) -> dict[str, str]:
        """Names that are not ASCII come in this process's encoding."""
        plain = all(table.isascii() for table in self._tables or ())
        return {} if plain or contents.database.encoding in CONVERTS_NOTHING else {"PGCLIENTENCODING": "UTF8"}

    def fits_command_line(self) -> bool:
        """Whether the tables can all be named."""
        return sum(len(table.encode()) + 24 for table in self._tables or ()) < LONGEST_COMMAND

    def _refuse_compression(self) -> None:
        wanted = self._settings.compress
        if wanted is None or wanted.isdigit() or self.program.major >= COMPRESSES_OTHERWISE_SINCE:
            return
        raise BackupError(
            f"backup.compress: {wanted} is understood by pg_dump of PostgreSQL {COMPRESSES_OTHERWISE_SINCE} and newer; "
            f"the one that is used is of PostgreSQL {self.program.major} ({self.program.path}).",
            effect="No backup was taken.",
            cure="Give a number from 0 to 9, or take `backup.compress` away.",
        )


def archive_in(folder: Path, client: int, environ: dict[str, str], orders: Orders) -> Archive:
    """The archive of a backup, with the pg_restore that reads it.

    Args:
        folder: the backup's folder.
        client: the major version of the pg_dump that wrote it.
        environ: the environment of that program.
        orders: tells whether it is to be ended.

    Raises:
        BackupError: there is no pg_restore that reads it.
    """
    return Archive(folder / ARCHIVE, find_program("pg_restore", client), environ, orders.stopped)


def _quoted(name: str) -> str:
    """A name as a pattern that is that name and nothing else."""
    return '"' + name.replace('"', '""') + '"'
