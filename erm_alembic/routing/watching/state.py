"""What is known of a cluster's servers at one moment: values that the monitor publishes and routing reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType

__all__ = ["UNKNOWN", "ClusterState", "PrimaryState", "ReplicaState", "Trouble"]


class Trouble(Enum):
    """Why a server cannot be used, for whoever acts on it; for people the same stands in `problem`.

    Attributes:
        NONE: it can.
        NOT_ASKED: nobody has asked it yet.
        UNREACHABLE: it did not answer the last time.
        DEMOTED: the primary is in recovery.
        NO_STANDBY: the replica is not: it is the primary itself, that of another cluster, or was promoted.
        PRIMARY_UNKNOWN: the primary has not said yet which history is its own.
        OTHER_CLUSTER: the replica is of another cluster.
        OTHER_HISTORY: it is on another timeline, or has replayed what the primary never wrote.
        OTHER_DATABASE: its address leads to another database.
        NOT_TOLD: its role may not see whom it follows.
        NO_HEARTBEAT: the heartbeat that it would be measured by cannot be written or read.
        NO_POSITION: how far it has replayed is not known.
    """

    NONE = auto()
    NOT_ASKED = auto()
    UNREACHABLE = auto()
    DEMOTED = auto()
    NO_STANDBY = auto()
    PRIMARY_UNKNOWN = auto()
    OTHER_CLUSTER = auto()
    OTHER_HISTORY = auto()
    OTHER_DATABASE = auto()
    NOT_TOLD = auto()
    NO_HEARTBEAT = auto()
    NO_POSITION = auto()


@dataclass(frozen=True, slots=True)
class PrimaryState:
    """What the monitor last heard of the primary.

    Args:
        seen_at: when it was asked, by `time.monotonic()`; None while it was never reached.
        reachable: whether it answered the last time.
        writable: whether it is a primary: out of recovery. False for one that was demoted.
        system: the system identifier; None while unknown.
        timeline: the timeline that it writes; None while unknown.
        lsn: its insert position, normalised; None while unknown.
        problem: why it is not reachable or not writable, in words without secrets; empty when it is both.
        database: the database that its address leads to; None while unknown.
        trouble: what `problem` puts into words.
    """

    seen_at: float | None = None
    reachable: bool = False
    writable: bool = False
    system: int | None = None
    timeline: int | None = None
    lsn: int | None = None
    problem: str = "not asked yet"
    database: str | None = None
    trouble: Trouble = Trouble.NOT_ASKED


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """What the monitor last heard of a replica, set against what it knows of the primary.

    Args:
        name: the replica's name.
        seen_at: when it was asked, by `time.monotonic()`; None while it was never reached.
        reachable: whether it answered the last time.
        in_recovery: whether it is a standby; False for one that was promoted.
        follows: whether it is known to be on the primary's timeline, of the primary's cluster; False too where its
            address leads to another database there.
        replay_lsn: how far it has replayed; None while unknown.
        timeline: the timeline that it is known to follow; None while unknown.
        fresh_as_of: the latest moment (`time.monotonic()`) of which is known that all that was committed on the
            primary before it, the replica has replayed; None while that is unknown. What it answers is stale by no
            more than the time since.
        lag: how long the replica has been behind, in seconds: the age of the first write seen on the primary that it
            has not replayed; 0 where there is none, None while unknown. For people: `fresh_as_of` decides.
        at_least: whether `lag` is a lower bound, because the write is older than what the monitor remembers.
        lag_bytes: how many bytes of log it is behind the primary's last known position; None while unknown.
        problem: why it cannot be read from, in words without secrets; empty when it can.
        system: the system identifier of its cluster; None while unknown.
        trouble: what `problem` puts into words.
        started: when the server that answered was started, by its own clock: which server, and which run of it, all
            this is known of; None while unknown.
    """

    name: str
    seen_at: float | None = None
    reachable: bool = False
    in_recovery: bool = False
    follows: bool = False
    replay_lsn: int | None = None
    timeline: int | None = None
    fresh_as_of: float | None = None
    lag: float | None = None
    at_least: bool = False
    lag_bytes: int | None = None
    problem: str = "not asked yet"
    system: int | None = None
    trouble: Trouble = Trouble.NOT_ASKED
    started: float | None = None


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All servers at one moment; immutable, so that a reader needs no lock.

    Args:
        taken_at: when the monitor put it together, by `time.monotonic()`; None before the first time.
        primary: the primary.
        replicas: the replicas by name.
    """

    taken_at: float | None = None
    primary: PrimaryState = PrimaryState()
    replicas: Mapping[str, ReplicaState] = field(default_factory=lambda: MappingProxyType({}))

    def start_of(self, replica: str) -> float | None:
        """When the server was started that is known by a replica's name; None while that is not known.

        Args:
            replica: the name.
        """
        known = self.replicas.get(replica)
        return None if known is None else known.started


UNKNOWN = ClusterState()
