"""What the server counts of a database: errors, conflicts, temporary files. Counters grow until they are reset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["COUNTED", "Counters", "counters"]

# Those that an older version does not have are not there: sessions are counted since PostgreSQL 14.
COUNTED = (
    "xact_commit",
    "xact_rollback",
    "deadlocks",
    "conflicts",
    "temp_files",
    "temp_bytes",
    "checksum_failures",
    "sessions",
    "sessions_abandoned",
    "sessions_fatal",
    "sessions_killed",
)
COUNTERS = """
    SELECT pg_catalog.to_jsonb(d), d.stats_reset FROM pg_catalog.pg_stat_database d
     WHERE d.datname = pg_catalog.current_database()
"""


@dataclass(frozen=True)
class Counters:
    """The counters of a database.

    Args:
        counted: by name, as `pg_stat_database` has them.
        reset_at: when they were last reset; None for never, as far as the server knows.
    """

    counted: Mapping[str, int] = field(default_factory=dict)
    reset_at: datetime | None = None


def counters(cursor: Any) -> Counters:
    """Read the counters of the database.

    Args:
        cursor: of a connection in autocommit mode.
    """
    cursor.execute(COUNTERS)
    row = cursor.fetchone()
    if row is None:
        return Counters()
    said, reset_at = row
    return Counters({name: int(said[name]) for name in COUNTED if said.get(name) is not None}, reset_at)
