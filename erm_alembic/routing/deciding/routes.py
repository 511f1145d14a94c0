"""Where a statement went, and why: values for logs, tests and people, and what they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from erm_alembic.routing.deciding.reasons import Reason

__all__ = ["ELSEWHERE", "Decision", "Explanation", "Route"]

# The name of a server that is none of the cluster's.
ELSEWHERE = "elsewhere"


class Decision(NamedTuple):
    """One decision, as those know it who make and count it.

    Args:
        server: the name of the server.
        is_replica: whether it is one.
        reason: why there.
    """

    server: str
    is_replica: bool
    reason: Reason

    @property
    def route(self) -> Route:
        """The same in words."""
        return Route(self.server, self.is_replica, str(self.reason))


@dataclass(frozen=True, slots=True)
class Route:
    """One decision.

    Args:
        name: the name of the server: `primary`, or that of a replica.
        is_replica: whether it is one.
        reason: why there, as a sentence without its full stop.
    """

    name: str
    is_replica: bool
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would happen with a statement, and why.

    Args:
        route: where it would go now; None where it would be refused.
        read: why it is not known to be a pure read; empty where it is.
        refused: why it would be refused; empty where it would not.
        replicas: of each replica why it would not be taken; empty where it could be.
    """

    route: Route | None
    read: str
    refused: str
    replicas: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        lines = [str(self.route) if self.route else f"refused: {self.refused}"]
        if self.read:
            lines.append(f"not known to be a pure read: {self.read}")
        lines += [f"{name}: {why or 'could be taken'}" for name, why in self.replicas.items()]
        return "\n".join(lines)
