"""While env.py runs, every PostgreSQL connection that it opens goes to the target, and can be kept from writing.

An env.py often has its own idea of the URL. Left alone, it would set its session up, or write, in another database.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection, ExecutionContext
from sqlalchemy.pool import ConnectionPoolEntry

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import EnvironmentRefused
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.text.custom_settings import custom_settings, custom_settings_of_connecting
from erm_alembic.postgres.text.lexer import SETTINGS, is_read_or_setting, statement_kinds
from erm_alembic.postgres.text.side_effects import acts_outside_transaction, is_advisory_lock

__all__ = ["Redirection", "redirected_engines"]

IDENTITY = frozenset(
    {
        "host",
        "hostaddr",
        "port",
        "database",
        "dbname",
        "user",
        "password",
        "passfile",
        "service",
        "dsn",
        "sslmode",
        "ssl",
    }
    | {"sslrootcert", "sslcert", "sslkey", "target_session_attrs", "load_balance_hosts", "channel_binding"}
)
UNDERSTOOD_DRIVERS = ("psycopg2", "psycopg", "psycopg_async", "asyncpg")


class Redirection:
    """What is known of the engines that env.py makes.

    Args:
        own: erm's own dialect.
    """

    def __init__(self, own: Dialect) -> None:
        self._own = [own]
        self.custom_settings: set[str] = set()

    def leave_alone(self, dialect: Dialect) -> None:
        """Take an engine for one of erm's own.

        Args:
            dialect: its dialect.
        """
        self._own.append(dialect)

    def is_own(self, dialect: Dialect) -> bool:
        """Whether it is the dialect of an engine of erm's.

        Args:
            dialect: the dialect under way.
        """
        return any(each is dialect for each in self._own)

    def pass_through(self, _cursor: Any, sql: str, parameters: Sequence[Any], send: Callable[[], None]) -> None:
        """Note which settings of the application's own a statement of env.py may set, and send it."""
        self.custom_settings |= custom_settings(sql, parameters)
        send()

    def rowcount(self, _cursor: Any) -> int:
        """Nothing is held back here."""
        return -1


@contextlib.contextmanager
def redirected_engines(
    target: DatabaseUrl, *, own: Engine, read_only: bool, on_held_back: Callable[[str], None] | None = None
) -> Iterator[Redirection]:
    """Redirect, for the duration, the PostgreSQL engines that env.py creates.

    Args:
        target: the database that erm was told to act on.
        own: erm's own engine, which is left alone.
        read_only: whether the sessions are read-only and their writes (a CREATE SCHEMA IF NOT EXISTS in env.py) are
            held back, as a plan must.
        on_held_back: told each write that was held back.

    Raises:
        EnvironmentRefused: on connecting, when the engine's driver is not one that can be redirected.
    """
    opened: list[tuple[DBAPIConnection, ConnectionPoolEntry | None]] = []
    redirection = Redirection(own.dialect)

    def connect(
        dialect: Dialect, entry: ConnectionPoolEntry | None, cargs: list[Any], cparams: dict[str, Any]
    ) -> DBAPIConnection | None:
        if redirection.is_own(dialect) or dialect.name != "postgresql":
            return None
        _point_at(target, dialect, cargs, cparams, read_only)
        redirection.custom_settings |= custom_settings_of_connecting(cparams)
        if dialect.driver == "psycopg2":
            cparams.setdefault("connection_factory", GatedConnection)
        connection = dialect.connect(*cargs, **cparams)
        if isinstance(connection, GatedConnection):
            connection.gate = redirection
        opened.append((connection, entry))
        return connection

    def note_settings(_cursor: Any, statement: str, parameters: Any, context: ExecutionContext) -> None:
        if not redirection.is_own(context.dialect):
            redirection.custom_settings |= custom_settings(statement, [parameters])

    def note_settings_without_parameters(_cursor: Any, statement: str, context: ExecutionContext) -> None:
        note_settings(_cursor, statement, None, context)

    def hold_back_writes(cursor: Any, statement: str, _parameters: Any, context: ExecutionContext) -> bool:
        if redirection.is_own(context.dialect):
            return False
        if is_advisory_lock(statement):
            # Taken, it would keep a deployer out, or the plan waiting for one; env.py is told that it has the lock.
            cursor.execute("SELECT true")
            return True
        if is_read_or_setting(statement) and not _may_write(statement):
            return False
        if on_held_back is not None:
            on_held_back(statement)
        return True

    def hold_back_writes_without_parameters(cursor: Any, statement: str, context: ExecutionContext) -> bool:
        return hold_back_writes(cursor, statement, None, context)

    listeners: list[tuple[str, Callable[..., Any]]] = [
        ("do_connect", connect),
        ("do_execute", note_settings),
        ("do_execute_no_params", note_settings_without_parameters),
    ]
    if read_only:
        listeners += [
            ("do_execute", hold_back_writes),
            ("do_executemany", hold_back_writes),
            ("do_execute_no_params", hold_back_writes_without_parameters),
        ]
    for name, listener in listeners:
        event.listen(Engine, name, listener)
    try:
        yield redirection
    finally:
        for name, listener in listeners:
            event.remove(Engine, name, listener)
        for connection, entry in opened:
            _close(connection)
            if entry is not None:
                # An engine of the application's outlives env.py: its pool is to open another one next time.
                entry.invalidate(soft=True)


