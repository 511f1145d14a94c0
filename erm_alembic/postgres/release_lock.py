"""One release at a time per database: a session-level advisory lock beside that of a deployer, on a session of its own.

A release may last for days. Its session may be lost meanwhile, and the lock with it: before each stage it is looked
whether the lock is there still, and it is taken again where nobody else has it.
"""

from __future__ import annotations

from typing import Any

from erm_alembic.errors import LockNotHad
from erm_alembic.postgres.deploy_lock import HOLDER, LOCK_CLASS, Holder

__all__ = ["holds_release_lock", "not_had", "release_holder", "try_release_lock"]

LOCK_OBJECT = 2
HOLDS = """
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks l
          JOIN pg_catalog.pg_database d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
         WHERE l.locktype = 'advisory' AND l.granted AND l.pid = pg_catalog.pg_backend_pid()
           AND l.classid = %s AND l.objid = %s AND l.objsubid = 2)
"""


def try_release_lock(cursor: Any) -> bool:
    """Take the lock in this session when it is free; whether it was. It is given back with the session.

    Args:
        cursor: of the session that is to hold it.
    """
    cursor.execute("SELECT pg_catalog.pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, LOCK_OBJECT])
    return bool(cursor.fetchone()[0])


def holds_release_lock(cursor: Any) -> bool:
    """Whether this very session holds the lock.

    Args:
        cursor: of the session.
    """
    cursor.execute(HOLDS, [LOCK_CLASS, LOCK_OBJECT])
    return bool(cursor.fetchone()[0])


def release_holder(cursor: Any) -> Holder | None:
    """Who releases to this database now; None where nobody does.

    Args:
        cursor: of any session of the database.
    """
    cursor.execute(HOLDER, [LOCK_CLASS, LOCK_OBJECT])
    row = cursor.fetchone()
    return None if row is None else Holder(*row)


def not_had(holder: Holder | None) -> LockNotHad:
    """The error of whoever does not get the lock.

    Args:
        holder: who has it; None where that session has just ended.
    """
    who = f"by {holder}" if holder else "by a session that has just ended"
    end = f"SELECT pg_terminate_backend({holder.pid});" if holder else "try again."
    return LockNotHad(
        f"A release of this database is under way {who}.",
        effect="Nothing was changed.",
        cure="`erm release status` shows how far it is. Wait for it, or, when it is known to be dead, end its session: "
        + end,
    )
