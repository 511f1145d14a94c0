"""What a session was set to, carried over to another one: search_path, timeouts, role.

An env.py sets these on the connection that it opens; the revisions run on another connection, which must be set alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg2.extensions import connection as Psycopg2Connection
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["SessionState", "apply_session_state", "end_transaction", "login_of", "read_session_state"]

# What belongs to the wire or to one transaction, not to where and as whom statements run.
NOT_CARRIED = frozenset(
    {
        "application_name",
        "client_encoding",
        "in_hot_standby",
        "is_superuser",
        "session_authorization",
        "transaction_deferrable",
        "transaction_isolation",
        "transaction_read_only",
        "default_transaction_read_only",
        "server_encoding",
        "role",
    }
)
SETTINGS = "SELECT name, setting FROM pg_catalog.pg_settings WHERE source IN ('session', 'client')"
FACTS = """
    SELECT pg_catalog.current_setting('role'),
           session_user::text,
           pg_catalog.current_setting('transaction_isolation'),
           pg_catalog.current_setting('transaction_read_only')::boolean,
           coalesce(pg_catalog.array_to_string(ARRAY(
               SELECT relname::text FROM pg_catalog.pg_class
                WHERE relnamespace = pg_catalog.pg_my_temp_schema() AND relkind IN ('r', 'p', 'v', 'S')
                ORDER BY 1), ', '), ''),
           (SELECT oid::text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
               || ' ' || extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text
    """
HELD_ADVISORY_LOCKS = """
    SELECT classid::bigint, objid::bigint, objsubid = 1, mode = 'ShareLock'
      FROM pg_catalog.pg_locks
     WHERE locktype = 'advisory' AND granted AND pid = pg_catalog.pg_backend_pid()
    """


@dataclass(frozen=True)
class SessionState:
    """Settings that were set in a session (not by the server's configuration), and as whom and how it acts.

    Args:
        settings: setting name to value.
        role: the value of `role`; `none` when the session acts as its login role.
        session_user: who it says that it logged in as; SET SESSION AUTHORIZATION changes that.
        isolation: the isolation level of its transactions, as PostgreSQL writes it.
        read_only: whether its transactions only read.
        temporary: the names of its temporary tables, sequences and views, in one line.
        place: what tells its database from others, until the server starts again.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    role: str = "none"
    session_user: str = ""
    isolation: str = ""
    read_only: bool = False
    temporary: str = ""
    place: str = ""

    def over(self, other: SessionState) -> SessionState:
        """This state laid over another one: what is set here wins."""
        role = self.role if self.role != "none" else other.role
        return replace(self, settings={**other.settings, **self.settings}, role=role)

    def without(self, known: Mapping[str, int]) -> SessionState:
        """This state without the settings that still have a known value."""
        return replace(self, settings={k: v for k, v in self.settings.items() if v != str(known.get(k))})


def read_session_state(connection: Any, custom: Iterable[str] = (), *, settings: bool = True) -> SessionState:
    """Read what was set in a session, `SET LOCAL` included.

    Args:
        connection: a connection to PostgreSQL of any driver, as SQLAlchemy hands it out.
        custom: names of settings of the application's own (`app.tenant`), which no catalog lists.
        settings: whether its settings are asked for, and not only the rest.
    """
    with contextlib.closing(_cursor(connection)) as cursor:
        # set_config takes a number in the setting's own unit, so values are carried as pg_settings shows them.
        asked = _rows(cursor, SETTINGS) if settings else []
        found = {name: value for name, value in asked if name not in NOT_CARRIED}
        for name in custom if settings else ():
            ((value,),) = _rows(cursor, f"SELECT pg_catalog.current_setting({sql_literal(name)}, true)")
            if value is not None:
                found.setdefault(name, value)
        (facts,) = _rows(cursor, FACTS)
        return SessionState(found, *facts)


def apply_session_state(connection: Any, state: SessionState) -> None:
    """Set a session (not only its transaction) to the settings and the role of a state.

    Args:
        connection: the psycopg2 connection to set.
        state: what to set.
    """
    role = {"role": state.role} if state.role != "none" else {}
    with contextlib.closing(_cursor(connection)) as cursor:
        for name, value in {**state.settings, **role}.items():
            cursor.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, value])


def login_of(connection: Psycopg2Connection) -> str | None:
    """As whom a session logged in, which a pooler may have done as somebody else than it was told.

    Args:
        connection: an open connection.
    """
    with connection.cursor(cursor_factory=PlainCursor) as cursor:
        cursor.execute("SELECT usename::text FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()")
        row = cursor.fetchone()
    return None if row is None else row[0]


def end_transaction(connection: Any) -> None:
    """Commit what a session has under way, and keep its advisory locks until the session ends.

    While it stood idle in its transaction, another session would not see what it wrote, and would wait for its snapshot
    in CREATE INDEX CONCURRENTLY for ever. The locks it took for the transaction are taken for the session first.

    Args:
        connection: a connection to PostgreSQL of any driver, as SQLAlchemy hands it out.
    """
    with contextlib.closing(_cursor(connection)) as cursor:
        for upper, lower, one_key, shared in _rows(cursor, HELD_ADVISORY_LOCKS):
            function = "pg_advisory_lock_shared" if shared else "pg_advisory_lock"
            keys = f"({upper}::bigint << 32) | {lower}::bigint" if one_key else f"{_signed(upper)}, {_signed(lower)}"
            cursor.execute(f"SELECT pg_catalog.{function}({keys})")
    connection.commit()


def _cursor(connection: Any) -> Any:
    """A cursor below whatever listens to the engine, and below the gate of a connection that has one."""
    if isinstance(connection, Psycopg2Connection):
        return connection.cursor(cursor_factory=PlainCursor)
    return connection.cursor()


def _rows(cursor: Any, query: str) -> list[tuple[Any, ...]]:
    cursor.execute(query)
    return [tuple(row) for row in cursor.fetchall()]


def _signed(number: int) -> int:
    """pg_locks shows the two keys of a lock as unsigned; the functions take them signed."""
    return number - 2**32 if number >= 2**31 else number
