"""Who releases alone: the lock of a release on a session of its own, for as long as the release runs."""

from __future__ import annotations

import contextlib
from types import TracebackType

import psycopg2

from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.release_lock import holds_release_lock, not_had, release_holder, try_release_lock
from erm_alembic.target import Target

__all__ = ["ReleaseLock"]


class ReleaseLock:
    """The lock; a context manager that gives it back.

    Args:
        target: the database.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection: GatedConnection | None = None

    def take(self) -> None:
        """Take it.

        Raises:
            LockNotHad: somebody else releases to this database; names them.
            TargetError: the database cannot be reached.
        """
        self.close()
        self._connection = connection = self._target.connect("erm release")
        connection.autocommit = True
        self._target.lift_session_limits(connection)
        with self._target.reported(), connection.cursor() as cursor:
            if not try_release_lock(cursor):
                holder = release_holder(cursor)
                self.close()
                raise not_had(holder)

    def keep(self) -> None:
        """Make sure that it is still held; where its session was lost, take it again.

        Raises:
            LockNotHad: somebody else has begun a release meanwhile.
            TargetError: the database cannot be reached.
        """
        if self._connection is not None and not self._connection.closed:
            with contextlib.suppress(psycopg2.Error), self._connection.cursor() as cursor:
                if holds_release_lock(cursor):
                    return
        self.take()

    def close(self) -> None:
        """Give it back."""
        if self._connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self._connection.close()
        self._connection = None

    def __enter__(self) -> ReleaseLock:
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
