"""What a database holds, in a form in which two of them can be compared."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import Any

from tests.support.databases import Database

# What pg_dump says about itself: its version, and a key of its own against injected psql commands.
OWN_WORDS = re.compile(r"^(--.*|\\(un)?restrict .*|)\n", re.MULTILINE)


@dataclass(frozen=True)
class State:
    """A database's catalog and rows.

    Args:
        catalog: the definitions of everything but the ledger, as `pg_dump` writes them.
        indexes: what `pg_dump` does not tell of indexes: name, valid, ready.
        rows: the rows of each table, sorted.
    """

    catalog: str
    indexes: list[tuple[Any, ...]]
    rows: dict[str, list[str]]


def state_of(database: Database) -> State:
    """Read the state of a database; the ledger is left out."""
    catalog = subprocess.run(
        [
            database.server.binaries.program("pg_dump"),
            "--schema-only",
            "--exclude-schema=erm",
            "--no-owner",
            database.url,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    indexes = database.execute(
        "SELECT indexrelid::regclass::text, indisvalid, indisready FROM pg_index"
        " JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE nspname NOT IN ('pg_catalog', 'pg_toast', 'erm') ORDER BY 1"
    )
    names = database.execute(
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'erm') ORDER BY 1"
    )
    rows = {
        name: [row[0] for row in database.execute(f'SELECT t::text FROM {name} t ORDER BY t::text COLLATE "C"')]
        for (name,) in names
    }
    return State(OWN_WORDS.sub("", catalog.stdout), indexes, rows)
