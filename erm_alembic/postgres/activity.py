"""Who blocks whom: the lock that a session waits for, the sessions that are in its way, and those behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from erm_alembic.config.durations import format_duration
from erm_alembic.postgres.text.literals import sql_literal, without_literals

__all__ = ["Held", "Session", "Wait", "held_for_long", "lock_name", "still_in_the_way", "wait_of"]

# What a session is, for everyone who is shown it. A role without pg_read_all_stats sees of others only who they are.
SESSION = """
    a.pid, a.application_name, a.usename, a.client_addr::text, a.backend_type, a.state,
    coalesce(a.xact_start, CASE WHEN a.state = 'idle' THEN a.state_change END),
    extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.xact_start, a.state_change))::float8,
    left(a.query, 300), a.wait_event_type = 'Lock', NULL::text
"""
PREPARED = """
    NULL::int, NULL::text, p.owner, NULL::text, NULL::text, NULL::text, p.prepared,
    extract(epoch FROM pg_catalog.clock_timestamp() - p.prepared)::float8, NULL::text, false, p.gid
"""

# Its locks have no pid, and are told by the lock that each transaction holds on its own number.
OF_PREPARED = """
    h.pid IS NULL AND h.virtualtransaction IN (
        SELECT x.virtualtransaction FROM pg_catalog.pg_locks x
         WHERE x.pid IS NULL AND x.locktype = 'transactionid' AND x.transactionid = p.transaction)
"""

# pg_blocking_pids() stops the whole lock manager for a moment: it is asked only when the session waits for a lock.
WAIT = """
    SELECT l.locktype, l.mode, c.relkind, n.nspname, c.relname, l.relation, l.transactionid::text, l.virtualxid,
           pg_catalog.pg_blocking_pids(l.pid)
      FROM pg_catalog.pg_locks l
      LEFT JOIN pg_catalog.pg_class c ON c.oid = coalesce(l.relation, (
            SELECT t.relation FROM pg_catalog.pg_locks t
             WHERE t.pid = l.pid AND t.locktype = 'tuple' AND t.granted LIMIT 1))
      LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE l.pid = %(pid)s AND NOT l.granted
       AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %(pid)s AND wait_event_type = 'Lock')
     LIMIT 1
"""

BLOCKERS = f"""
    SELECT {SESSION} FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY(%(pids)s)
     UNION ALL
    SELECT {PREPARED} FROM pg_catalog.pg_prepared_xacts p
     WHERE 0 = ANY(%(pids)s) AND p.database = pg_catalog.current_database()
       AND (p.transaction::text = %(transaction)s OR EXISTS (
            SELECT FROM pg_catalog.pg_locks h
             WHERE h.granted AND h.relation = %(relation)s AND {OF_PREPARED}))
     ORDER BY 8 DESC NULLS LAST
"""  # noqa: S608 - constants

# At most fifty are looked at closely, for the same reason as above.
BEHIND = f"""
    SELECT {SESSION} FROM pg_catalog.pg_stat_activity a
     WHERE a.pid IN (
            SELECT w.pid FROM pg_catalog.pg_locks w JOIN pg_catalog.pg_locks ours ON ours.pid = %(pid)s
               AND ((w.relation, w.database) = (ours.relation, ours.database) OR w.transactionid = ours.transactionid)
             WHERE NOT w.granted AND w.pid <> %(pid)s AND w.pid <> ALL(%(pids)s) LIMIT 50)
       AND %(pid)s = ANY(pg_catalog.pg_blocking_pids(a.pid))
     ORDER BY a.query_start
"""  # noqa: S608 - constants

STILL = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_locks
                    WHERE granted AND pid = ANY(%(pids)s)
                      AND (relation = %(relation)s OR transactionid::text = %(transaction)s
                           OR virtualxid = %(virtual)s OR virtualtransaction = %(virtual)s))
        OR EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts
                    WHERE gid = ANY(%(gids)s) AND database = pg_catalog.current_database())
"""

