"""The server's own limits on a session, in milliseconds: what sets them, and how they are set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from erm_alembic.config.durations import in_milliseconds

__all__ = ["LIMITS", "SESSION_ENDING", "Limit", "lock_timeout_lines", "read_limits", "restore_limits", "set_limits"]

# What ends a session that is left alone for long, and the major version that each came with.
SESSION_ENDING = {"idle_in_transaction_session_timeout": 9, "idle_session_timeout": 14, "transaction_timeout": 17}
LIMITS = ("lock_timeout", "statement_timeout", *SESSION_ENDING)

READ = "SELECT name, setting::bigint FROM pg_catalog.pg_settings WHERE name = ANY(%s)"

# What the client asked for when it connected (options in the address, PGOPTIONS) is left as it is.
SET = """
    SELECT s.name, s.setting::bigint, s.source,
           CASE WHEN s.source = 'client' OR s.setting = w.value THEN s.setting
                ELSE pg_catalog.set_config(s.name, w.value, false) END
      FROM pg_catalog.pg_settings s
      JOIN unnest(%s::text[], %s::text[]) AS w(name, value) ON w.name = s.name
"""

RESTORE = """
    SELECT pg_catalog.set_config(s.name, w.before, false)
      FROM pg_catalog.pg_settings s
      JOIN unnest(%s::text[], %s::text[], %s::text[]) AS w(name, set_to, before) ON w.name = s.name
     WHERE s.setting = w.set_to
"""


@dataclass(frozen=True)
class Limit:
    """One limit as it was before it was set.

    Args:
        name: its name, as in `lock_timeout`.
        milliseconds: its value; 0 means none.
        source: what gave it this value: `default`, `client`, `user`, `database`, `database user`, ...
    """

    name: str
    milliseconds: int
    source: str


def read_limits(cursor: Any) -> dict[str, int]:
    """The session's limits, in milliseconds, by name; those that the server does not know are left out."""
    cursor.execute(READ, [list(LIMITS)])
    return dict(cursor.fetchall())


def set_limits(cursor: Any, wanted: Mapping[str, int]) -> tuple[Limit, ...]:
    """Set limits of a session, but for those that the client asked for itself when it connected.

    Args:
        cursor: of that session.
        wanted: milliseconds by name; 0 means none.

    Returns:
        Each of them as it was before, as far as the server knows it.
    """
    cursor.execute(SET, [list(wanted), [str(value) for value in wanted.values()]])
    return tuple(Limit(name, before, source) for name, before, source, _ in cursor.fetchall())


def restore_limits(cursor: Any, set_to: Mapping[str, int], before: Mapping[str, int]) -> None:
    """Set limits to what they were, unless somebody has set them to something else meanwhile."""
    names = list(set_to)
    cursor.execute(RESTORE, [names, [str(set_to[name]) for name in names], [str(before[name]) for name in names]])


def lock_timeout_lines(timeout: timedelta) -> list[str]:
    """What a script says, within its transaction, of how long a statement may wait for a lock.

    Args:
        timeout: the limit; zero leaves it to the session.

    Example:
        >>> lock_timeout_lines(timedelta(seconds=3)), lock_timeout_lines(timedelta(0))
        (["SET LOCAL lock_timeout = '3000ms';"], [])
    """
    milliseconds = in_milliseconds(timeout)
    return [f"SET LOCAL lock_timeout = '{milliseconds}ms';"] if milliseconds else []
