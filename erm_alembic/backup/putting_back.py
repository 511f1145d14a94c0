"""Put lost data back from a backup: the columns of rows that are still there, and rows that are not there any more.

It is done in one transaction and under the deploy lock, or only tried: what is said then was counted by doing all of it
but the writing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.backup.archive import Archive
from erm_alembic.backup.connection import address_of
from erm_alembic.backup.dumping import archive_in
from erm_alembic.backup.manifest import Manifest
from erm_alembic.backup.process import Orders
from erm_alembic.backup.progress import BackupProgress
from erm_alembic.backup.staging import Staged
from erm_alembic.backup.verifying import compare_files
from erm_alembic.backup.wanted_data import WantedTable, wanted_tables
from erm_alembic.errors import BackupError, ErmError, Interrupted
from erm_alembic.execute.endings.failure import describe_failure
from erm_alembic.execute.provenance import git_commit
from erm_alembic.execute.under_lock import create_ledger
from erm_alembic.ledger.store import Ledger, open_ledger
from erm_alembic.postgres.backup_facts import KeptTable, kept_table, raise_sequence, references_among
from erm_alembic.postgres.deploy_lock import acquire_deploy_lock
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.signals import SignalWatch, Stopped, cancel_on_signal
from erm_alembic.postgres.text.words import name_parts, written_name
from erm_alembic.target import Target

__all__ = ["PutBack", "PutBackTable", "put_back_lost"]

NOTHING = "Nothing was changed."
SETTINGS = (
    "SET LOCAL row_security = off; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres';"
    " SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex'"
)


@dataclass(frozen=True)
class PutBackTable:
    """What was, or would be, put back into one table.

    Args:
        table: its name with its schema, quoted where it must be.
        columns: the columns whose values come back.
        in_backup: how many rows the backup has.
        set: how many rows get a value back.
        left: how many rows hold another value there by now, which stays; they were written since.
        inserted: how many rows come back whole.
        gone: how many rows of the backup are not there any more, and stay away.
        new: how many rows have come since, of which the backup knows nothing.
        changed: how many rows differ in other columns: they were changed since.
        triggers: how many triggers of the table may fire.
    """

    table: str
    columns: tuple[str, ...]
    in_backup: int
    set: int
    left: int
    inserted: int
    gone: int
    new: int
    changed: int
    triggers: int


@dataclass(frozen=True)
class PutBack:
    """What was, or would be, put back.

    Args:
        backup: the backup's id.
        really: whether it was done.
        tables: table by table.
        notes: what cannot be put back, and what is to be known.
        run_id: the run in the ledger; None where nothing was done.
    """

    backup: str
    really: bool
    tables: tuple[PutBackTable, ...]
    notes: tuple[str, ...] = ()
    run_id: int | None = None


def put_back_lost(
    target: Target,
    manifest: Manifest,
    folder: Path,
    names: Sequence[str],
    *,
    lost: bool,
    overwrite: bool,
    really: bool,
    wait: float | None,
    progress: BackupProgress,
    checksum: str | None,
) -> PutBack:
    """Put lost data back, or say what would be done.

    Args:
        target: the database.
        manifest: what stands beside the backup.
        folder: its folder.
        names: tables and columns that are named.
        lost: whether what the guarded run was to lose is meant too.
        overwrite: whether values that stand there now give way.
        really: whether it is done.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        progress: told what happens.
        checksum: what the ledger has as the backup's checksum.

    Raises:
        BackupError: it cannot be put back; nothing was changed.
        LockNotHad: somebody deploys.
        Interrupted: a signal arrived; nothing was changed.
    """
    if manifest.backup.method != "pg_dump":
        raise BackupError(
            f"{manifest.backup.id} was taken by {manifest.backup.method}: its rows cannot be read from it.",
            effect=NOTHING,
            cure="Bring it back beside the database first; data is put back from backups of pg_dump.",
        )
    wanted, notes = wanted_tables(manifest, names, lost=lost)
    progress.note(f"Comparing the checksums of {manifest.backup.id}")
    compare_files(manifest, folder, checksum=checksum)
    try:
        with cancel_on_signal() as watch, contextlib.closing(target.connect("erm restore")) as raw:
            watch.remember(raw)
            raw.set_client_encoding("UTF8")  # in which names are quoted, whatever the database has
            archive = archive_in(
                folder,
                manifest.client,
                address_of(target).environ,
                Orders({}, stopped=lambda: watch.received is not None),
            )
            work = _Work(target, manifest, archive, wanted, notes, overwrite, progress)
            return work.run(raw, watch, wait) if really else work.rehearse(raw)
    except Stopped as stopped:
        raise Interrupted(
            f"Interrupted by {stopped} while data was put back.",
            signal_number=stopped.signal_number,
            effect=NOTHING,
            cure="Run the command again.",
        ) from stopped
    except BackupError as error:
        error.effect = error.effect or NOTHING
        raise


@dataclass(frozen=True)
class _Work:
    target: Target
    manifest: Manifest
    archive: Archive
    wanted: tuple[WantedTable, ...]
    notes: list[str]
    overwrite: bool
    progress: BackupProgress

    def rehearse(self, raw: GatedConnection) -> PutBack:
        """Do all of it but the writing."""
        raw.autocommit = True
        with self.target.reported():
            self.target.lift_session_limits(raw)
        try:
            with self._transaction(raw) as cursor:
                tables = self._all(cursor, really=False)
        finally:
            raw.rollback()
        return PutBack(self.manifest.backup.id, False, tables, tuple(self.notes))

    def run(self, raw: GatedConnection, watch: SignalWatch, wait: float | None) -> PutBack:
        """Do it, under the deploy lock, and write it into the ledger."""
        raw.autocommit = True
        patience = self.target.settings.execution.deploy_lock_wait.total_seconds() if wait is None else wait
        with self.target.reported(), open_ledger(self.target) as ledger:
            self.target.lift_session_limits(raw)
            acquire_deploy_lock(raw, patience, self.progress.note)
            create_ledger(self.target, ledger, accept_environment=False)
            run_id = self._number(ledger, raw)
            failure = "stopped"
            done: tuple[PutBackTable, ...] | None = None
            try:
                with self._transaction(raw) as cursor:
                    tables = self._all(cursor, really=True)
                    watch.check()
                with watch.held():
                    raw.commit()
                    done = tables
            except ErmError as error:
                failure = error.what
                raise
            finally:
                with watch.held():
                    if done is None:
                        with contextlib.suppress(psycopg2.Error):
                            raw.rollback()
                    ledger.finish_run(run_id, "done" if done is not None else "failed", None if done else failure)
        return PutBack(self.manifest.backup.id, True, tables, tuple(self.notes), run_id)

    def _number(self, ledger: Ledger, raw: GatedConnection) -> int:
        return ledger.start_run(
            mode="restore",
            environment=self.target.settings.environment,
            role=self.target.role,
            backend_pid=raw.info.backend_pid,
            git_commit=git_commit(self.target.settings.project_dir),
            overrides=[("restore", f"lost data from {self.manifest.backup.id}")],
        )

    @contextlib.contextmanager
    def _transaction(self, raw: GatedConnection) -> Iterator[Any]:
        """A cursor of a transaction that acts as the migrations' role; what the server objects becomes words."""
        execution = self.target.settings.execution
        self.target.set_role(raw)
        raw.autocommit = False
        try:
            with raw.cursor(cursor_factory=PlainCursor) as cursor:
                cursor.execute(SETTINGS)
                for name in ("lock_timeout", "statement_timeout"):
                    milliseconds = round(getattr(execution, name).total_seconds() * 1000)
                    cursor.execute(sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(milliseconds)))
                yield cursor
        except psycopg2.Error as error:
            raise BackupError(
                f"The data cannot be put back: {describe_failure(error)}", effect=NOTHING, cure=_cure(error)
            ) from error

    def _all(self, cursor: Any, *, really: bool) -> tuple[PutBackTable, ...]:
        now = _referred_first(cursor, [(wanted, self._looked_at(cursor, wanted)) for wanted in self.wanted])
        staged = [
            Staged(cursor, number, wanted, table, self._stored(wanted.table))
            for number, (wanted, table) in enumerate(now)
        ]
        homes: dict[str, list[Staged]] = {}
        for (wanted, table), each in zip(now, staged, strict=True):
            for source in self._sources(wanted, table):
                homes.setdefault(source, []).append(each)
        self.progress.note(f"Reading {len(homes)} tables of {self.manifest.backup.id}")
        for rows in self.archive.rows_of(list(homes)):
            first, *others = homes[rows.table]
            if others:
                raise BackupError(f"{rows.table} is wanted twice.", effect=NOTHING, cure="Name the table once.")
            first.load(rows)
        return tuple(
            self._one(cursor, wanted, table, each, really) for (wanted, table), each in zip(now, staged, strict=True)
        )

    def _one(self, cursor: Any, wanted: WantedTable, now: KeptTable, staged: Staged, really: bool) -> PutBackTable:
        staged.loaded()
        counts = staged.counts(overwrite=self.overwrite)
        values, inserted = counts.to_set, counts.gone if wanted.rows else 0
        if really:
            values = staged.set_values(overwrite=self.overwrite)
            inserted = staged.insert_missing() if wanted.rows else 0
            for sequence, column in staged.sequences():
                raise_sequence(
                    cursor, sequence, staged.table.as_string(cursor), sql.Identifier(column).as_string(cursor)
                )
        return PutBackTable(
            table=wanted.table,
            columns=tuple(wanted.columns),
            in_backup=counts.in_backup,
            set=values,
            left=counts.left,
            inserted=inserted,
            gone=counts.gone - inserted,
            new=counts.new,
            changed=counts.changed,
            triggers=now.triggers,
        )

    def _stored(self, table: str) -> dict[str, str]:
        return dict(self.manifest.columns[table])

    def _sources(self, wanted: WantedTable, now: KeptTable) -> tuple[str, ...]:
        """The tables of the archive that have the rows."""
        parts = self.manifest.parts.get(wanted.table, ())
        return (wanted.table, *parts) if now.kind == "p" or wanted.table not in self.manifest.rows else (wanted.table,)

    def _looked_at(self, cursor: Any, wanted: WantedTable) -> KeptTable:
        """The table as it is now, able to take what is wanted."""
        if wanted.table not in self.manifest.columns:
            raise BackupError(f"{self.manifest.backup.id} does not have {wanted.table}.", effect=NOTHING, cure=LIST)
        schema, name = name_parts(wanted.table)
        found = kept_table(cursor, schema, name)
        if found is None:
            raise BackupError(
                f"There is no table {wanted.table} now that its data could go back to.",
                effect=NOTHING,
                cure="Bring it back first: roll back the revision that has dropped or renamed it.",
            )
        for column in list(wanted.columns):
            if column not in found.columns:
                raise BackupError(
                    f"There is no column {written_name([*name_parts(wanted.table), column])} now that its values could "
                    "go back to.",
                    effect=NOTHING,
                    cure="Bring it back first: roll back the revision that has dropped or renamed it, or apply the one "
                    "that makes it.",
                )
            if found.columns[column].generated:
                wanted.columns.remove(column)
                self.notes.append(
                    f"{written_name([*name_parts(wanted.table), column])} is computed from other columns."
                )
        self._refuse_without_key(cursor, wanted, found)
        return found

    def _refuse_without_key(self, cursor: Any, wanted: WantedTable, now: KeptTable) -> None:
        known = self.manifest.columns[wanted.table]
        if now.key and all(name in known for name in now.key) and not set(now.key) & set(wanted.columns):
            return
        if not now.key and not wanted.columns:
            cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(*name_parts(wanted.table))))
            if not cursor.fetchone()[0]:
                return  # an empty table takes all rows, whatever tells them apart
        if not now.key:
            what = f"{wanted.table} has no primary key: nothing tells which row of the backup is which row of today."
        elif set(now.key) & set(wanted.columns):
            what = f"What is to be put back into {wanted.table} is its primary key itself: nothing else tells its rows."
        else:
            what = f"The primary key of {wanted.table} was another one when the backup was taken."
        raise BackupError(
            what,
            effect=NOTHING,
            cure=f"Bring the backup back beside the database (erm restore --to {self.manifest.backup.id}), and copy by "
            "hand what you can tell.",
        )


def _referred_first(cursor: Any, found: list[tuple[WantedTable, KeptTable]]) -> list[tuple[WantedTable, KeptTable]]:
    """Tables in an order in which rows find those that they refer to; in a circle there is none."""
    pairs = references_among(cursor, [now.oid for _, now in found])
    ordered: list[tuple[WantedTable, KeptTable]] = []
    while found:
        waiting = {child for child, parent in pairs if parent in {now.oid for _, now in found}}
        free = [each for each in found if each[1].oid not in waiting] or found
        ordered += free
        found = [each for each in found if each not in free]
    return ordered


LIST = "`erm backup list` shows which tables each backup has."


def _cure(error: psycopg2.Error) -> str:
    code = error.pgcode or ""
    if code.startswith("55P03"):
        return "Somebody holds rows or the table locked: try again, or raise `execution.lock_timeout`."
    if code.startswith("23"):
        return "Rows that it refers to are gone, or something else holds its place: bring the backup back beside it."
    if code.startswith("22"):
        return "A value of the backup does not fit its column any more: widen the column first."
    if code.startswith("42501"):
        return (
            "Let `migrations.role` be a role that may write the table, and that row-level security does not hold for."
        )
    return "Look at what it says; the backup itself can be brought back beside the database."
