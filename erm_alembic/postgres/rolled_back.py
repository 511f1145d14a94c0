"""A transaction that is always rolled back: what the server itself does for that, and what it says of it afterwards.

A row pair that no commit lets pass makes the server refuse every commit, whoever sends it and however. It needs a
transaction that writes; one that only reads has nothing to commit, and the session's next one could not write either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg2 import sql

__all__ = [
    "clamp",
    "end_backend",
    "fate_of",
    "forbid_commits",
    "given_transaction_id",
    "has_backend",
    "identity",
    "let_constraints_pass",
    "prepare_session",
    "used_sequences",
]

# Its name is what the server says when somebody commits.
GUARD = """
    CREATE TEMPORARY TABLE pg_temp.erm_smoke_guard (
        held int CONSTRAINT a_smoke_test_never_commits UNIQUE DEFERRABLE INITIALLY DEFERRED
    )
"""
ARM = "INSERT INTO pg_temp.erm_smoke_guard VALUES (1), (1)"
DISARM = "DELETE FROM pg_temp.erm_smoke_guard"
DEFER_AGAIN = "SET CONSTRAINTS pg_temp.a_smoke_test_never_commits DEFERRED"
# The one thing that a transaction has from its beginning to its end, also one that only reads, also on a standby.
IDENTITY = """
    SELECT virtualtransaction || ' ' || pg_catalog.pg_backend_pid()
      FROM pg_catalog.pg_lock_status()
     WHERE locktype = 'virtualxid' AND pid = pg_catalog.pg_backend_pid() AND granted
     LIMIT 1
"""
# Whoever takes a number from a sequence holds this lock on it until the end of the transaction.
SEQUENCES = """
    SELECT DISTINCT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
      FROM pg_catalog.pg_lock_status() l
      JOIN pg_catalog.pg_class c ON c.oid = l.relation
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock'
       AND c.relkind = 'S' AND c.relpersistence <> 't'
     ORDER BY 1
"""
TOO_LONG = """
    SELECT pg_catalog.set_config(s.name, w.most, true)
      FROM pg_catalog.pg_settings s
      JOIN unnest(%s::text[], %s::text[]) AS w(name, most) ON w.name = s.name
     WHERE s.setting::bigint = 0 OR s.setting::bigint > w.most::bigint
"""
# How often the server looks whether the client is still there while it runs a statement.
CLIENT_CHECK = ("client_connection_check_interval", 14, 2_000)


def prepare_session(cursor: Any, major: int, limits: Mapping[str, int]) -> dict[str, int]:
    """Make a session new, read only by default, and limit what runs in it.

    Args:
        cursor: of a connection in autocommit mode.
        major: the server's major version.
        limits: milliseconds by setting; those that the server does not know are left out.

    Returns:
        The limits that are in force.
    """
    cursor.execute("DISCARD ALL")
    cursor.execute("SET default_transaction_read_only = on; SET standard_conforming_strings = on")
    wanted = dict(limits)
    name, since, milliseconds = CLIENT_CHECK
    if major >= since:
        wanted[name] = milliseconds
    cursor.execute("SELECT name FROM pg_catalog.pg_settings WHERE name = ANY(%s)", [list(wanted)])
    known = {name: wanted[name] for (name,) in cursor.fetchall()}
    for setting, value in known.items():
        cursor.execute("SELECT pg_catalog.set_config(%s, %s, false)", [setting, str(value)])
    return known


def forbid_commits(cursor: Any) -> None:
    """Have the server refuse to commit the transaction.

    Args:
        cursor: of a transaction that may write.
    """
    cursor.execute(GUARD)
    cursor.execute(ARM)


def let_constraints_pass(cursor: Any, role: str | None) -> None:
    """Check all deferred constraints but the one that forbids to commit.

    Args:
        cursor: of a transaction in which `forbid_commits` was called.
        role: the role that the transaction acts as; None for its login.
    """
    try:
        _as(cursor, None, role)
        cursor.execute(DISARM)
        _as(cursor, role, role)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    finally:
        if not _has_failed(cursor):
            _as(cursor, None, role)
            cursor.execute(DEFER_AGAIN)
            cursor.execute(ARM)
            _as(cursor, role, role)


def _as(cursor: Any, role: str | None, of_test: str | None) -> None:
    if of_test is not None:
        cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.SQL("NONE") if role is None else sql.Identifier(role)))


def _has_failed(cursor: Any) -> bool:
    from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

    return bool(cursor.connection.info.transaction_status != TRANSACTION_STATUS_INTRANS)


def identity(cursor: Any) -> str:
    """What tells the transaction under way from every other one."""
    cursor.execute(IDENTITY)
    return str(cursor.fetchone()[0])


def used_sequences(cursor: Any) -> tuple[str, ...]:
    """The sequences from which the transaction under way has taken numbers, which no rollback gives back."""
    cursor.execute(SEQUENCES)
    return tuple(name for (name,) in cursor.fetchall())


def given_transaction_id(cursor: Any) -> str | None:
    """The id of the transaction under way; None where it has none, because it has written nothing."""
    cursor.execute("SELECT pg_catalog.pg_current_xact_id_if_assigned()::text")
    found = cursor.fetchone()[0]
    return None if found is None else str(found)


def clamp(cursor: Any, limits: Mapping[str, int]) -> None:
    """Take back, for the transaction, limits that were set higher than they may be.

    Args:
        cursor: of the transaction.
        limits: what they may be at most, in milliseconds.
    """
    most = {name: str(value) for name, value in limits.items() if value}
    cursor.execute(TOO_LONG, [list(most), list(most.values())])


def fate_of(cursor: Any, transaction_id: str) -> str:
    """What became of a transaction: `aborted`, `committed`, `in progress`, or `unknown` where it is too long ago.

    Args:
        cursor: of any session of a primary.
        transaction_id: its id.
    """
    cursor.execute("SELECT coalesce(pg_catalog.pg_xact_status(%s::xid8), 'unknown')", [transaction_id])
    return str(cursor.fetchone()[0])


def has_backend(cursor: Any, pid: int, application_name: str) -> bool:
    """Whether a session is still there.

    Args:
        cursor: of any session.
        pid: its server process.
        application_name: as it was opened: another one may have got its number by now.
    """
    cursor.execute(
        "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid = %s AND application_name = %s",
        [pid, application_name],
    )
    return bool(cursor.fetchone()[0])


def end_backend(cursor: Any, pid: int) -> None:
    """End a session, and with it its transaction.

    Args:
        cursor: of another session of the same role.
        pid: its server process.
    """
    cursor.execute("SELECT pg_catalog.pg_terminate_backend(%s)", [pid])
