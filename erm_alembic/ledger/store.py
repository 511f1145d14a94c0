"""Read and write the ledger's tables through a plain psycopg2 connection."""

from __future__ import annotations

import contextlib
import getpass
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg2
from psycopg2 import errors as pg
from psycopg2 import sql

from erm_alembic.ledger.approved_runs import ApprovedRun, read_approved_runs
from erm_alembic.ledger.backups import RunGuard, read_guards
from erm_alembic.ledger.encoding import beside_placeholders, fitted, unpacked
from erm_alembic.ledger.hooks import HookRecord, insert_hook, read_hooks
from erm_alembic.ledger.model import AppliedSource, RevisionRecord, RunRecord
from erm_alembic.ledger.progress import (
    HalfDone,
    drop_statement,
    finish_statement,
    forget_statement,
    insert_statement,
    read_half_done,
)
from erm_alembic.ledger.refusals import locked, may_not_use
from erm_alembic.ledger.run_statements import CLOSE_RUNS, START_RUN
from erm_alembic.ledger.tables import TABLES, create_tables, present_tables
from erm_alembic.postgres.deploy_lock import Holder, lock_holder
from erm_alembic.postgres.reach import cut_off, cut_off_after
from erm_alembic.target import Target
from erm_alembic.version import __version__

__all__ = ["Ledger", "open_ledger"]

# Its tables are nobody else's: whoever holds them up does so by mistake, and is named.
LOCK_TIMEOUT = "10s"


