"""What to do about a failure, where erm knows it: by what the server said, and by what a statement waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import psycopg2
from psycopg2 import errors as pg
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.exc import DBAPIError

from erm_alembic.config.durations import format_duration
from erm_alembic.config.settings import ExecutionSettings
from erm_alembic.execute.watch import Refusal
from erm_alembic.wording import first_few

__all__ = ["Circumstances", "cure_of", "server_error"]

MOST_SESSIONS = 3
LOCKS_SETTING = "max_locks_per_transaction"
# What the server lacks, by SQLSTATE.
SHORTAGES = {
    "25006": "The database is read-only now: find out where, or when, it may be written",
    "53100": "Free space on the server's disk",
    "53200": "Give the server more memory",
    "53300": "Wait until connections are free, or raise max_connections",
    "53400": "Raise the limit of the server that the message names",
}


@dataclass(frozen=True)
class Circumstances:
    """What a failure happened in.

    Args:
        settings: the `execution` section in force.
        command: what is typed again, without its options.
        statement_timeout: how long its statements in a transaction may run; zero means as long as it takes.
        refusal: the statement that did not get its lock, where one did not.
    """

    settings: ExecutionSettings
    command: str
    statement_timeout: timedelta = timedelta(0)
    refusal: Refusal | None = None

    @property
    def again(self) -> str:
        """What to do when the cause is gone."""
        return f"run `{self.command}` again"


def cure_of(error: BaseException, around: Circumstances) -> str | None:
    """What to do about a failure; None where erm does not know.

    Args:
        error: what was raised while a revision ran.
        around: what it happened in.
    """
    cause = server_error(error)
    if cause is None:
        return None
    if isinstance(cause, (pg.LockNotAvailable, pg.DeadlockDetected)):
        return _lock(cause, around)
    if cause.pgcode in SHORTAGES:
        return _shortage(cause, around)
    for kind, cure in CURES:
        if isinstance(cause, kind):
            return cure(cause, around)
    if cause.pgcode is None and isinstance(cause, (psycopg2.OperationalError, psycopg2.InterfaceError)):
        return f"The connection was lost: {around.again} once the server can be reached."
    return None


def server_error(error: BaseException) -> psycopg2.Error | None:
    """What the server said, where that is what an error comes from."""
    seen: BaseException | None = error
    while seen is not None:
        cause = seen.orig if isinstance(seen, DBAPIError) else seen
        if isinstance(cause, psycopg2.Error):
            return cause
        seen = seen.__cause__
    return None


def _lock(cause: psycopg2.Error, around: Circumstances) -> str:
    refusal, settings = around.refusal, around.settings
    if refusal is not None and refusal.by_itself:
        return (
            "The revision waits for itself: it holds the lock through a second connection. Let all of it go through "
            "`op.get_bind()`, or commit there first."
        )
    if refusal is not None and refusal.outside:
        return (
            f"Outside a transaction a statement is not tried again: {around.again} once the lock is free; "
            "and do not set lock_timeout in the revision before a statement that says CONCURRENTLY."
        )
    patience = (
        f"have more patience: execution.lock_retries ({settings.lock_retries}) and execution.max_retry_delay "
        f"({format_duration(settings.max_retry_delay)}) in erm.yaml"
    )
    sessions = refusal.wait.blockers if refusal is not None and refusal.wait is not None else ()
    if not sessions or isinstance(cause, pg.DeadlockDetected):
        return f"{around.again[0].upper()}{around.again[1:]} when fewer sessions use the table; or {patience}."
    ending = " ".join(session.cure for session in sessions[:MOST_SESSIONS])
    whose = first_few([session.who for session in sessions], 1)
    return f"Let {whose} finish, or end it: {ending} Then {around.again}. Or {patience}."


def _shortage(cause: psycopg2.Error, around: Circumstances) -> str:
    if LOCKS_SETTING in (cause.diag.message_hint or ""):
        return (
            "Each table and index is a lock until the commit: split the revision, or raise "
            f"{LOCKS_SETTING} and restart the server; then {around.again}."
        )
    return f"{SHORTAGES[cause.pgcode or '']}; then {around.again}."


def _cancelled(_: psycopg2.Error, around: Circumstances) -> str:
    if around.statement_timeout:
        return (
            f"statement_timeout is {format_duration(around.statement_timeout)} for statements in a transaction: raise "
            f"execution.statement_timeout, or do less in one statement; then {around.again}."
        )
    if around.settings.concurrent_timeout:
        limit = format_duration(around.settings.concurrent_timeout)
        return f"Raise execution.concurrent_timeout ({limit}), or find out who cancelled it; then {around.again}."
    return f"Somebody cancelled the statement (pg_cancel_backend): find out who, then {around.again}."


def _not_allowed(_: psycopg2.Error, around: Circumstances) -> str:
    return (
        f"Let the object's owner grant the right, or set migrations.role to the role that owns it; then {around.again}."
    )


def _aborted(_: psycopg2.Error, around: Circumstances) -> str:
    return (
        "An earlier statement failed and the revision went on: in PostgreSQL, a transaction is over then. Put what may "
        "fail into `with op.get_bind().begin_nested():`, which makes a savepoint."
    )


def _not_in_a_transaction(_: psycopg2.Error, around: Circumstances) -> str:
    return "Run it outside the transaction: `with op.get_context().autocommit_block():`."


def _pending_events(_: psycopg2.Error, around: Circumstances) -> str:
    return (
        "Change the rows in one revision and the table in the next one; or `SET CONSTRAINTS ALL IMMEDIATE` between the "
        "two, where the events are those of deferred constraints."
    )


def _duplicates(cause: psycopg2.Error, around: Circumstances) -> str | None:
    table, columns = _table(cause), _key(cause)
    if table is None:
        return None
    if columns is None:
        return f"Rows of {table} have the same key: make them differ or remove them, then {around.again}."
    query = f"SELECT {columns}, count(*) FROM {table} GROUP BY {columns} HAVING count(*) > 1;"  # noqa: S608 - only shown
    return f"See which rows have the same key: {query} Make them differ or remove them, then {around.again}."


def _key(cause: psycopg2.Error) -> str | None:
    """The columns of a key, from the server's DETAIL; the values that stand behind them are left out."""
    _, opened, rest = (cause.diag.message_detail or "").partition("(")
    columns, closed, _ = rest.partition(")=(")
    return columns if opened and closed else None


