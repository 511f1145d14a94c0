"""What an application says of its replicas, and what a read asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import PoolSettings
from erm_alembic.errors import ConfigurationError
from erm_alembic.routing.limits import Duration, Lag, LagLimit, lag_limit, seconds
from erm_alembic.routing.misuse import suggesting
from erm_alembic.routing.need import NOTHING_NEEDED, Need

__all__ = ["PRIMARY", "PRIMARY_ONLY", "ReadMode", "ReplicaConfig", "ReplicaReadOptions", "pool_settings"]

# What the primary is called where servers have names, so that no replica may be.
PRIMARY = "primary"


@suggesting(max_lag="max_follower_lag")
@dataclass(frozen=True)
class ReplicaConfig:
    """One replica of a cluster.

    Args:
        name: what it is called in logs, metrics and explanations.
        url: its address, as for the primary.
        read_only: whether it takes no writes, as every standby; reads with `require_read_only` go to such alone.
        max_follower_lag: how far behind the primary it may be read, whatever a read allows: seconds, a timedelta, "5s",
            or bytes of log such as "16MB"; None leaves it to the read.
        weight: its share of the reads, beside the other replicas' weights.

    Raises:
        ValueError: the name is empty, the weight is not positive, or the lag is no lag.

    Example:
        >>> ReplicaConfig("east", "postgresql://app@east/shop", max_follower_lag="15s").limit.seconds
        15.0
    """

    name: str
    url: str | DatabaseUrl = field(repr=False)
    read_only: bool = True
    max_follower_lag: Lag | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a replica needs a name")
        if not 0 < self.weight < float("inf"):
            raise ValueError(f"the weight of replica {self.name!r} is no positive number: {self.weight!r}")
        lag_limit(self.max_follower_lag)

    @property
    def limit(self) -> LagLimit:
        """`max_follower_lag`, read."""
        return lag_limit(self.max_follower_lag)


@suggesting(max_follower_lag="max_lag")
@dataclass(frozen=True)
class ReplicaReadOptions:
    """What a read asks of a replica.

    Args:
        max_lag: how stale the answer may be: seconds, a timedelta, "5s", or bytes of log such as "16MB"; None sets no
            bound of its own.
        max_wait: how long to wait for a replica that is fresh enough before the primary is asked; seconds, a timedelta
            or "200ms".
        require_read_only: only replicas that are declared `read_only`.
        disable_fallback: raise `NoReplicaAvailable` rather than read from the primary.
        prevent_writes: raise `WritePrevented` where something is written.
        snapshot: one snapshot for the whole transaction (REPEATABLE READ) instead of one for each statement.

    Raises:
        ValueError: a duration or a lag is none.

    Example:
        >>> ReplicaReadOptions(max_lag="5s", disable_fallback=True).mode.need.limit.seconds
        5.0
    """

    max_lag: Lag | None = None
    max_wait: Duration = 0.0
    require_read_only: bool = False
    disable_fallback: bool = False
    prevent_writes: bool = False
    snapshot: bool = False

    def __post_init__(self) -> None:
        self.mode  # noqa: B018 - a wrong value is told where it was written, not at the first read

    @cached_property
    def mode(self) -> ReadMode:
        """The same with its durations read, as routing wants it."""
        return ReadMode(
            need=Need(lag_limit(self.max_lag), read_only=self.require_read_only),
            max_wait=seconds(self.max_wait),
            disable_fallback=self.disable_fallback,
            prevent_writes=self.prevent_writes,
            snapshot=self.snapshot,
        )


@dataclass(frozen=True, slots=True)
class ReadMode:
    """What holds for a read: where it may go, and on which conditions.

    Args:
        replicas: whether it may go to a replica at all.
        need: what it needs of a replica.
        max_wait: how long to wait for a replica, in seconds.
        disable_fallback: never the primary instead.
        prevent_writes: nothing may be written.
        snapshot: one snapshot a transaction.
        policy: the name of the policy that says so, where it was one.
    """

    replicas: bool = True
    need: Need = NOTHING_NEEDED
    max_wait: float = 0.0
    disable_fallback: bool = False
    prevent_writes: bool = False
    snapshot: bool = False
    policy: str | None = None


PRIMARY_ONLY = ReadMode(replicas=False)

_COUNTS = ("max_conns", "min_conns")
_DURATIONS = ("max_conn_lifetime", "max_conn_idle_time", "health_check_period")


def pool_settings(pool: Mapping[str, Any]) -> PoolSettings:
    """The pool that somebody described in words of erm.yaml.

    Args:
        pool: the settings by name; durations as seconds, timedelta or "45m".

    Raises:
        ConfigurationError: a pool has no such setting.
        ValueError: a duration is none.

    Example:
        >>> pool_settings({"max_conns": 20, "max_conn_lifetime": "45m"}).max_conn_lifetime.total_seconds()
        2700.0
    """
    unknown = sorted(set(pool) - {*_COUNTS, *_DURATIONS})
    if unknown:
        raise ConfigurationError(
            f"A pool has no setting {unknown[0]!r}.",
            cure=f"It has {', '.join((*_COUNTS, *_DURATIONS))}; what SQLAlchemy takes goes into engine_options.",
        )
    settings: dict[str, Any] = {key: int(pool[key]) for key in _COUNTS if key in pool}
    settings |= {key: timedelta(seconds=seconds(pool[key])) for key in _DURATIONS if key in pool}
    return PoolSettings(**settings)
