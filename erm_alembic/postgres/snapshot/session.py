"""One reading of the catalog: the same moment for all of it, and texts that do not depend on the session's settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from psycopg2 import errors as pg
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from erm_alembic.errors import TargetError
from erm_alembic.postgres.reading import LOCK_TIMEOUT

__all__ = ["VanishedError", "read_steadily", "steady_session"]

# For one transaction or subtransaction. With pg_temp named last, a temporary table hides nothing, and every name but
# those of pg_catalog comes with its schema.
SETTINGS = {
    "search_path": "pg_catalog, pg_temp",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    # The definition of a view locks what it is on.
    "lock_timeout": LOCK_TIMEOUT,
    "statement_timeout": "5min",
    # A plan for so many rows would be compiled, which takes longer than to run it.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "64MB",
}
APPLY = "; ".join(
    f"SET LOCAL {name} = {value if name == 'search_path' else repr(value)}" for name, value in SETTINGS.items()
)


# What a reader meets when an object is dropped between its row and its definition.
VANISHED = (pg.InternalError_, pg.UndefinedTable, pg.UndefinedObject, pg.UndefinedColumn, pg.UndefinedFunction)
ATTEMPTS = 10

T = TypeVar("T")


class VanishedError(Exception):
    """An object was there, and its definition was not."""


def read_steadily(cursor: Any, read: Callable[[], T]) -> T:
    """Read the catalog in a steady session; once more where somebody changed it in the middle.

    Args:
        cursor: a psycopg2 cursor.
        read: reads through that cursor; it may be called several times.

    Raises:
        TargetError: the catalog changes all the time, somebody locks what a definition is about, or the role may not
            read it.
    """
    for _ in range(ATTEMPTS):
        try:
            with steady_session(cursor):
                return read()
        except (VanishedError, *VANISHED):
            continue
        except pg.LockNotAvailable as error:
            raise TargetError(
                f"The catalog could not be read within {LOCK_TIMEOUT}: somebody holds an exclusive lock on a table "
                "that a view, a default or a function is about.",
                effect="Nothing was changed; nothing was compared.",
                cure="Try again when that transaction has ended (pg_stat_activity shows it).",
            ) from error
        except pg.InsufficientPrivilege as error:
            raise TargetError(
                f"The catalog may not be read: {error.diag.message_primary}.",
                effect="Nothing was changed; nothing was compared.",
                cure="Connect as a role that may read pg_catalog; PostgreSQL lets everybody by default.",
            ) from error
    raise TargetError(
        "The catalog could not be read: somebody creates and drops objects all the time.",
        effect="Nothing was changed; nothing was compared.",
        cure="Try again when the other schema change is done.",
    )


@contextmanager
def steady_session(cursor: Any) -> Iterator[None]:
    """Have the session's settings, and the moment that it looks at, stand still for a block; then put them back.

    Where no transaction is open, the block is one that reads only what was committed when it began; otherwise it is a
    subtransaction of the caller's.

    Args:
        cursor: a psycopg2 cursor.
    """
    connection = cursor.connection
    if connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
        begin, end = "SAVEPOINT erm_snapshot", "ROLLBACK TO SAVEPOINT erm_snapshot; RELEASE SAVEPOINT erm_snapshot"
    elif connection.autocommit:
        begin, end = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", "ROLLBACK"
    else:  # the driver begins one itself
        begin, end = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "ROLLBACK"
    cursor.execute(f"{begin}; {APPLY}")
    try:
        yield
    finally:
        if not connection.closed:
            if end == "ROLLBACK" and not connection.autocommit:
                connection.rollback()
            else:
                cursor.execute(end)