def _may_write(statement: str) -> bool:
    """Whether it does what a read-only session does not stop, or would make the session one that writes."""
    said = " ".join(statement.lower().split())
    lifts_guard = statement_kinds(statement) & SETTINGS and ("read_only" in said or "read write" in said)
    return bool(lifts_guard) or acts_outside_transaction(statement)


def _point_at(
    target: DatabaseUrl, dialect: Dialect, cargs: list[Any], cparams: dict[str, Any], read_only: bool
) -> None:
    """Replace what identifies the database in an engine's connect arguments; keep the rest (options, timeouts)."""
    if dialect.driver not in UNDERSTOOD_DRIVERS:
        raise EnvironmentRefused(
            f"env.py connects through the driver {dialect.driver!r}, which erm cannot point at the target.",
            effect="Nothing was planned or run.",
            cure="Use psycopg2, psycopg or asyncpg in env.py.",
        )
    if read_only:
        target = _without_asking_for_writes(target)
    url = target.sqlalchemy_url(f"postgresql+{dialect.driver.removesuffix('_async')}")
    arguments, parameters = dialect.create_connect_args(url)
    for key in IDENTITY & cparams.keys():
        del cparams[key]
    cargs[:] = list(arguments)
    for key, value in parameters.items():
        cparams[key] = f"{cparams[key]} {value}" if key == "options" and cparams.get(key) else value
    if not read_only:
        return
    if dialect.driver == "asyncpg":
        settings = dict(cparams.get("server_settings") or {})
        cparams["server_settings"] = {**settings, "default_transaction_read_only": "on"}
    else:
        cparams["options"] = f"{cparams.get('options') or ''} -c default_transaction_read_only=on".strip()


def _without_asking_for_writes(target: DatabaseUrl) -> DatabaseUrl:
    """A driver that looks for a session which may write refuses the read-only one that a plan gives it."""
    wanted = target.parameters.get("target_session_attrs") or os.environ.get("PGTARGETSESSIONATTRS")
    return target.with_parameters(target_session_attrs="primary") if wanted == "read-write" else target


def _close(connection: DBAPIConnection) -> None:
    """An env.py that leaves its connection open would keep its advisory lock from the next run of the same env.py."""
    if hasattr(connection, "run_async"):
        return  # its event loop has ended, and the transport with it
    with contextlib.suppress(Exception):
        connection.close()
