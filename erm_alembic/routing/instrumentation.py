"""Whoever counts what routing does: told of what is rare, so that nobody pays who does not listen."""

from __future__ import annotations

from typing import Protocol

from erm_alembic.routing.options import ReadMode

__all__ = ["Instrumentation"]


class Instrumentation(Protocol):
    """What a router's `instrumentation` is told, on the thread on which it happens."""

    def fell_back(self, mode: ReadMode, kind: str, *, refused: bool) -> None:
        """No replica can answer a read.

        Args:
            mode: what holds for the read.
            kind: why none can, as one of few.
            refused: whether the primary may not answer either.
        """

    def retried(self, server: str, sqlstate: str | None) -> None:
        """A read that failed on a replica is asked elsewhere.

        Args:
            server: the replica.
            sqlstate: of its error; None where that has none.
        """

    def waited(self, seconds: float, *, found: bool) -> None:
        """A read has waited for a replica that is fresh enough.

        Args:
            seconds: for how long.
            found: whether one came.
        """

    def found_stale(self, outcome: str) -> None:
        """An object that was read stale and changed differs on the primary.

        Args:
            outcome: `raise`, `refetch` or `warn`.
        """
