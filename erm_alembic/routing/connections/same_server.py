"""Whether a connection leads to the server that the monitor speaks of: an address may lead elsewhere at any time.

Behind a name in DNS, a service, a balancer or a list of hosts there may be one server now and another one later, or for
each connection. What is known of the one says nothing of the other. A server is told by when it was started: no two are
within the same microsecond.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event, exc
from sqlalchemy.pool import ConnectionPoolEntry

from erm_alembic.postgres.replication import FACTS
from erm_alembic.routing.failures import OtherServer

__all__ = ["hold_to_server", "is_other"]

# Under which a pool's entry knows when the server of its connection was started.
_KEY = "erm_server_started"
_QUESTION = f"SELECT {FACTS['started']}"


def hold_to_server(engine: Engine, name: str, known_start: Callable[[], float | None]) -> None:
    """Let nobody read over a connection to another server than the one that is known.

    Args:
        engine: a replica's, that was just made.
        name: what the replica is called.
        known_start: says when the server was started that is known; None while none is.
    """

    def opened(connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[_KEY] = started = _asked(connection)
        if is_other(started, known_start()):
            with contextlib.suppress(Exception):  # whatever the driver says, nobody waits for it
                connection.close()
            raise OtherServer(
                f"The address of replica {name!r} has led to another server than the one that is known of.",
                effect="Nothing was read there.",
                cure="Give each replica an address of its own; a name that was moved is followed by itself.",
            )

    def taken(_connection: Any, entry: ConnectionPoolEntry, _fairy: Any) -> None:
        if is_other(entry.info.get(_KEY), known_start()):
            raise exc.DisconnectionError("it leads to a former server")

    event.listen(engine, "connect", opened)
    event.listen(engine, "checkout", taken)


def is_other(started: float | None, known: float | None) -> bool:
    """Whether two moments at which servers were started are those of two; what is not known speaks for none.

    Args:
        started: of the one.
        known: of the other.

    Example:
        >>> is_other(1.0, 2.0), is_other(1.0, None)
        (True, False)
    """
    return started != known and started is not None and known is not None


def _asked(connection: Any) -> float | None:
    cursor = connection.cursor()
    try:
        cursor.execute(_QUESTION)
        return float(cursor.fetchone()[0])
    finally:
        cursor.close()
        connection.rollback()
