"""What a shadow does in a thread of its own meanwhile: start a server, replay a history.

The owner may run the project's env.py meanwhile, which may change variables, the import path and the working directory
of the whole process: what the thread needs of these is taken before.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TypeVar

from erm_alembic.errors import ShadowUnavailable
from erm_alembic.revisions.cache.inputs import unwatched
from erm_alembic.shadow.child.running import Child

__all__ = ["Ahead", "AsItWas"]

Made = TypeVar("Made")


@dataclass(frozen=True)
class AsItWas:
    """What of this process a child process is given.

    Args:
        environ: the variables.
        path: the import path, absolute.
    """

    environ: Mapping[str, str] = field(repr=False)
    path: tuple[str, ...]

    @classmethod
    def now(cls) -> AsItWas:
        """As they are."""
        path = tuple(os.path.abspath(entry) for entry in sys.path)  # noqa: PTH100 - zip files and missing folders too
        return cls(dict(os.environ), path)


class Ahead:
    """The thread of one shadow, which does one thing after the other; there is none before it is needed."""

    def __init__(self) -> None:
        self.one_at_a_time = threading.RLock()
        self._executor: ThreadPoolExecutor | None = None
        self._children: set[Child] = set()
        self._ended = False

    def begin(self, work: Callable[[], Made]) -> Future[Made]:
        """Let the thread do something.

        Args:
            work: does it; nothing that it opens is taken for something that env.py has looked at.
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "erm-shadow")
        context = copy_context()

        def run() -> Made:
            with unwatched():
                return context.run(work)

        return self._executor.submit(run)

    @contextmanager
    def ends(self, child: Child) -> Iterator[None]:
        """End a child process with the owner, for as long as the block lasts.

        Raises:
            ShadowUnavailable: the owner has ended.
        """
        self._children.add(child)
        try:
            if self._ended:
                raise ShadowUnavailable("The run that needs the shadow is ending.")
            yield
        finally:
            self._children.discard(child)

    def close(self) -> None:
        """Let the thread come to its end, without what its child processes would still do."""
        if self._executor is None:
            return
        self._ended = True
        for child in tuple(self._children):
            child.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)
