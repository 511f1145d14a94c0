"""What the user asks for: a direction, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Direction", "Mode", "Request", "mode_of", "plan_option", "run_option"]

Direction = Literal["upgrade", "downgrade"]
Mode = Literal["apply", "rollback"]


def mode_of(direction: Direction) -> Mode:
    """What running a plan of a direction is called: on the command line, in messages and in the ledger.

    Example:
        >>> mode_of("upgrade"), mode_of("downgrade")
        ('apply', 'rollback')
    """
    return "apply" if direction == "upgrade" else "rollback"


def run_option(direction: Direction) -> str:
    """What follows `erm migrate` in a command that a message names, where it is to run.

    Example:
        >>> run_option("upgrade"), run_option("downgrade")
        ('', ' --mode rollback')
    """
    return "" if direction == "upgrade" else " --mode rollback"


def plan_option(direction: Direction) -> str:
    """What follows `erm migrate` where it is to plan; a rollback needs `--check` or `--out` besides.

    Example:
        >>> plan_option("upgrade"), plan_option("downgrade")
        (' --mode plan', ' --mode rollback')
    """
    return " --mode plan" if direction == "upgrade" else " --mode rollback"


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