FOR_LONG = f"""
    SELECT DISTINCT h.schema, h.name, {SESSION}
      FROM held h JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
     WHERE a.xact_start < pg_catalog.clock_timestamp() - %(age)s AND a.pid <> ALL(%(ours)s)
     UNION ALL
    SELECT DISTINCT h.schema, h.name, {PREPARED}
      FROM held h JOIN pg_catalog.pg_prepared_xacts p ON {OF_PREPARED}
     WHERE p.prepared < pg_catalog.clock_timestamp() - %(age)s AND p.database = pg_catalog.current_database()
"""  # noqa: S608 - constants
HELD = """
    WITH held AS (
        SELECT n.nspname AS schema, c.relname AS name, l.pid, l.virtualtransaction
          FROM pg_catalog.pg_locks l
          JOIN pg_catalog.pg_class c ON c.oid = l.relation
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE l.locktype = 'relation' AND l.granted AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
           AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
"""

RELATION_KINDS = {
    "r": "table",
    "p": "table",
    "i": "index",
    "I": "index",
    "v": "view",
    "m": "materialized view",
    "S": "sequence",
    "f": "foreign table",
}


@dataclass(frozen=True)
class Session:
    """A session of the server, or a prepared transaction, which belongs to none.

    Args:
        pid: its server process; None for a prepared transaction.
        application: what it calls itself.
        role: the role that logged in.
        address: where it comes from; None through a unix socket, or when hidden.
        kind: `client backend`, `autovacuum worker`, ...; None when hidden.
        state: `active`, `idle in transaction`, ...; None when this role may not see it.
        since: when its transaction began.
        seconds: for how long that is.
        query: what it runs, or ran last.
        waits: whether it waits for a lock itself.
        prepared: the name of a prepared transaction.
    """

    pid: int | None
    application: str | None
    role: str | None
    address: str | None
    kind: str | None
    state: str | None
    since: datetime | None
    seconds: float | None
    query: str | None
    waits: bool | None
    prepared: str | None

    def __str__(self) -> str:
        return f"{self.who}: {self.doing}"

    @property
    def who(self) -> str:
        """The session in a few words."""
        if self.prepared is not None:
            return f"the prepared transaction {sql_literal(self.prepared)} (of {self.role})"
        where = f" from {self.address}" if self.address else ""
        application = self.application or self._kind or "no application name"
        return f"pid {self.pid} ({application}, {self.role or 'no role'}{where})"

    @property
    def doing(self) -> str:
        """What it does, since when, without values."""
        if self.prepared is not None:
            return f"prepared{self._open}, and no session holds it"
        if self.state is None and self._kind is None:
            return "what it does is hidden from this role; pg_read_all_stats would show it"
        query = without_literals(self.query or "")
        running = self.state == "active" or self._kind is not None
        said = f"; {'it runs' if running else 'its last statement'}: {query}" if query else ""
        state = "idle" if self.state == "idle" else f"in a transaction{self._open}"
        idle = "idle " if self.state is not None and self.state.startswith("idle in") else ""
        return f"{idle}{state}{'; it waits for a lock itself' if self.waits else ''}{said}"

    @property
    def _kind(self) -> str | None:
        return None if self.kind == "client backend" else self.kind

    @property
    def _open(self) -> str:
        if self.since is None:
            return ""
        age = format_duration(timedelta(seconds=max(1, round(self.seconds or 0))))
        return f" since {self.since:%Y-%m-%d %H:%M:%S %Z} ({age})"

    @property
    def cure(self) -> str:
        """The statement that ends it."""
        if self.prepared is not None:
            gid = sql_literal(self.prepared)
            return f"COMMIT PREPARED {gid}; or ROLLBACK PREPARED {gid};"
        return f"SELECT pg_terminate_backend({self.pid});"


