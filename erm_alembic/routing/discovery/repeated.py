"""What every way to discover replicas is told of how often it searches, and of each replica that it finds."""

from __future__ import annotations

from functools import cached_property

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.routing.limits import Duration, Lag, lag_limit, seconds
from erm_alembic.routing.options import ReplicaConfig

__all__ = ["RepeatedSearch"]


class RepeatedSearch:
    """A discovery that searches at intervals; its frozen dataclass declares these fields, each with its default.

    Args:
        read_only: as for one replica, of each that is found.
        max_follower_lag: the same.
        weight: the same.
        interval: how long from one search to the next.
        keep_for: how long what is known holds while the search fails.
    """

    read_only: bool
    max_follower_lag: Lag | None
    weight: float
    interval: Duration
    keep_for: Duration

    @cached_property
    def search_interval(self) -> float:
        """How often it searches, in seconds."""
        return seconds(self.interval)

    @cached_property
    def kept_for(self) -> float:
        """How long the known replicas are kept while the search fails, in seconds."""
        return seconds(self.keep_for)

    def replica(self, name: str, url: str | DatabaseUrl) -> ReplicaConfig:
        """One that was found.

        Args:
            name: what it is called.
            url: its address.
        """
        return ReplicaConfig(name, url, self.read_only, self.max_follower_lag, self.weight)

    def verify(self) -> None:
        """Tell of what is wrong where it was written, and not when it is searched first.

        Raises:
            ValueError: a duration, lag or weight is none.
        """
        if not self.search_interval:
            raise ValueError("the interval is longer than nothing")
        seconds(self.keep_for)
        lag_limit(self.max_follower_lag)
        self.replica("any", "postgresql://any")
