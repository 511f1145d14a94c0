"""Sessions of SQLModel, with `exec()`, that read from replicas; the application's models stay as they are."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from erm_alembic.routing.sessions.asynchronous import AsyncRoutingSession
from erm_alembic.routing.sessions.session import RoutingSession

__all__ = ["AsyncSQLModelRoutingSession", "SQLModelRoutingSession"]


# SQLModel's comes first: its `exec` calls the next one's `execute`, which asks another server where one fails.
class SQLModelRoutingSession(Session, RoutingSession):  # type: ignore[misc]  # its `execute` names what it passes on
    """The session class for `cluster.sessionmaker(class_=...)`.

    Args:
        options: what `RoutingSession` takes.

    Example:
        >>> from erm_alembic.routing import connect_cluster
        >>> with connect_cluster("postgresql://app@db/shop") as cluster:
        ...     new_session = cluster.sessionmaker(class_=SQLModelRoutingSession, read=True)
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        RoutingSession.__init__(self, *arguments, **options)


class AsyncSQLModelRoutingSession(AsyncSession, AsyncRoutingSession):
    """The session class for `cluster.async_sessionmaker(class_=...)`.

    Args:
        bind: as `AsyncSession` takes it.
        options: what `RoutingSession` takes.
    """

    sync_session_class = SQLModelRoutingSession
    sync_session: SQLModelRoutingSession

    def __init__(self, bind: Any = None, **options: Any) -> None:
        AsyncRoutingSession.__init__(self, bind, **options)