def _nulls(cause: psycopg2.Error, around: Circumstances) -> str | None:
    table, column = _table(cause), cause.diag.column_name
    if table is None or column is None:
        return None
    name = _quoted(column)
    fill = f"UPDATE {table} SET {name} = ... WHERE {name} IS NULL"  # noqa: S608 - only shown
    return (
        f"Rows have no {name}. If this revision adds the column: add it nullable, fill it inside the revision "
        f"({fill}), then SET NOT NULL; or give it a DEFAULT (in Python: server_default). "
        f"If it was there before, fill it first; then {around.again}."
    )


def _violated(cause: psycopg2.Error, around: Circumstances) -> str | None:
    table, constraint = _table(cause), cause.diag.constraint_name
    if table is None or constraint is None:
        return None
    return (
        f"Rows of {table} do not satisfy {_quoted(constraint)}: correct them first; or add the constraint NOT VALID, "
        "and VALIDATE it in a later revision."
    )


def _table(cause: psycopg2.Error) -> str | None:
    schema, table = cause.diag.schema_name, cause.diag.table_name
    return f"{_quoted(schema)}.{_quoted(table)}" if schema and table else None


def _quoted(name: str) -> str:
    # In another style than psycopg2's, percent signs are not doubled: what is shown is typed into psql.
    dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy
    return dialect.identifier_preparer.quote(name)


def _is_there(_: psycopg2.Error, around: Circumstances) -> str:
    return (
        "It is there already: rename what the revision makes, or take that statement out of it. Where it was made by "
        "hand, IF NOT EXISTS lets it pass here and in a new database."
    )


def _is_not_there(_: psycopg2.Error, around: Circumstances) -> str:
    return (
        "Correct the name, or its schema (search_path); if another revision makes it, let this one build on that "
        f"(down_revision); then {around.again}."
    )


def _syntax(_: psycopg2.Error, around: Circumstances) -> str:
    return f"Correct the SQL at the place that the message names; then {around.again}."


def _ended(_: psycopg2.Error, around: Circumstances) -> str:
    return f"Somebody ended the session, or the server went down: {around.again} once it is up."


Cure = Callable[[psycopg2.Error, Circumstances], str | None]
CURES: tuple[tuple[type[psycopg2.Error], Cure], ...] = (
    (pg.QueryCanceled, _cancelled),
    (pg.InsufficientPrivilege, _not_allowed),
    (pg.InFailedSqlTransaction, _aborted),
    (pg.ActiveSqlTransaction, _not_in_a_transaction),
    (pg.ObjectInUse, _pending_events),
    (pg.UniqueViolation, _duplicates),
    (pg.NotNullViolation, _nulls),
    (pg.CheckViolation, _violated),
    (pg.ForeignKeyViolation, _violated),
    (pg.DuplicateColumn, _is_there),
    (pg.DuplicateTable, _is_there),
    (pg.DuplicateObject, _is_there),
    (pg.SyntaxError, _syntax),
    (pg.UndefinedTable, _is_not_there),
    (pg.UndefinedColumn, _is_not_there),
    (pg.UndefinedObject, _is_not_there),
    (pg.UndefinedFunction, _is_not_there),
    (pg.InvalidSchemaName, _is_not_there),
    (pg.AdminShutdown, _ended),
    (pg.CrashShutdown, _ended),
)
