"""A revision that did not get a lock is undone and tried again, a bounded number of times, after longer pauses.

While a statement waits for a lock, everybody who comes after it waits behind it. So it waits for a short time only, and
between two tries the queue that built up behind it can drain.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg2
from psycopg2 import errors as pg
from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from erm_alembic.config.durations import format_duration
from erm_alembic.config.settings import ExecutionSettings
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.execute.watch import PLACE, LockWatch, Refusal
from erm_alembic.postgres.activity import Held, Wait, held_for_long, still_in_the_way
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.revisions.env_py.engine import begun_again

__all__ = ["Retries"]

LOOK_SECONDS = 0.2
MOST_DOUBLINGS = 32


class Retries:
    """Tries a revision until it has its locks, as often as the settings say.

    Args:
        settings: the `execution` section in force.
        watch: knows what a statement waited for.
        tell: told of each further try.
        check: raises when the run must not go on; called while it pauses.
    """

    def __init__(
        self,
        settings: ExecutionSettings,
        watch: LockWatch,
        tell: Callable[[str], None],
        check: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._tell = tell
        self._check = check

    def run(self, step: StepUnderWay, connection: Connection, function: Callable[[], None]) -> None:
        """Run a revision's function, again and again where it is refused a lock.

        Args:
            step: the revision; is told of each try that begins.
            connection: SQLAlchemy's connection, in the revision's transaction.
            function: what to run.

        Raises:
            Exception: what the last try failed with.
        """
        before = _Before(connection)
        for tried in range(1, self._settings.lock_retries + 2):
            self._watch.begin()
            step.tries, step.refusal = tried, None
            refusal: Refusal | None
            try:
                function()
            except Exception as error:
                refusal = step.refusal = self.refusal_behind(error)
                if refusal is None or refusal.outside or refusal.by_itself or tried > self._settings.lock_retries:
                    raise
                if not before.can_be_restored():
                    raise
            else:
                refusal = self._watch.refusal
                if refusal is None or not before.is_aborted():
                    return
                # The revision kept the error to itself, and its transaction is aborted all the same.
                refusal = step.refusal = self._with_holders(refusal)
                if tried > self._settings.lock_retries:
                    raise refusal.error
            before.restore()
            step.statements = 0
            self._pause(step.revision, tried, refusal)

    def refusal_behind(self, error: BaseException) -> Refusal | None:
        """The lock that was refused in this try, when that is what the error comes from."""
        refusal = self._watch.refusal
        seen: BaseException | None = error
        while refusal is not None and seen is not None:
            cause = seen.orig if isinstance(seen, DBAPIError) else seen
            # What follows in an aborted transaction is the first error again, in other words.
            if cause is refusal.error or isinstance(cause, pg.InFailedSqlTransaction):
                return self._with_holders(refusal)
            seen = seen.__cause__
        return None

    def _with_holders(self, refusal: Refusal) -> Refusal:
        """Who holds what the statement names, where it failed before anybody could look."""
        if refusal.wait is not None:
            return refusal
        named = {token.name for token in tokens(refusal.sql) if token.kind in ("word", "quoted")}
        held: list[Held] = []
        with contextlib.suppress(psycopg2.Error), self._watch.asking() as cursor:
            # Within a savepoint the revision goes on holding what it had before.
            held = [each for each in held_for_long(cursor, timedelta(0), self._watch.ours) if each.name in named]
        if not held:
            return refusal
        wait = Wait(f"{held[0].schema}.{held[0].name}", "", tuple(each.session for each in held))
        self._watch.refusal = replace(refusal, wait=wait)
        return self._watch.refusal

    def _pause(self, revision: str, tried: int, refusal: Refusal) -> None:
        """Wait for the next try: longer each time, but not much longer than somebody is in the way."""
        shortest = self._settings.retry_delay.total_seconds()
        longest = min(shortest * 2 ** min(tried - 1, MOST_DOUBLINGS), self._settings.max_retry_delay.total_seconds())
        # Not the same each time, or two that meet at one lock would meet again.
        pause = longest * random.uniform(0.5, 1.0)
        shown = format_duration(timedelta(seconds=round(pause, 1)))
        self._tell(
            f"{PLACE}{revision} was undone: {_refused(refusal)}; "
            f"try {tried + 1} of {self._settings.lock_retries + 1} in {shown}"
        )
        began = time.monotonic()
        while (left := began + pause - time.monotonic()) > 0:
            self._check()
            time.sleep(min(LOOK_SECONDS, left))
            if time.monotonic() - began >= shortest and refusal.wait is not None and not self._still(refusal.wait):
                return
        self._check()

    def _still(self, wait: Wait) -> bool:
        try:
            with self._watch.asking() as cursor:
                return still_in_the_way(cursor, wait)
        except psycopg2.Error:
            return True


def _refused(refusal: Refusal) -> str:
    what = refusal.wait.lock if refusal.wait is not None else "its lock"
    if isinstance(refusal.error, pg.DeadlockDetected):
        return f"it deadlocked over {what}"
    return f"it did not get {what}"


class _Before:
    """The state in which a revision found its connection, to be restored before a further try."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        raw: Any = connection.connection.dbapi_connection
        self._raw, self._autocommit = raw, raw.autocommit

    def is_aborted(self) -> bool:
        """Whether the transaction under way can only be rolled back."""
        return bool(self._raw.info.transaction_status == TRANSACTION_STATUS_INERROR)

    def can_be_restored(self) -> bool:
        """Whether the connection lives; SQLAlchemy begins a transaction anew where an ORM session has ended it."""
        transaction = self._connection.get_transaction()
        return not self._raw.closed and (transaction is None or transaction.is_active)

    def restore(self) -> None:
        """Roll back what the try did, below SQLAlchemy, which knows of no further try."""
        nested = self._connection.get_nested_transaction()
        if nested is not None and nested.is_active:
            with contextlib.suppress(SQLAlchemyError):
                nested.rollback()
        self._raw.rollback()
        if self._raw.autocommit != self._autocommit:
            self._raw.autocommit = self._autocommit
        begun_again(self._connection)
