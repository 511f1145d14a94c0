"""SQLAlchemy's engines within a run of smoke tests: those for the target share its one transaction, others are refused.

Whoever begins a transaction on a connection of SQLAlchemy's gets a savepoint; its rollback goes back there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, Pool

from erm_alembic.shadow.child.clean_environment import NOWHERE
from erm_alembic.testing.smoke.connection import SmokeConnection
from erm_alembic.testing.smoke.transaction import SmokeTransaction

__all__ = ["JoinedEngines"]


# The names of dialects for which a project may mean psycopg; those of the transaction's connection are psycopg2's.
OF_PSYCOPG = ("postgresql", "postgresql.psycopg")


class JoinedDialect(PGDialect_psycopg2):
    """The dialect of psycopg2, where a project's address names psycopg or no driver."""

    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Dialect]:
        """That of psycopg: an asynchronous engine cannot take part, and says so when it connects."""
        from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg

        return PGDialectAsync_psycopg


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
        for name in OF_PSYCOPG:
            registry.register(name, __name__, JoinedDialect.__name__)

    def engine(self) -> Engine:
        """An engine for the target."""
        address = URL.create("postgresql+psycopg2", host=NOWHERE, database=self._database)
        return create_engine(address, poolclass=NullPool, hide_parameters=True)

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
        if dialect.driver != "psycopg2" or host != NOWHERE:
            where = "the target" if host == NOWHERE else "another address than the target's"
            self._transaction.escapes.refuse(
                f"An engine on {dialect.driver} for {where} opens a connection of its own in a smoke test.",
                effect="It was not opened.",
                cure="Take sessions from erm_smoke_session or erm_smoke_engine. A synchronous engine whose address "
                "comes from a variable, such as DATABASE_URL, takes part in the test's transaction by itself.",
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
            self._transaction.is_handed_over = False

    def _is_put_back(self, dbapi_connection: Any, _entry: Any, _state: Any) -> None:
        if isinstance(dbapi_connection, SmokeConnection):
            self._transaction.is_handed_over = True

    def _is_free(self, dbapi_connection: Any, _entry: Any) -> None:
        if isinstance(dbapi_connection, SmokeConnection):
            self._transaction.is_handed_over = False