class Ledger:
    """The ledger of one database.

    Args:
        connection: a psycopg2 connection; every method is one transaction of its own unless it is told otherwise.
        schema: the schema that holds the tables.

    `scope` is the version table that a run is about, once env.py has named it: half-done revisions are those of it.
    """

    def __init__(self, connection: Any, schema: str) -> None:
        self.scope: str | None = None
        self._connection = connection
        self._schema = schema
        self._known_tables: frozenset[str] = frozenset()

    @property
    def connection(self) -> Any:
        """The psycopg2 connection, for what else has to look while a migration's own is waiting."""
        return self._connection

    @contextlib.contextmanager
    def answered_within(self, seconds: float) -> Iterator[None]:
        """Give the connection up when the block has not ended in time: the network may let nothing through any more.

        Args:
            seconds: how long the block may take.
        """
        with cut_off_after(self._connection, seconds):
            yield

    def cut_off(self) -> None:
        """Give the connection up, from whichever thread: whoever waits for its answer fails at once."""
        cut_off(self._connection)

    def exists(self) -> bool:
        """Whether anything was ever deployed through erm."""
        return "revision" in self._tables()

    def _tables(self) -> frozenset[str]:
        """Those of its tables that the database has; a ledger that an older erm made lacks the newer ones."""
        if len(self._known_tables) < len(TABLES):
            self._known_tables = present_tables(self._connection, self._schema)
        return self._known_tables

    def create(self) -> None:
        """Create the schema and its tables where they are missing.

        Raises:
            TargetError: the role may not create them, with the grant that lets it.
        """
        if len(self._tables()) < len(TABLES):
            create_tables(self._connection, self._schema)
            self._known_tables = frozenset(TABLES)

    def table(self, name: str) -> sql.Composable:
        """A table of the ledger, as a part of a statement with placeholders.

        Args:
            name: the table.
        """
        return sql.SQL("{}.{}").format(self._placed(), sql.Identifier(name))

    def close_runs_without_end(self) -> None:
        """Write that such runs died; call it with the deploy lock held."""
        self._select(CLOSE_RUNS)

    def environments(self) -> frozenset[str]:
        """The environments under which this database was deployed."""
        if not self.exists():
            return frozenset()
        return frozenset(row[0] for row in self._select("SELECT DISTINCT environment FROM {schema}.run"))

    def start_run(
        self,
        *,
        mode: str,
        environment: str,
        role: str,
        backend_pid: int,
        git_commit: str | None,
        overrides: Sequence[tuple[str, str]],
    ) -> int:
        """Write that a run starts, under the deploy lock: one that has no end by now will never write its own.

        Args:
            mode: `apply`, `rollback` or `repair`.
            environment: the profile.
            role: the database role.
            backend_pid: the server process of the migration's connection.
            git_commit: the project's commit.
            overrides: the rules that were let pass, each with its reason.

        Returns:
            The run's number.
        """
        rows = self._select(
            START_RUN,
            [
                mode,
                environment,
                f"{_user()} ({role})",
                socket.gethostname(),
                backend_pid,
                __version__,
                git_commit,
                [f"{rule}: {reason}" for rule, reason in overrides],
            ],
        )
        return int(rows[0][0])

    def finish_run(
        self, run_id: int, outcome: str, error: str | None = None, failed_revision: Sequence[Any] | None = None
    ) -> None:
        """Write how a run ended, once: a second try, after an answer that was lost on the way, changes nothing.

        Args:
            run_id: the run.
            outcome: `done`, `failed` or `interrupted`.
            error: what failed.
            failed_revision: the row of the revision that failed, whose own transaction is gone.
        """
        ending = sql.SQL(
            "UPDATE {schema}.run SET finished_at = clock_timestamp(), outcome = %s, error = %s"
            " WHERE id = %s AND finished_at IS NULL"
        ).format(schema=self._placed())
        with self._connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                cursor.execute(ending, fitted([outcome, error, run_id], self._connection))
                if cursor.rowcount and failed_revision is not None:
                    cursor.execute(self.revision_insert(), fitted(failed_revision, self._connection))
                cursor.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(psycopg2.Error):
                    cursor.execute("ROLLBACK")
                raise

    def revision_insert(self) -> sql.Composed:
        """The statement that writes one revision, for the migration's own transaction: both are there, or none."""
        return sql.SQL(
            "INSERT INTO {schema}.revision (run_id, revision, message, direction, started_at, duration_ms,"
            " statements, path, source, source_hash, outcome, error)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        ).format(schema=self._placed())

    def half_done(self) -> tuple[HalfDone, ...]:
        """The revisions of which a part is committed although they are not recorded as done, latest first."""
        if "progress" not in self._tables():
            return ()
        with self._cursor() as cursor:
            return read_half_done(cursor, self._placed(), self.scope)

    def progress_insert(self) -> sql.Composed:
        """`insert_statement` of this ledger, for the migration's own transaction."""
        return insert_statement(self._placed(), self._scoped())

    def progress_delete(self) -> sql.Composed:
        """`forget_statement` of this ledger, for the migration's own transaction."""
        return forget_statement(self._placed(), self._scoped())

    def progress_finish(self) -> sql.Composed:
        """`finish_statement` of this ledger, for the migration's own connection."""
        return finish_statement(self._placed(), self._scoped())

    def progress_drop(self) -> sql.Composed:
        """`drop_statement` of this ledger, for the migration's own connection."""
        return drop_statement(self._placed(), self._scoped())

    def _scoped(self) -> sql.Composable:
        """The version table's name as a literal of a statement with placeholders."""
        return beside_placeholders(sql.Literal(self.scope or ""), self._connection)

    def forget_progress(self, revision: str, direction: str) -> None:
        """Forget how far a revision came; what it did to the database stays.

        Args:
            revision: its id.
            direction: `upgrade` or `downgrade`.
        """
        if "progress" not in self._tables():
            return
        with self._cursor() as cursor:
            cursor.execute(self.progress_delete(), [revision, direction])

    def runs(self, limit: int | None = None, *, sources: bool = False) -> tuple[RunRecord, ...]:
        """The runs, latest first, each with its revisions.

        Args:
            limit: how many; None means all.
            sources: whether the text of each revision's file is read too.
        """
        if not self.exists():
            return ()
        runs = self._select(
            "SELECT id, started_at, finished_at, mode, environment, who, host, erm_version, git_commit, outcome,"
            " error, overrides, backend_pid FROM {schema}.run ORDER BY id DESC LIMIT %s",
            [limit],
        )
        run_ids = [row[0] for row in runs]
        revisions, hooks = self._revisions_of(run_ids, sources), self._hooks_of(run_ids)
        approved, backups = self._approved(run_ids), self._guards_of(run_ids)
        return tuple(
            replace(
                _as_run(row, revisions.get(row[0], [])),
                hooks=hooks.get(row[0], ()),
                approved=approved.get(row[0]),
                backups=backups.get(row[0], ()),
            )
            for row in runs
        )

    def deployer(self) -> Holder | None:
        """Who holds the deploy lock of this database; None when nobody deploys."""
        with self._connection.cursor() as cursor:
            return lock_holder(cursor)

    def _hooks_of(self, run_ids: list[int]) -> dict[int, tuple[HookRecord, ...]]:
        if "hook" not in self._tables():
            return {}
        with self._cursor() as cursor:
            return read_hooks(cursor, self._placed(), run_ids)

    def _guards_of(self, run_ids: list[int]) -> dict[int, tuple[RunGuard, ...]]:
        if "guard" not in self._tables():
            return {}
        with self._cursor():
            return read_guards(self._connection, self.table("guard"), self.table("backup"), run_ids)

    def _approved(self, run_ids: list[int]) -> dict[int, ApprovedRun]:
        if "approval" not in self._tables():
            return {}
        with self._cursor() as cursor:
            return read_approved_runs(cursor, self._placed(), run_ids)

    def add_hook(self, run_id: int, hook: HookRecord) -> None:
        """Write how a command of the team's own ended.

        Args:
            run_id: the run that it belongs to.
            hook: the command, its ending and its output.
        """
        with self._connection.cursor() as cursor:
            cursor.execute(insert_hook(self._placed()), fitted(hook.values(run_id), self._connection))

    def _revisions_of(self, run_ids: list[int], sources: bool) -> dict[int, list[RevisionRecord]]:
        rows = self._select(
            "SELECT run_id, revision, message, direction, started_at, duration_ms, statements, source_hash,"
            " outcome, error, path, CASE WHEN %s THEN source END FROM {schema}.revision"
            " WHERE run_id = ANY(%s) ORDER BY id",
            [sources, run_ids],
        )
        found: dict[int, list[RevisionRecord]] = {}
        for run_id, *values, source in rows:
            record = replace(RevisionRecord(*values), source=None if source is None else unpacked(source))
            found.setdefault(run_id, []).append(record)
        return found

    def applied_sources(self, revisions: Iterable[str] | None = None) -> dict[str, AppliedSource]:
        """Each revision's file as it was when it was last applied, by revision id.

        Args:
            revisions: only these; None means all.
        """
        if not self.exists():
            return {}
        wanted = None if revisions is None else list(revisions)
        rows = self._select(
            "SELECT DISTINCT ON (revision) revision, path, source, source_hash FROM {schema}.revision"
            " WHERE direction = 'upgrade' AND outcome = 'done' AND (%s::text[] IS NULL OR revision = ANY(%s))"
            " ORDER BY revision, id DESC",
            [wanted, wanted],
        )
        return {row[0]: AppliedSource(row[0], row[1], unpacked(row[2]), row[3]) for row in rows}

    def applied_hashes(self) -> dict[str, str]:
        """SHA-256 of each revision's source as it was when it was last applied, by revision id."""
        if not self.exists():
            return {}
        return dict(
            self._select(
                "SELECT revision, source_hash FROM {schema}.revision"
                " WHERE direction = 'upgrade' AND outcome = 'done' ORDER BY id"
            )
        )

    def applied_order(self) -> dict[str, int]:
        """A number a revision that grows with the time at which it was last applied."""
        if not self.exists():
            return {}
        rows = self._select(
            "SELECT revision, max(id) FROM {schema}.revision"
            " WHERE direction = 'upgrade' AND outcome = 'done' GROUP BY revision"
        )
        return {row[0]: row[1] for row in rows}

    def _select(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._cursor() as cursor:
            cursor.execute(sql.SQL(text).format(schema=self._placed()), fitted(parameters, self._connection))
            return list(cursor.fetchall())

    def _placed(self) -> sql.Composable:
        """The schema's name in a statement with placeholders."""
        return beside_placeholders(sql.Identifier(self._schema), self._connection)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        """A cursor of the ledger; what the role may not do is told with the grant that lets it."""
        try:
            with self._connection.cursor() as cursor:
                yield cursor
        except pg.InsufficientPrivilege as error:
            raise may_not_use(self._connection, self._schema, error) from error


def _as_run(row: tuple[Any, ...], revisions: list[RevisionRecord]) -> RunRecord:
    run = RunRecord(*row[:11])
    return replace(run, revisions=tuple(revisions), overrides=tuple(row[11]), backend_pid=row[12])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@contextlib.contextmanager
def open_ledger(target: Target) -> Iterator[Ledger]:
    """The target's ledger on a connection of its own, so that a failed migration cannot take its own record with it.

    Args:
        target: the database.

    Raises:
        TargetError: the database cannot be reached.
    """
    connection = target.connect("erm ledger")
    connection.autocommit = True
    try:
        target.lift_session_limits(connection, lock_timeout=LOCK_TIMEOUT)
        if target.login_ends:
            # A login that may not act as the role only reads: what it were to write is refused then.
            with contextlib.suppress(pg.InsufficientPrivilege):
                target.set_role(connection)
        yield Ledger(connection, target.settings.ledger.schema)
    except pg.LockNotAvailable as error:
        if error.cursor is None or error.cursor.connection is not connection:
            raise
        raise locked(connection, target.settings.ledger.schema) from error
    finally:
        connection.close()
