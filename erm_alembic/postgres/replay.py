"""A standby's replay of the log: held, let go, and waited for."""

from __future__ import annotations

from typing import Any

from psycopg2 import sql

__all__ = ["commit_something", "has_replayed", "hold_replay", "is_held", "let_go_of_replay", "wait_for_replay"]

_WAITS_SINCE = 190_000


def commit_something(cursor: Any) -> str:
    """Commit something on a primary that no table shows; the position up to which its log is on disk then.

    Args:
        cursor: of psycopg2, in autocommit mode, as a role that may do that.
    """
    cursor.execute("SELECT pg_catalog.pg_logical_emit_message(true, 'erm', '')")
    cursor.execute("SELECT pg_catalog.pg_current_wal_flush_lsn()::text")
    return str(cursor.fetchone()[0])


def has_replayed(cursor: Any, position: str) -> bool:
    """Whether a standby has replayed the log up to a position.

    Args:
        cursor: of psycopg2.
        position: as PostgreSQL writes it.
    """
    cursor.execute(
        "SELECT coalesce(pg_catalog.pg_last_wal_replay_lsn() OPERATOR(pg_catalog.>=) %s::pg_catalog.pg_lsn, false)",
        (position,),
    )
    return bool(cursor.fetchone()[0])


def wait_for_replay(cursor: Any, position: str, patience: float) -> bool:
    """Let a standby of PostgreSQL 19 or newer wait by itself until it has replayed the log up to a position.

    How that ends is not told: whoever wants to know asks how far it is.

    Args:
        cursor: of psycopg2, in autocommit mode.
        position: as PostgreSQL writes it.
        patience: how long it waits at most, in seconds.

    Returns:
        Whether it can; an older one is asked nothing.

    Raises:
        psycopg2.Error: it does not answer, or understands `WAIT FOR` otherwise.
    """
    if cursor.connection.server_version < _WAITS_SINCE:
        return False
    milliseconds = sql.Literal(f"{max(1, round(patience * 1000))}ms")
    cursor.execute(
        sql.SQL("WAIT FOR LSN {} WITH (MODE 'standby_replay', TIMEOUT {}, NO_THROW)").format(
            sql.Literal(position), milliseconds
        )
    )
    return True


def hold_replay(cursor: Any) -> None:
    """Ask a standby to replay nothing more; `is_held` says when it does so."""
    cursor.execute("SELECT pg_catalog.pg_wal_replay_pause()")


def let_go_of_replay(cursor: Any) -> None:
    """Let a standby replay again."""
    cursor.execute("SELECT pg_catalog.pg_wal_replay_resume()")


def is_held(cursor: Any) -> bool:
    """Whether a standby replays nothing; PostgreSQL 13 only says whether it was asked to."""
    if cursor.connection.server_version < 140_000:
        cursor.execute("SELECT pg_catalog.pg_is_wal_replay_paused()")
        return bool(cursor.fetchone()[0])
    cursor.execute("SELECT pg_catalog.pg_get_wal_replay_pause_state()")
    return bool(cursor.fetchone()[0] == "paused")
