"""The limits under which a run's sessions work: erm's own, unless the project or the address asks for others.

A limit that was meant for the application (`ALTER ROLE ... SET statement_timeout`) cuts off a long index build; one
that is missing lets a statement wait for a lock for ever, with everybody else behind it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg2
from psycopg2.extensions import STATUS_READY, TRANSACTION_STATUS_IDLE
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.config.durations import format_duration, in_milliseconds
from erm_alembic.config.settings import ExecutionSettings
from erm_alembic.postgres.limits import SESSION_ENDING, Limit, read_limits, restore_limits, set_limits
from erm_alembic.postgres.text.lexer import READS, SAVEPOINTS, SETTINGS, statement_kinds, tokens

__all__ = ["SessionLimits", "runs_outside", "waits_apart"]

WHO_SETS = {
    "user": "The role",
    "database": "The database",
    "database user": "The role, in this database,",
    "client": "The address (or PGOPTIONS)",
}
TRANSACTION_CONTROL = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE", "DISCARD", ""})
LEFT_ALONE = READS | SETTINGS | SAVEPOINTS | TRANSACTION_CONTROL


class SessionLimits:
    """Sets a run's sessions to its limits, and knows which of them hold.

    Args:
        settings: the `execution` section in force.
        tell: told what is neutralised, and what holds instead of the settings.
    """

    def __init__(self, settings: ExecutionSettings, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._tell = tell
        self._wanted = {
            "lock_timeout": in_milliseconds(settings.lock_timeout),
            "statement_timeout": in_milliseconds(settings.statement_timeout),
            **dict.fromkeys(SESSION_ENDING, 0),
        }
        self._in_force: dict[str, int] = dict(self._wanted)

    @property
    def in_force(self) -> Mapping[str, int]:
        """The limits that hold, in milliseconds by name."""
        return self._in_force

    @property
    def lock_timeout(self) -> timedelta:
        """How long a statement in a transaction waits for a lock; zero means as long as it takes."""
        return timedelta(milliseconds=self._in_force["lock_timeout"])

    @property
    def statement_timeout(self) -> timedelta:
        """How long a statement in a transaction may run; zero means as long as it takes."""
        return timedelta(milliseconds=self._in_force["statement_timeout"])

    def set_up(self, connection: Any, *, quiet: bool = False) -> None:
        """Set a fresh session to the limits.

        Args:
            connection: a psycopg2 connection in autocommit mode.
            quiet: whether nothing is told, because it was told of another session of the run.
        """
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            for before in set_limits(cursor, self._wanted):
                if before.source == "client":
                    self._in_force[before.name] = before.milliseconds
                if not quiet and (said := self._of_server(before)):
                    self._tell(said)

    def _of_server(self, before: Limit) -> str | None:
        """What the role, the database or the address had set."""
        wanted = self._wanted[before.name]
        if before.milliseconds in (0, wanted) and before.source != "client":
            return None
        who = WHO_SETS.get(before.source, "The server")
        said = f"{who} sets {before.name} to {_shown(before.milliseconds)}"
        if before.source == "client":
            return None if before.milliseconds == wanted else f"{said}: it holds{_instead_of(before.name, wanted)}."
        setting = f": execution.{before.name} ({_shown(wanted)}) does" if _is_a_setting(before.name) else ""
        return f"{said}; in this run that does not hold{setting}."

    def look_again(self, connection: Any) -> None:
        """Learn what env.py has set by itself, which holds for all revisions.

        Args:
            connection: the migration's connection, after env.py's own settings were carried over.
        """
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            found = read_limits(cursor)
        for name, value in found.items():
            if value != self._in_force[name]:
                instead = _instead_of(name, self._in_force[name])
                self._tell(f"env.py sets {name} to {_shown(value)}: it holds{instead}.")
        self._in_force.update(found)

    @contextlib.contextmanager
    def around(self, connection: Any, sql: str) -> Iterator[None]:
        """The limits of a statement that runs outside a transaction, for as long as it runs.

        A lock timeout would also cut off its wait for older snapshots, which no retry can win: it has none. What the
        revision has set by itself, just before, is left as it is.

        Args:
            connection: the connection that it is sent through.
            sql: the statement.
        """
        wanted = {"statement_timeout": in_milliseconds(self._settings.concurrent_timeout)}
        if waits_apart(sql):
            wanted["lock_timeout"] = 0
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            before = read_limits(cursor)
            ours = {name: value for name, value in wanted.items() if before[name] == self._in_force[name] != value}
            if ours:
                _set_session(cursor, ours)
        try:
            yield
        finally:
            if ours:
                # A connection that is lost, or within a transaction that failed, has nothing to restore.
                with contextlib.suppress(psycopg2.Error), connection.cursor(cursor_factory=PlainCursor) as cursor:
                    restore_limits(cursor, ours, before)


def runs_outside(connection: Any, sql: str) -> bool:
    """Whether a statement, sent now, runs outside a transaction and does more than read or set the session.

    Args:
        connection: the psycopg2 connection that it is sent through.
        sql: the statement.
    """
    if connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
        return False
    if not connection.autocommit and connection.status == STATUS_READY:
        return False  # psycopg2 is about to send BEGIN
    return not statement_kinds(sql) <= LEFT_ALONE


def waits_apart(sql: str) -> bool:
    """Whether a statement is one that waits for others without holding up their reads and writes.

    Example:
        >>> waits_apart("create index concurrently a on t (b)"), waits_apart("VACUUM FULL t")
        (True, False)
    """
    return any(token.says("CONCURRENTLY") for token in tokens(sql))


def _set_session(cursor: Any, wanted: Mapping[str, int]) -> None:
    for name, value in wanted.items():
        cursor.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, str(value)])


def _is_a_setting(name: str) -> bool:
    return hasattr(ExecutionSettings, name)


def _instead_of(name: str, wanted: int) -> str:
    return f" instead of execution.{name} ({_shown(wanted)})" if _is_a_setting(name) else ""


def _shown(milliseconds: int) -> str:
    return format_duration(timedelta(milliseconds=milliseconds))
