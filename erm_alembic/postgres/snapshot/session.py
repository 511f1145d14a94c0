"""One reading of the catalog: the same moment for all of it, and texts that do not depend on the session's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from erm_alembic.postgres.reading import LOCK_TIMEOUT

__all__ = ["steady_session"]

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
