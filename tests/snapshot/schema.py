"""A schema with something of every kind that a snapshot reads."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg2

__all__ = ["OWNER", "READER", "SECRET", "fill"]

SCHEMA = Path(__file__).with_name("schema.sql")
# What later majors have besides, by major.
LATER = {int(path.stem.rpartition("_")[2]): path for path in Path(__file__).parent.glob("schema_since_*.sql")}
# Roles belong to the whole server; the databases of all tests share these.
READER, OWNER = "snapshot_reader", "snapshot_owner"
# What stands in its options.
SECRET = "hunter2"


def fill(cursor: Any, major: int | None = None) -> None:
    """Make the schema in an empty database, through a superuser's cursor in autocommit mode.

    Args:
        cursor: the cursor.
        major: the major version whose objects it is to have; None for the server's.
    """
    for role in (READER, OWNER):
        # Another test process may be quicker.
        with suppress(psycopg2.errors.DuplicateObject, psycopg2.errors.UniqueViolation):
            cursor.execute(f"CREATE ROLE {role} LOGIN")
    cursor.execute(SCHEMA.read_text(encoding="utf-8"))
    for since, path in sorted(LATER.items()):
        if since <= (major or cursor.connection.server_version // 10_000):
            cursor.execute(path.read_text(encoding="utf-8"))
