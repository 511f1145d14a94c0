"""The method `pg_dump`: one consistent snapshot of the database, or of some of its tables, as an archive.

Where tables are chosen they are named to pg_dump in quotes, so that nothing in a name is a pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from erm_alembic.backup.archive import Archive
from erm_alembic.backup.connection import Address, address_of
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

    def run(self, folder: Path, orders: Orders, progress: BackupProgress, encoding: str, total: int) -> Path:
        """Write the archive.

        Args:
            folder: where.
            orders: how the program is run; its environment is this one's own.
            progress: told each table.
            encoding: the database's encoding.
            total: how many tables there are.

        Returns:
            The archive.

        Raises:
            BackupError: it cannot be written, or the database cannot be read.
        """
        place, done = folder / ARCHIVE, 0

        def told(line: str) -> None:
            nonlocal done
            _, found, table = line.partition(TABLE_BEGINS)
            if found:
                progress.at(table.strip().strip('"'), done, total)
                done += 1

        argv: list[str | bytes | Path] = [self.program.path, "--verbose", "--no-password"]
        argv += [f"--lock-wait-timeout={LOCK_WAIT}", b"--file=" + bytes(place)]
        argv += (
            ["--format=directory", f"--jobs={self._settings.jobs}"] if self._settings.jobs > 1 else ["--format=custom"]
        )
        argv += [] if self._settings.compress is None else [f"--compress={self._settings.compress}"]
        role = self._target.settings.migrations.role
        argv += [] if role is None else [f"--role={role}"]
        environ = dict(self.address.environ)
        if self._tables is not None:
            argv += [f"--table={_pattern(table)}" for table in self._tables]
            # Names that are not ASCII come in this process's encoding.
            if not all(table.isascii() for table in self._tables) and encoding not in ("SQL_ASCII", "MULE_INTERNAL"):
                environ["PGCLIENTENCODING"] = "UTF8"
        argv.append(f"--dbname={self.address.dsn}")
        run_program(
            argv,
            Orders(environ, told, orders.stopped, orders.timeout, orders.held, orders.what),
        )
        return place

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


def _pattern(table: str) -> str:
    """A table's name as a pattern that is that name and nothing else."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name_parts(table))
