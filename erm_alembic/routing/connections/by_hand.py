"""Commits over the primary's engine that no session of the cluster's makes: Core, or a session of SQLAlchemy's own.

What was sent nobody has looked at, so what commits counts as a write. SQLAlchemy tells of a commit before it is sent;
that it is over is known when the connection goes back to its pool. A session says itself what it commits, and says of
its connections whether they only read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from erm_alembic.routing.connections.open_connections import only_reads
from erm_alembic.routing.connections.read_only import commits_by_itself

__all__ = ["listen_to_commits"]

# Under which a pool's entry knows whom to tell that a commit is over.
_KEY = "erm_commit_is_over"


def listen_to_commits(engine: Engine, begins: Callable[[], Callable[[], None] | None]) -> None:
    """Hear of what is committed over an engine.

    Args:
        engine: the primary's.
        begins: called before each commit of what may have been written; what it returns, when that is over.
    """

    def note(connection: Connection) -> None:
        if not only_reads(connection) and (over := begins()) is not None:
            connection.info.setdefault(_KEY, []).append(over)

    def committing(connection: Connection, *_: Any) -> None:
        note(connection)

    def rolling_back(connection: Connection) -> None:
        if not connection.invalidated and commits_by_itself(connection):
            note(connection)

    def given_back(_connection: Any, entry: ConnectionPoolEntry) -> None:
        for over in entry.info.pop(_KEY, ()):
            over()

    event.listen(engine, "commit", committing)
    event.listen(engine, "commit_twophase", committing)
    event.listen(engine, "rollback", rolling_back)
    event.listen(engine, "checkin", given_back)
