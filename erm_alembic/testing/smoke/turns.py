"""Who may use the one connection: one thread at a time, and those of the application only while a test runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager

from erm_alembic.testing.smoke.terms import Terms

__all__ = ["Turns"]

# How long a thread of the application waits between two tests for the next one; whatever waits for it then goes on.
MOST_SECONDS = 5.0


class Turns:
    """Hands the connection from one thread to the next; what a test may do is known to whoever has it."""

    def __init__(self) -> None:
        self._lock = threading.Condition(threading.RLock())
        self._terms: Terms | None = None
        self._runner = threading.get_ident()

    @property
    def terms(self) -> Terms | None:
        """What the test that runs may do; None while none runs."""
        return self._terms

    @terms.setter
    def terms(self, terms: Terms | None) -> None:
        with self._lock:
            self._terms = terms
            if terms is not None:
                self._runner = threading.get_ident()
                self._lock.notify_all()

    def alone(self) -> AbstractContextManager[object]:
        """Have the connection, whether a test runs or not: for erm itself."""
        return self._lock

    @contextlib.contextmanager
    def turn(self) -> Iterator[Terms | None]:
        """Have the connection, and what the test may do; None where none runs.

        A background thread of the application is not held against the tests: it waits for the next one.
        """
        with self._lock:
            if self._terms is None and threading.get_ident() != self._runner:
                self._lock.wait_for(lambda: self._terms is not None, MOST_SECONDS)
            yield self._terms
