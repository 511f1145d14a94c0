"""One deployer at a time per database: a session-level advisory lock on the migration's own connection.

It lives on that very connection because it must end when the migration's server process ends, neither earlier (a lock
on another connection is free while a killed deployer's CREATE INDEX CONCURRENTLY still runs) nor later. It is polled,
never waited for: a blocked `pg_advisory_lock` holds a snapshot that CREATE INDEX CONCURRENTLY would wait for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from erm_alembic.errors import LockNotHad
from erm_alembic.postgres.text.literals import without_literals

__all__ = ["STILL_HELD", "Holder", "acquire_deploy_lock", "lock_holder", "lock_holders", "try_deploy_lock"]

# Advisory locks are per database; two fixed numbers name ours among those of the application.
LOCK_CLASS, LOCK_OBJECT = 0x65726D, 1
POLL_SECONDS = 0.2

# A session that has the lock has it twice, so that one of them can be given back and taken again to see that both are
# there still: pg_locks, which shows it too, costs ten times as much, and that is asked after each revision.
_KEY = f"{LOCK_CLASS}, {LOCK_OBJECT}"
TAKE = f"""
    CASE WHEN pg_catalog.pg_try_advisory_lock({_KEY}) THEN pg_catalog.pg_try_advisory_lock({_KEY}) ELSE false END
"""
# Whether this very session holds the deploy lock: DISCARD ALL, or pg_advisory_unlock_all(), may have freed it.
STILL_HELD = f"""
    CASE WHEN pg_catalog.pg_advisory_unlock({_KEY}) THEN pg_catalog.pg_try_advisory_lock({_KEY}) ELSE false END
"""

HOLDERS = """
    SELECT l.pid, a.application_name, a.usename, a.client_addr::text, a.backend_start, a.state, left(a.query, 200),
           d.datname
      FROM pg_catalog.pg_locks l
      JOIN pg_catalog.pg_database d ON d.oid = l.database
      LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted
       AND l.classid = %s AND l.objid = %s AND l.objsubid = 2
"""
HOLDER = f"{HOLDERS} AND d.datname = pg_catalog.current_database()"


@dataclass(frozen=True)
class Holder:
    """Who holds the deploy lock."""

    pid: int
    application: str | None
    role: str | None
    address: str | None
    since: datetime | None
    state: str | None
    query: str | None
    database: str = ""

    def __str__(self) -> str:
        where = f" from {self.address}" if self.address else ""
        since = f" since {self.since:%Y-%m-%d %H:%M:%S %Z}" if self.since else ""
        doing = f"; its last statement: {without_literals(self.query)}" if self.query else ""
        what = self.application or "no application name"
        return f"pid {self.pid} ({what}, {self.role or 'unknown role'}{where}){since}{doing}"


def lock_holder(cursor: Any) -> Holder | None:
    """Who holds the deploy lock of this database; None when it is free."""
    cursor.execute(HOLDER, [LOCK_CLASS, LOCK_OBJECT])
    row = cursor.fetchone()
    return None if row is None else Holder(*row)


def lock_holders(cursor: Any) -> tuple[Holder, ...]:
    """Who holds the deploy lock of any database of the server."""
    cursor.execute(HOLDERS, [LOCK_CLASS, LOCK_OBJECT])
    return tuple(Holder(*row) for row in cursor.fetchall())


def try_deploy_lock(cursor: Any) -> bool:
    """Take the deploy lock in this session when it is free; whether it was."""
    cursor.execute(f"SELECT {TAKE}")
    return bool(cursor.fetchone()[0])


def acquire_deploy_lock(
    connection: Any, wait: float, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> None:
    """Take the deploy lock on this connection; it is released when the connection ends.

    Args:
        connection: the migration's own psycopg2 connection, in autocommit mode.
        wait: how long to keep trying, in seconds; 0 tries once.
        tell: told who holds the lock, once a holder.
        clock: a monotonic clock in seconds.

    Raises:
        LockNotHad: another deployer kept the lock; names it.
    """
    deadline = clock() + wait
    told: int | None = None
    with connection.cursor() as cursor:
        while True:
            if try_deploy_lock(cursor):
                return
            holder = lock_holder(cursor)
            remaining = deadline - clock()
            if remaining <= 0:
                raise _not_had(holder, wait)
            if holder is not None and holder.pid != told:
                tell(f"Waiting for the deploy lock, held by {holder}.")
                told = holder.pid
            time.sleep(min(POLL_SECONDS, remaining))


def _not_had(holder: Holder | None, wait: float) -> LockNotHad:
    who = f"by {holder}" if holder else "by a session that has just ended"
    return LockNotHad(
        f"The deploy lock of this database was not had within {wait:g} s: it is held {who}.",
        effect="Nothing was changed.",
        cure="Wait for that deployment (`--wait 5m`), or, when it is known to be dead, end it: "
        + (f"SELECT pg_terminate_backend({holder.pid});" if holder else "try again."),
    )
