"""SQLAlchemy's engines within a run of smoke tests: those for the target share its one transaction, others are refused.

Whoever begins a transaction on a connection of SQLAlchemy's gets a savepoint; its rollback goes back there. An
asynchronous engine shares it too: its connection is the same one, which keeps the event loop waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, NullPool, Pool
from sqlalchemy.util import await_only

from erm_alembic.testing.smoke.connection import SmokeConnection
from erm_alembic.testing.smoke.job import HERE
from erm_alembic.testing.smoke.transaction import SmokeTransaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["JoinedEngines"]


class JoinedDialect(PGDialect_psycopg2):
    """The dialect of psycopg2, also where a project's address names psycopg or no driver."""

    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Dialect]:
        """That of an asynchronous engine."""
        return JoinedAsyncDialect

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Whether a connection that a pool has kept is of use, without a statement in the test's transaction."""
        return not dbapi_connection.closed


class JoinedAsyncDialect(JoinedDialect):
    """The same for asynchronous engines; SQLAlchemy insists that something is awaited where a statement is sent."""

    supports_statement_cache = True
    is_async = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        """One that asynchronous engines may have."""
        return AsyncAdaptedQueuePool

    def do_execute(self, *args: Any, **kwargs: Any) -> None:
        """Send a statement."""
        await_only(_nothing())
        inherited: Any = super()
        inherited.do_execute(*args, **kwargs)

    def do_executemany(self, *args: Any, **kwargs: Any) -> None:
        """Send a statement for several sets of parameters."""
        await_only(_nothing())
        inherited: Any = super()
        inherited.do_executemany(*args, **kwargs)

    def do_execute_no_params(self, *args: Any, **kwargs: Any) -> None:
        """Send a statement without parameters."""
        await_only(_nothing())
        inherited: Any = super()
        inherited.do_execute_no_params(*args, **kwargs)


async def _nothing() -> None:
    pass


# The names of the dialects that stand for the one connection, which is psycopg2's, whatever driver they name.
JOINED = {
    "postgresql": JoinedDialect,
    "postgresql.psycopg2": JoinedDialect,
    "postgresql.psycopg": JoinedDialect,
    "postgresql.psycopg_async": JoinedAsyncDialect,
    "postgresql.asyncpg": JoinedAsyncDialect,
}


class JoinedEngines:
    """Gives every engine of the process the one connection, or refuses.

    Args:
        transaction: what holds the connection.
        database: the name of the target's database.
    """

    def __init__(self, transaction: SmokeTransaction, database: str) -> None:
        self._transaction = transaction
        self._database = database
        self._entries: list[ConnectionPoolEntry] = []
        listeners: list[tuple[Any, str, Callable[..., Any]]] = [
            (Engine, "do_connect", self._connect),
            (Engine, "begin", self._begins),
            (Engine, "commit", self._ends),
            (Engine, "rollback", self._ends),
            (Pool, "checkout", self._is_taken),
            (Pool, "reset", self._is_put_back),
            (Pool, "checkin", self._is_free),
        ]
        for target, name, listener in listeners:
            event.listen(target, name, listener)
        for name, dialect in JOINED.items():
            registry.register(name, __name__, dialect.__name__)

    def engine(self) -> Engine:
        """An engine for the target."""
        address = URL.create("postgresql+psycopg2", host=HERE, database=self._database)
        return create_engine(address, poolclass=NullPool, hide_parameters=True)

    def async_engine(self) -> AsyncEngine:
        """An asynchronous engine for the target."""
        from sqlalchemy.ext.asyncio import create_async_engine

        address = URL.create("postgresql+asyncpg", host=HERE, database=self._database)
        return create_async_engine(address, poolclass=NullPool, hide_parameters=True)

    def forget(self) -> None:
        """Have every pool open its connections anew: what was set in the session is gone with the transaction."""
        for entry in self._entries:
            entry.invalidate(soft=True)
        self._entries.clear()

    def _connect(
        self, dialect: Dialect, entry: ConnectionPoolEntry | None, cargs: list[Any], cparams: dict[str, Any]
    ) -> Any:
        if dialect.name != "postgresql":
            return None
        host = cparams.get("host")
        if dialect.driver != "psycopg2" or host != HERE:
            where = "the target" if host == HERE else "another address than the target's"
            self._transaction.escapes.refuse(
                f"An engine on {dialect.driver} for {where} opens a connection of its own in a smoke test.",
                effect="It was not opened.",
                cure="Take sessions from erm_smoke_session or erm_smoke_engine. An engine whose address comes from a "
                "variable, such as DATABASE_URL, takes part in the test's transaction by itself.",
            )
        if entry is not None:
            self._entries.append(entry)
        self._transaction.is_handed_over = True
        return self._transaction.connection

    def _is_ours(self, connection: Connection) -> bool:
        return connection.dialect.driver == "psycopg2" and isinstance(
            connection.connection.dbapi_connection, SmokeConnection
        )

    def _begins(self, connection: Connection) -> None:
        if self._is_ours(connection):
            self._transaction.is_handed_over = False
            self._transaction.push(connection)

    def _ends(self, connection: Connection) -> None:
        if self._is_ours(connection):
            self._transaction.ends(connection)

    def _is_taken(self, dbapi_connection: Any, _entry: Any, _proxy: Any) -> None:
        if isinstance(dbapi_connection, SmokeConnection):
            self._transaction.is_taken()

    def _is_put_back(self, dbapi_connection: Any, _entry: Any, _state: Any) -> None:
        if isinstance(dbapi_connection, SmokeConnection):
            self._transaction.is_handed_over = True

    def _is_free(self, dbapi_connection: Any, _entry: Any) -> None:
        if isinstance(dbapi_connection, SmokeConnection):
            self._transaction.is_handed_over = False
