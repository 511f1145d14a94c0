"""When something was done to which server: an error is excused by the event that explains it, and by nothing else."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy.exc import TimeoutError as PoolTimeout

from erm_alembic.errors import TargetError
from erm_alembic.routing.failures import worth_another_server

__all__ = ["PRIMARY", "Window", "Windows", "is_of_a_lost_server"]

# The role, whichever server has it.
PRIMARY = "primary"


@dataclass(frozen=True)
class Window:
    """One event.

    Args:
        what: what was done.
        servers: the names of those that it was done to, `PRIMARY` among them where it was that.
        began_at: when, by `time.monotonic()`.
        ended_at: when it was no longer felt; infinite while it lasts.
    """

    what: str
    servers: frozenset[str]
    began_at: float
    ended_at: float = math.inf


class Windows:
    """The events of a run.

    Args:
        aftermath: how long after its end an event may still be felt, in seconds: by a connection that was idle, by a
            monitor that rests.
    """

    def __init__(self, aftermath: float) -> None:
        self.aftermath = aftermath
        self._lock = threading.Lock()
        self._all: list[Window] = []

    @contextmanager
    def lasting(self, what: str, *servers: str) -> Iterator[None]:
        """An event from here to the end of the block.

        Args:
            what: what is done.
            servers: to whom.
        """
        window = Window(what, frozenset(servers), time.monotonic())
        with self._lock:
            place = len(self._all)
            self._all.append(window)
        try:
            yield
        finally:
            with self._lock:
                self._all[place] = replace(window, ended_at=time.monotonic() + self.aftermath)

    def explain(self, began_at: float, ended_at: float, *servers: str) -> str:
        """What happened to one of some servers between two moments; empty where nothing did.

        Args:
            began_at: the first moment, by `time.monotonic()`.
            ended_at: the last.
            servers: their names; none stands for any server.
        """
        with self._lock:
            felt = [each for each in self._all if each.began_at <= ended_at and began_at <= each.ended_at]
        return next((each.what for each in felt if not servers or each.servers & set(servers)), "")

    def are_over_at(self) -> float:
        """The moment at which nothing of what was done so far is felt any more, by `time.monotonic()`."""
        with self._lock:
            return max((each.ended_at for each in self._all), default=0.0)


def is_of_a_lost_server(error: Exception) -> bool:
    """Whether an error is one that the loss of a server brings about, and no wrong statement or broken session does."""
    return isinstance(error, TargetError | PoolTimeout) or worth_another_server(error)
