"""Who is connected: connections in use, open transactions, what runs longest, and who waits for whose lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from erm_alembic.postgres.activity import PREPARED, SESSION, Session, wait_of

__all__ = ["Connections", "LockWait", "OpenTransaction", "connections", "lock_waits", "longest_query", "transactions"]

# How many of those who wait are looked at closely: for each of them the lock manager stops for a moment.
CLOSELY = 5
TRANSACTIONS = 3

# Of other roles' sessions, a role without pg_read_all_stats sees that they are there, and neither kind nor state.
CLIENTS = "(a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.datid IS NOT NULL))"

CONNECTIONS = f"""
    SELECT count(*) FILTER (WHERE {CLIENTS}),
           pg_catalog.current_setting('max_connections')::integer
               - pg_catalog.current_setting('superuser_reserved_connections')::integer
               - coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::integer,
           count(*) FILTER (WHERE a.state = 'active' AND {CLIENTS} AND a.datname = pg_catalog.current_database()),
           count(*) FILTER (WHERE a.state LIKE 'idle in transaction%' AND a.datname = pg_catalog.current_database()),
           count(*) FILTER (WHERE {CLIENTS} AND a.state IS NULL)
      FROM pg_catalog.pg_stat_activity a WHERE a.pid <> pg_catalog.pg_backend_pid()
"""  # noqa: S608 - constants

# Everybody may see pg_locks. Since PostgreSQL 14 it says since when; before, the begin of the statement stands for it.
WAITERS = """
    SELECT w.pid, max(extract(epoch FROM pg_catalog.clock_timestamp()
               - coalesce((pg_catalog.to_jsonb(w) ->> 'waitstart')::timestamptz, a.query_start)))::float8,
           pg_catalog.bool_and(w.locktype = 'advisory')
      FROM pg_catalog.pg_locks w LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
     WHERE NOT w.granted AND w.pid IS NOT NULL
       AND (w.database IS NULL OR w.database = 0 OR w.database = (
            SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
       AND (a.datname IS NULL OR a.datname = pg_catalog.current_database())
     GROUP BY w.pid ORDER BY 2 DESC NULLS LAST
"""

TRANSACTION = f"""
    SELECT {SESSION} FROM pg_catalog.pg_stat_activity a
     WHERE a.datname = pg_catalog.current_database() AND a.xact_start IS NOT NULL
       AND a.pid <> pg_catalog.pg_backend_pid() AND {CLIENTS}
     UNION ALL
    SELECT {PREPARED} FROM pg_catalog.pg_prepared_xacts p WHERE p.database = pg_catalog.current_database()
     ORDER BY 8 DESC NULLS LAST LIMIT {TRANSACTIONS}
"""  # noqa: S608 - constants

LONGEST_QUERY = f"""
    SELECT max(extract(epoch FROM pg_catalog.clock_timestamp() - a.query_start))::float8
      FROM pg_catalog.pg_stat_activity a
     WHERE a.state = 'active' AND a.datname = pg_catalog.current_database() AND {CLIENTS}
       AND a.pid <> pg_catalog.pg_backend_pid()
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Connections:
    """The connections of a server, or of this database.

    Args:
        used: clients of the whole server that are connected.
        limit: how many the server takes of those who are no superusers.
        active: those of this database that run something.
        idle_in_transaction: those of this database that hold a transaction open and do nothing.
        hidden: of how many the role may not see what they do.
    """

    used: int
    limit: int
    active: int
    idle_in_transaction: int
    hidden: int = 0


@dataclass(frozen=True)
class LockWait:
    """A session that waits for a lock.

    Args:
        pid: its server process.
        seconds: for how long; None where that cannot be seen.
        lock: what it waits for, as in `ACCESS EXCLUSIVE on table public.orders`.
        blockers: who is in its way, and what they do, without values.
        behind: how many wait for it.
        is_advisory: whether it is a lock that the application made for itself: to wait for one may be what it is for.
    """

    pid: int
    seconds: float | None
    lock: str
    blockers: tuple[str, ...] = ()
    behind: int = 0
    is_advisory: bool = False


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction that is open.

    Args:
        seconds: for how long.
        who: whose it is, and what it does, without values.
    """

    seconds: float
    who: str


def connections(cursor: Any) -> Connections:
    """The connections in use.

    Args:
        cursor: of a connection in autocommit mode.
    """
    cursor.execute(CONNECTIONS)
    return Connections(*cursor.fetchone())


def lock_waits(cursor: Any) -> tuple[int, tuple[LockWait, ...]]:
    """How many sessions of the database wait for locks, and those who wait longest, with who blocks them.

    Args:
        cursor: of a connection in autocommit mode.
    """
    cursor.execute(WAITERS)
    waiting = cursor.fetchall()
    found = []
    for pid, seconds, is_advisory in waiting[:CLOSELY]:
        wait = wait_of(cursor, pid)
        if wait is None:  # it has its lock by now, or this role may not see what it does
            found.append(LockWait(pid, seconds, "a lock that this role may not see", is_advisory=is_advisory))
        else:
            blockers = tuple(map(str, wait.blockers))
            found.append(LockWait(pid, seconds, wait.lock, blockers, len(wait.behind), is_advisory))
    return len(waiting), tuple(found)


def transactions(cursor: Any) -> tuple[OpenTransaction, ...]:
    """The transactions of the database that are open for longest, the longest first.

    Args:
        cursor: of a connection in autocommit mode.
    """
    cursor.execute(TRANSACTION)
    sessions = [Session(*row) for row in cursor.fetchall()]
    return tuple(OpenTransaction(each.seconds, str(each)) for each in sessions if each.seconds is not None)


def longest_query(cursor: Any) -> float | None:
    """For how long the oldest statement runs that is under way in the database, in seconds; None where there is none.

    Args:
        cursor: of a connection in autocommit mode.
    """
    cursor.execute(LONGEST_QUERY)
    (seconds,) = cursor.fetchone()
    return None if seconds is None else float(seconds)
