"""What routing asks of whoever knows its servers: the monitor; in an application's tests, what a test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from erm_alembic.routing.positions import Position
from erm_alembic.routing.watching.state import ClusterState

__all__ = ["StateSource"]

Answer = TypeVar("Answer")


class StateSource(Protocol):
    """Where it is known how far the servers are."""

    @property
    def state(self) -> ClusterState:
        """What is known now: one value, which is replaced whole. Asks nobody."""

    def start(self) -> None:
        """Have the servers watched from now on; where that is done already, nothing but one look."""

    def wait_for(
        self, find: Callable[[], Answer | None], timeout: float, position: Position | None = None
    ) -> Answer | None:
        """Wait until something can be found in what is known; None when the time is over.

        Args:
            find: looks, and asks nobody.
            timeout: how long to wait, in seconds.
            position: what replicas have to replay before that can be found; None where it is not known.
        """

    async def wait_in_loop(
        self, find: Callable[[], Answer | None], timeout: float, position: Position | None = None
    ) -> Answer | None:
        """The same for asyncio: no thread waits.

        Args:
            find: looks, and asks nobody.
            timeout: how long to wait, in seconds.
            position: what replicas have to replay before that can be found; None where it is not known.
        """

    def primary_position(self) -> Position:
        """How far the primary has written at this moment.

        Raises:
            TargetError: the primary cannot be reached.
        """
