"""The savepoints of those who believe that they have a transaction of their own, within the one of a smoke test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Savepoints"]

SET = "SAVEPOINT {0}"
RELEASE = "RELEASE SAVEPOINT {0}"
GO_BACK = "ROLLBACK TO SAVEPOINT {0}"
END = f"{GO_BACK}; {RELEASE}"


class _Savepoint(NamedTuple):
    number: int
    owner: object
    whereabouts: tuple[int, object]


class Savepoints:
    """Savepoints, each of somebody, the latest last.

    In the server, the end of a savepoint is that of all within it. Whoever ends its own while a later one is open that
    another thread or another task has set leaves both where they are.

    Args:
        send: sends a statement, given the number of the savepoint that it is about.
    """

    def __init__(self, send: Callable[[str, int], None]) -> None:
        self._send = send
        self._lock = threading.RLock()
        self._numbers = 0
        self._open: list[_Savepoint] = []

    def begin(self, owner: object) -> None:
        """Set the first one of a transaction, and forget those of the one before.

        Args:
            owner: whose.
        """
        with self._lock:
            self._open.clear()
            self.push(owner)

    def push(self, owner: object) -> None:
        """Set one.

        Args:
            owner: whose.
        """
        with self._lock:
            number, self._numbers = self._numbers, self._numbers + 1
            self._send(SET, number)
            self._open.append(_Savepoint(number, owner, _whereabouts()))

    def release(self, owner: object) -> None:
        """Keep what somebody has done.

        Args:
            owner: who.
        """
        self._end(owner, RELEASE, at_any_cost=False)

    def undo(self, owner: object, *, at_any_cost: bool) -> bool:
        """Undo what somebody has done.

        Args:
            owner: who.
            at_any_cost: whether also what others have done since, because the server does nothing else any more.

        Returns:
            Whether it is undone, or was before.
        """
        return self._end(owner, END, at_any_cost)

    def go_back(self, *, first: bool = False) -> None:
        """Undo what was done since the latest was set, or since the first was.

        Args:
            first: whether to go back to the first.
        """
        with self._lock:
            if first:
                del self._open[1:]
            self._send(GO_BACK, self._open[-1].number)

    def _end(self, owner: object, statement: str, at_any_cost: bool) -> bool:
        with self._lock:
            place = next((at for at, each in enumerate(self._open) if each.owner is owner), None)
            if place is None:
                return True
            ended, *within = self._open[place:]
            if not at_any_cost and any(each.whereabouts != ended.whereabouts for each in within):
                del self._open[place]
                return False
            del self._open[place:]
            self._send(statement, ended.number)
            return True


def _whereabouts() -> tuple[int, object]:
    """The thread, and the task of its event loop."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident(), task
