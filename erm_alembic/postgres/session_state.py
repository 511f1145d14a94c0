"""What a session was set to, carried over to another one: search_path, timeouts, role.

An env.py sets these on the connection that it opens; the revisions run on another connection, which must be set alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, Connection, bindparam, text

__all__ = ["SessionState", "apply_session_state", "end_transaction", "read_session_state"]

# What belongs to the wire or to one transaction, not to where and as whom statements run.
NOT_CARRIED = frozenset(
    {
        "application_name",
        "client_encoding",
        "DateStyle",
        "IntervalStyle",
        "TimeZone",
        "extra_float_digits",
        "in_hot_standby",
        "is_superuser",
        "session_authorization",
        "standard_conforming_strings",
        "transaction_deferrable",
        "transaction_isolation",
        "transaction_read_only",
        "default_transaction_read_only",
        "server_encoding",
        "role",
    }
)


@dataclass(frozen=True)
class SessionState:
    """Settings that were set in a session (not by the server's configuration), and the role that it acts as.

    Args:
        settings: setting name to value.
        role: the value of `role`; `none` when the session acts as its login role.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    role: str = "none"

    def over(self, other: SessionState) -> SessionState:
        """This state laid over another one: what is set here wins."""
        role = self.role if self.role != "none" else other.role
        return SessionState({**other.settings, **self.settings}, role)

    def without(self, known: Mapping[str, int]) -> SessionState:
        """This state without the settings that still have a known value."""
        return SessionState({k: v for k, v in self.settings.items() if v != str(known.get(k))}, self.role)


def read_session_state(connection: Connection) -> SessionState:
    """Read what was set in a session, `SET LOCAL` included.

    Args:
        connection: a connection to PostgreSQL through any driver.
    """
    rows = connection.execute(
        text("SELECT name, setting, unit FROM pg_catalog.pg_settings WHERE source IN ('session', 'client')")
    ).all()
    role = connection.execute(text("SELECT pg_catalog.current_setting('role')")).scalar_one()
    # set_config takes a number in the setting's own unit, so values are carried as pg_settings shows them.
    return SessionState({row.name: row.setting for row in rows if row.name not in NOT_CARRIED}, str(role))


def apply_session_state(connection: Connection, state: SessionState) -> None:
    """Set a session (not only its transaction) to a state.

    Args:
        connection: the connection to set.
        state: what to set.
    """
    for name, value in state.settings.items():
        connection.execute(text("SELECT pg_catalog.set_config(:name, :value, false)"), {"name": name, "value": value})
    if state.role != "none":
        connection.execute(text("SELECT pg_catalog.set_config('role', :role, false)"), {"role": state.role})


HELD_ADVISORY_LOCKS = text(
    """
    SELECT classid::bigint AS upper, objid::bigint AS lower, objsubid = 1 AS one_key, mode = 'ShareLock' AS shared
      FROM pg_catalog.pg_locks
     WHERE locktype = 'advisory' AND granted AND pid = pg_catalog.pg_backend_pid()
    """
)


def end_transaction(connection: Connection) -> None:
    """Commit what a session has under way, and keep its advisory locks until the session ends.

    While it stood idle in its transaction, another session would not see what it wrote, and would wait for its snapshot
    in CREATE INDEX CONCURRENTLY for ever. The locks it took for the transaction are taken for the session first.

    Args:
        connection: a connection to PostgreSQL through any driver.
    """
    for lock in connection.execute(HELD_ADVISORY_LOCKS).all():
        function = "pg_advisory_lock_shared" if lock.shared else "pg_advisory_lock"
        keys = "(:upper << 32) | :lower" if lock.one_key else "(:upper)::int, (:lower)::int"
        values = (lock.upper, lock.lower) if lock.one_key else (_signed(lock.upper), _signed(lock.lower))
        statement = text(f"SELECT pg_catalog.{function}({keys})").bindparams(
            bindparam("upper", values[0], BigInteger), bindparam("lower", values[1], BigInteger)
        )
        connection.execute(statement)
    raw = connection.connection.dbapi_connection
    if raw is not None:
        raw.commit()


def _signed(number: int) -> int:
    """pg_locks shows the two keys of a lock as unsigned; the functions take them signed."""
    return number - 2**32 if number >= 2**31 else number
