"""The lock under which one process at a time works on a preview, whatever database of the server it works from.

An advisory lock belongs to a database, and two profiles may have two databases on one server. So whoever has the lock
in its own database looks whether somebody has it in another one, and then gives it back and waits: of two that have it,
the later one sees the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2 import errors

__all__ = ["one_at_a_time"]

# "ermp": the first of the two numbers of the locks.
LOCK_CLASS = 0x65726D70
# In seconds. Two that have seen each other look again at different moments.
PAUSES = (0.1, 0.5)

ELSEWHERE = """
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks l
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = %s::oid
           AND l.objid = (%s::bigint & 4294967295)::oid
           AND l.database <> (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
"""
# In milliseconds; 0 is no limit.
LIMIT = "SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'"


@contextlib.contextmanager
def one_at_a_time(cursor: Any, name: str) -> Iterator[None]:
    """Let one process at a time work on a preview; the others wait. It ends with the session, however that ends.

    Args:
        cursor: of a session in autocommit mode.
        name: the preview.

    Raises:
        psycopg2.errors.LockNotAvailable: it was waited for as long as `lock_timeout` says.
    """
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big", signed=True)
    cursor.execute(LIMIT)
    (limit,) = cursor.fetchone()
    end = time.monotonic() + limit / 1000 if limit else None
    while not _had(cursor, number):
        if end is not None and time.monotonic() >= end:
            raise errors.LockNotAvailable(f"the preview {name} is worked on from another database")
        time.sleep(random.uniform(*PAUSES))
    try:
        yield
    finally:
        _give_back(cursor, number)


def _had(cursor: Any, number: int) -> bool:
    """Wait for the lock in this database; whether nobody has it in another one. If somebody has, it is given back."""
    cursor.execute("SELECT pg_catalog.pg_advisory_lock(%s, %s)", [LOCK_CLASS, number])
    try:
        cursor.execute(ELSEWHERE, [LOCK_CLASS, number])
        (elsewhere,) = cursor.fetchone()
    except BaseException:
        _give_back(cursor, number)
        raise
    if elsewhere:
        _give_back(cursor, number)
    return not elsewhere


def _give_back(cursor: Any, number: int) -> None:
    with contextlib.suppress(psycopg2.Error):
        cursor.execute("SELECT pg_catalog.pg_advisory_unlock(%s, %s)", [LOCK_CLASS, number])
