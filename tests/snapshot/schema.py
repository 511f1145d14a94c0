"""A schema with something of every kind that a snapshot reads."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg2

__all__ = ["OWNER", "READER", "SECRET", "fill"]

SCHEMA = Path(__file__).with_name("schema.sql")
# Roles belong to the whole server; the databases of all tests share these.
READER, OWNER = "snapshot_reader", "snapshot_owner"
# What stands in its options.
SECRET = "hunter2"


def fill(cursor: Any) -> None:
    """Make the schema in an empty database, through a superuser's cursor in autocommit mode."""
    for role in (READER, OWNER):
        # Another test process may be quicker.
        with suppress(psycopg2.errors.DuplicateObject, psycopg2.errors.UniqueViolation):
            cursor.execute(f"CREATE ROLE {role} LOGIN")
    cursor.execute(SCHEMA.read_text(encoding="utf-8"))
