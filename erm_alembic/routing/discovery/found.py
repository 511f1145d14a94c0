"""What a way to discover replicas gives, and what is asked of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.routing.options import ReplicaConfig

__all__ = ["Discovery", "DiscoveryFailed", "Found"]


class DiscoveryFailed(Exception):
    """The replicas cannot be discovered now; its words hold no secret."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was discovered of a cluster at one moment.

    Args:
        replicas: its replicas, whether they can be read from or not: the monitor asks each one.
        primary: the address of its primary; None where that is not known, and stays where it was.
    """

    replicas: tuple[ReplicaConfig, ...] = ()
    primary: DatabaseUrl | None = None


class Discovery(Protocol):
    """A way to discover replicas. Asked on a thread of its own, never while somebody routes."""

    @property
    def finds_primary(self) -> bool:
        """Whether it knows where the primary is, too."""
        ...

    @property
    def search_interval(self) -> float:
        """How often it is asked, in seconds."""
        ...

    @property
    def kept_for(self) -> float:
        """How long what it found last holds while it fails, in seconds."""
        ...

    def find(self, primary: DatabaseUrl) -> Found:
        """What there is now; may block, but not for ever.

        Args:
            primary: the address that the cluster was given: its user, database and parameters.

        Raises:
            DiscoveryFailed: it cannot be known now.
        """
        ...