@dataclass(frozen=True)
class Wait:
    """A lock that a session waits for.

    Args:
        what: the object, as in `table public.orders`.
        mode: the lock's name, as in `ACCESS EXCLUSIVE`; "" where it has none that says anything.
        blockers: who is in the way: holders, and those ahead in the queue; the longest first.
        behind: who waits for the waiting session.
        relation: the OID of the relation, where it is one that is waited for.
        transaction: the transaction whose end is waited for, where it is one.
        virtual: its virtual transaction, where only that is known.
    """

    what: str
    mode: str
    blockers: tuple[Session, ...] = ()
    behind: tuple[Session, ...] = ()
    relation: int | None = None
    transaction: str | None = None
    virtual: str | None = None

    @property
    def lock(self) -> str:
        """The lock in words, as in `ACCESS EXCLUSIVE on table public.orders`."""
        return f"{self.mode} on {self.what}" if self.mode else self.what


@dataclass(frozen=True)
class Held:
    """A relation that a session has locked for long."""

    schema: str
    name: str
    session: Session


def lock_name(mode: str) -> str:
    """A lock's name as PostgreSQL's manual writes it.

    Example:
        >>> lock_name("ShareRowExclusiveLock")
        'SHARE ROW EXCLUSIVE'
    """
    return " ".join(re.findall("[A-Z][a-z]+", mode.removesuffix("Lock"))).upper()


def wait_of(cursor: Any, pid: int) -> Wait | None:
    """The lock that a session waits for; None when it waits for none.

    Args:
        cursor: of another session.
        pid: the session's server process.
    """
    cursor.execute(WAIT, {"pid": pid})
    row = cursor.fetchone()
    if row is None:
        return None
    locktype, mode, relkind, schema, name, relation, transaction, virtual, pids = row
    what, shown_mode = _waited_for(locktype, mode, relkind, f"{schema}.{name}" if name else None)
    names = {"pid": pid, "pids": pids, "relation": relation, "transaction": transaction}
    cursor.execute(BLOCKERS, names)
    blockers = tuple(Session(*row) for row in cursor.fetchall())
    cursor.execute(BEHIND, names)
    behind = tuple(Session(*row) for row in cursor.fetchall())
    return Wait(what, shown_mode, blockers, behind, relation, transaction, virtual)


def _waited_for(locktype: str, mode: str, relkind: str | None, name: str | None) -> tuple[str, str]:
    relation = f"{RELATION_KINDS.get(relkind or '', 'relation')} {name}" if name else "a new relation"
    if locktype == "relation":
        return relation, lock_name(mode)
    if locktype in ("transactionid", "tuple"):
        return f"a row of {relation}" if name else "a row, or a key, that another transaction has written", ""
    if locktype == "virtualxid":
        return "the end of older transactions", ""
    return f"{'an advisory lock' if locktype == 'advisory' else f'a lock ({locktype})'}", ""


def still_in_the_way(cursor: Any, wait: Wait) -> bool:
    """Whether one of those who were in the way still is.

    Args:
        cursor: of any session of the same database.
        wait: what was waited for.
    """
    names = {
        "pids": [session.pid for session in wait.blockers if session.pid is not None],
        "gids": [session.prepared for session in wait.blockers if session.prepared is not None],
        "relation": wait.relation,
        "transaction": wait.transaction,
        "virtual": wait.virtual,
    }
    cursor.execute(STILL, names)
    return bool(cursor.fetchone()[0])


def held_for_long(cursor: Any, age: timedelta, ours: Sequence[int]) -> tuple[Held, ...]:
    """The relations of the user that others have locked in a transaction older than an age.

    Args:
        cursor: of any session of the database.
        age: how old the transaction must be.
        ours: server processes that do not count.
    """
    cursor.execute(HELD + FOR_LONG, {"age": age, "ours": list(ours)})
    return tuple(Held(schema, name, Session(*session)) for schema, name, *session in cursor.fetchall())
