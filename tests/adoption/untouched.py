"""Proof that nothing was written: the write counters of a database, and what it holds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.databases import Database

COUNTERS = """
    SELECT tup_inserted, tup_updated, tup_deleted, temp_files
      FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()
"""
OTHERS = """
    SELECT count(*) FROM pg_catalog.pg_stat_activity
     WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
"""
SEQUENCES = "SELECT schemaname, sequencename, last_value FROM pg_catalog.pg_sequences ORDER BY 1, 2"


def write_counters(database: Database) -> tuple[object, ...]:
    """The server's own count of rows written in this database, catalogs included, and where its sequences stand.

    A session's counts are complete once it has ended, so this waits for every other session to be gone.
    """
    deadline = time.monotonic() + 20
    while database.execute(OTHERS)[0][0]:
        assert time.monotonic() < deadline, "a session stayed behind"
        time.sleep(0.01)
    return (*database.execute(COUNTERS)[0], *database.execute(SEQUENCES))


def dump(database: Database) -> str:
    """Everything that the database holds, as text."""
    program = database.server.binaries.bin_dir / "pg_dump"
    done = subprocess.run([program, database.url], capture_output=True, text=True, check=True, timeout=60)
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


@contextmanager
def nothing_written(database: Database) -> Iterator[None]:
    """Hold that whatever runs inside wrote no row anywhere in the database."""
    before = write_counters(database)
    yield
    assert write_counters(database) == before
