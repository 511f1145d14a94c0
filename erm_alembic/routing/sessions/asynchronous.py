"""Sessions for asyncio: the same routing, within SQLAlchemy's own `AsyncSession`."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from erm_alembic.routing.deciding.routes import Explanation, Route
from erm_alembic.routing.deciding.waiting import in_thread
from erm_alembic.routing.sessions.session import RoutingSession

__all__ = ["AsyncRoutingSession"]


class AsyncRoutingSession(AsyncSession):
    """An `AsyncSession` whose reads go to replicas that are fresh enough.

    Args:
        cluster: the cluster that it reads from.
        bind: as `AsyncSession` takes it: where everything goes, to no replica.
        options: what `AsyncSession` and `RoutingSession` take.
    """

    sync_session_class = RoutingSession
    sync_session: RoutingSession

    def __init__(self, bind: Any = None, **options: Any) -> None:
        super().__init__(bind, **{"asynchronous": True, **options})

    @property
    def last_route(self) -> Route | None:
        """Where the last statement went, and why; None before the first."""
        return self.sync_session.last_route

    def explain(self, statement: Any) -> Explanation:
        """Where a statement would go in this session now, and why; nothing is sent.

        Args:
            statement: what would be executed.
        """
        return self.sync_session.explain(statement)

    async def causal_token(self) -> str | None:
        """What stands for this session's last commit elsewhere; None while it has written nothing.

        Raises:
            TargetError: the primary cannot be reached.
        """
        return await in_thread(lambda: self.sync_session.causal_token)
