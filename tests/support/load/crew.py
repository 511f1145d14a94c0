"""Those who load: threads and tasks, each of which goes on until it is told to stop, or is reported."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

__all__ = ["Crew", "where"]


def where(name: str, frames: int = 12) -> str:
    """Where the thread of a name stands: its innermost calls, the last one first; empty where there is none.

    Args:
        name: the thread's name.
        frames: how many calls.
    """
    for thread in threading.enumerate():
        frame = sys._current_frames().get(thread.ident or 0) if thread.name == name else None
        if frame is not None:
            calls = traceback.extract_stack(frame)[-frames:]
            return " < ".join(f"{Path(call.filename).name}:{call.lineno} {call.name}" for call in reversed(calls))
    return ""


@dataclass
class _Hand:
    """One of them."""

    name: str
    doing: Callable[[], str]
    # Set by its own work's return, by nothing else: who has died has not ended.
    has_ended: bool = False
    has_died: bool = False


class Crew:
    """Threads and tasks between the beginning and the end of a block.

    Whoever ends by an exception, ends before he was told to, or does not end in time is reported.

    Args:
        report: told of each of these, in words.
        ends_within: how long all of them may take together to end, in seconds.

    Example:
        >>> crew = Crew(print)
        >>> crew.thread("reader", lambda: crew.stopping.wait())
        >>> with crew:
        ...     pass
    """

    def __init__(self, report: Callable[[str], None], ends_within: float = 30.0) -> None:
        self.stopping = threading.Event()
        self._report, self._ends_within = report, ends_within
        self._hands: list[_Hand] = []
        self._threads: list[threading.Thread] = []

    def thread(self, name: str, work: Callable[[], object], doing: Callable[[], str] = lambda: "its work") -> None:
        """Let somebody work in a thread.

        Args:
            name: the name, for reports.
            work: returns soon after `stopping` was set.
            doing: what is being done, for the report on one who hangs.
        """
        hand = self._hired(name, doing)

        def run() -> None:
            try:
                work()
                self._has_ended(hand)
            except BaseException as error:
                self._has_died(hand, error)

        self._threads.append(threading.Thread(target=run, name=name, daemon=True))

    def tasks(
        self,
        works: Mapping[str, Callable[[], Awaitable[object]]],
        at_end: Callable[[], Awaitable[object]],
        doing: Callable[[str], str] = lambda name: "its work",
    ) -> None:
        """Let several work in tasks of one loop, which has a thread of its own.

        Args:
            works: by name.
            at_end: what to do when all are over, in the same loop.
            doing: what one does, by the name.
        """
        hands = {name: self._hired(name, lambda name=name: doing(name)) for name in works}

        async def run(name: str) -> None:
            try:
                await works[name]()
                self._has_ended(hands[name])
            except BaseException as error:
                self._has_died(hands[name], error)

        async def all_of_them() -> None:
            await asyncio.gather(*(run(name) for name in works))
            await at_end()

        def loop() -> None:
            asyncio.run(all_of_them())

        self.thread(f"the loop of {', '.join(works)}", loop)

    def __enter__(self) -> Crew:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        ends_at = time.monotonic() + self._ends_within
        for thread in self._threads:
            thread.join(max(0.0, ends_at - time.monotonic()))
        for hand in self._hands:
            if not hand.has_ended and not hand.has_died:
                self._report(f"{hand.name} does not end: {hand.doing()}; {where(hand.name)}")

    def _hired(self, name: str, doing: Callable[[], str]) -> _Hand:
        hand = _Hand(name, doing)
        self._hands.append(hand)
        return hand

    def _has_ended(self, hand: _Hand) -> None:
        hand.has_ended = True
        if not self.stopping.is_set():
            self._report(f"{hand.name} has ended before the load did")

    def _has_died(self, hand: _Hand, error: BaseException) -> None:
        hand.has_died = True
        self._report(f"{hand.name} has died while it did {hand.doing()}: {type(error).__name__}: {str(error)[:400]}")
