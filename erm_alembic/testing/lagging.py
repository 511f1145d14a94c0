"""A replica that lags on demand, without a standby: one database, part of whose readers live in the past.

The replica of a `LaggingReplica` is the primary itself, read in an exported snapshot: what was committed since the last
`advance()` is not seen there, and nothing can be written. Sessions, policies and blocks are the real ones, and decide
by what a monitor says that does as it is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any

from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.deciding.budget import FallbackBudget
from erm_alembic.routing.limits import Lag, lag_limit
from erm_alembic.testing.past import Past
from erm_alembic.testing.simulated import Simulation

__all__ = ["LaggingReplica"]


class LaggingReplica:
    """A cluster of one database, whose replica shows the database as it was at the last `advance()`.

    Args:
        url: the address of the database, with the driver that synchronous sessions are to use.
        name: what the replica is called.
        engine_options: what else `sqlalchemy.create_engine` is told of each engine.
        fallback_budget: how many reads the primary takes over; None sets no bound.

    Raises:
        ConfigurationError: the address is none.
        TargetError: the database cannot be reached.

    Example:
        with LaggingReplica("postgresql://app@localhost/app_test") as replica:
            with replica.cluster.sessionmaker()() as session:
                session.add(Order(id=1))
                session.commit()
            with replica.cluster.sessionmaker(read=True)() as session:
                session.get(Order, 1)    # None: the replica has not got it yet
                replica.advance()
                session.get(Order, 1)    # is there
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "replica",
        engine_options: Mapping[str, Any] = MappingProxyType({}),
        fallback_budget: FallbackBudget | None = None,
    ) -> None:
        self._past = Past()
        self._simulation = Simulation(url, name, self._past, engine_options, fallback_budget)
        self.cluster: Cluster = self._simulation.cluster
        # Whoever goes on with what it was told before has to hear of it at once.
        self._tell = self._simulation.tell
        try:
            self.advance()
        except BaseException:
            self.close()
            raise

    @property
    def lag(self) -> float | None:
        """How far behind the primary the replica is said to be, in seconds; None is unknown. 0 at first.

        Set it to seconds, a timedelta, "10s", or bytes of log such as "16MB". It is what is reported, and what
        `max_lag` and `max_follower_lag` are held against; what the replica shows is a matter of `advance()` alone.
        """
        return self._past.lag

    @lag.setter
    def lag(self, lag: Lag | None) -> None:
        limit = lag_limit(lag)
        self._past.lag = None if lag is None else limit.seconds or 0.0
        self._past.lag_bytes = limit.bytes or 0
        self._tell()

    def advance(self) -> None:
        """Let the replica replay everything that is committed by now.

        Raises:
            TargetError: the database cannot be reached.
        """
        simulation = self._simulation
        self._past.begin(self.cluster.primary.url.dsn(), simulation.primary_position, simulation.read_catalogs)
        self._tell()

    def fail(self) -> None:
        """Let the replica be out of reach, as its monitor says, until `recover()`."""
        self._past.reachable = False
        self._tell()

    def recover(self) -> None:
        """Let it be within reach again."""
        self._past.reachable = True
        self._tell()

    def close(self) -> None:
        """Let go of all connections; those of asynchronous sessions want `await cluster.aclose()` before."""
        self.cluster.close()
        self._past.end()

    def __enter__(self) -> LaggingReplica:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
