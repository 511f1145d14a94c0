"""Whether a commit waits until it is on disk: within a run, only the last one has to.

The write-ahead log is written in order. Whatever reaches the disk, and the standbys, is a beginning of the run: each
revision whole, with its row in the ledger and in Alembic's version table. The last commit brings all before it along.
"""

from __future__ import annotations

from typing import Any

__all__ = ["commit_without_waiting", "wait_for_commits"]

# What the role, the database, the address or env.py has asked for is left as it is.
WITHOUT_WAITING = """
    SELECT setting, pg_catalog.set_config(name, 'off', false) FROM pg_catalog.pg_settings
     WHERE name = 'synchronous_commit' AND setting <> 'off'
       AND source IN ('default', 'configuration file', 'command line')
"""
WAIT = """
    SELECT pg_catalog.set_config('synchronous_commit', %s, false)
     WHERE pg_catalog.current_setting('synchronous_commit') = 'off'
"""


def commit_without_waiting(cursor: Any) -> str | None:
    """Let the commits of a session return before they are on disk.

    Args:
        cursor: of that session.

    Returns:
        What they waited for before; None when somebody has decided about it, and nothing was changed.
    """
    cursor.execute(WITHOUT_WAITING)
    row = cursor.fetchone()
    return None if row is None else str(row[0])


def wait_for_commits(cursor: Any, before: str) -> None:
    """Let the next commit of a session wait again, for everything that was committed before it too.

    Args:
        cursor: of that session.
        before: what `commit_without_waiting` returned.
    """
    cursor.execute(WAIT, [before])
