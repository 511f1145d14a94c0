"""What the user asks for: a direction, and how far."""

from __future__ import annotations

from dataclasses import dataclass

from erm_alembic.planning.model import Direction

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    Args:
        direction: up or down.
        to: the revision to reach (up: `heads` by default) or to keep (down); None for `count`.
        count: how many revisions to take back when `to` is None.
        only: whether `to` alone is meant, and nothing on the way to it.
    """

    direction: Direction = "upgrade"
    to: str | None = None
    count: int = 1
    only: bool = False

    @property
    def destination(self) -> str:
        """What env.py is told as the destination of this run."""
        return self.to or ("heads" if self.direction == "upgrade" else f"-{self.count}")
