"""Tells what a statement waits for: which lock, who is in the way, who waits behind it.

The executor's own thread waits for the server inside C. A thread of its own looks, through the ledger's connection, at
a statement that takes long; one that is quick costs two assignments.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any

import psycopg2
from psycopg2 import errors as pg

from erm_alembic.config.durations import format_duration
from erm_alembic.execute.session import SessionLimits, runs_outside
from erm_alembic.planning.model import Step
from erm_alembic.postgres.activity import Held, Session, Wait, held_for_long, wait_of
from erm_alembic.postgres.limits import LIMITS
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.wording import first_few

__all__ = ["LockWatch", "Refusal"]

LOOK_AFTER_SECONDS = 0.2
LOOK_SOON_SECONDS = 0.05
LOOK_AGAIN_SECONDS = 0.5
# Nobody known to be in the way is told once that lasts.
TELL_SECONDS = 2.0
TELL_AGAIN_SECONDS = 10.0
LOOK_BEFORE_EVERY_SECONDS = 1.0
MOST_TOLD = 5
PLACE = "      "


@dataclass(frozen=True)
class Refusal:
    """A statement that did not get its lock.

    Args:
        error: what the server said: a lock timeout, a lock not to be had at once, a deadlock.
        sql: the statement.
        wait: what it was seen to wait for; None when it failed before anybody looked.
        outside: whether it ran outside a transaction.
        by_itself: whether another connection of the same run was in the way.
    """

    error: BaseException
    sql: str
    wait: Wait | None
    outside: bool
    by_itself: bool = False


class LockWatch:
    """Watches the statements of a run for locks that they wait for.

    Args:
        connection: the ledger's psycopg2 connection, in autocommit mode, which nobody else uses meanwhile.
        limits: the limits of the run's sessions.
        tell: told what is waited for; also from the watching thread, but never while the executor's runs.
    """

    def __init__(self, connection: Any, limits: SessionLimits, tell: Callable[[str], None]) -> None:
        self._connection = connection
        self._limits = limits
        self._tell = tell
        self._under_way: _UnderWay | None = None
        self._one_at_a_time = threading.Lock()
        self._ended = threading.Event()
        self._looked_before = float("-inf")
        self._known_before: tuple[Held, ...] = ()
        self._ours: set[int] = set()
        self._has_own_limit = self._has_lasting_limit = False
        self._in_revisions = False
        self.refusal: Refusal | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch for as long as the block lasts."""
        thread = threading.Thread(target=self._watch, name="erm-lock-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(LOOK_AGAIN_SECONDS)

    def sending(self, connection: Any, sql: str, line: int | None = None) -> _Sending:
        """Watch one statement for as long as the block lasts, and give it the limits of its kind.

        Args:
            connection: the psycopg2 connection that it is sent through.
            sql: the statement.
            line: its line in the revision's file.
        """
        return _Sending(self, connection, sql, line)

    @property
    def ours(self) -> tuple[int, ...]:
        """The server processes of this run, which is in nobody's way but its own."""
        return (*sorted(self._ours), self._connection.info.backend_pid)

    def begin(self) -> None:
        """A revision is tried: what an earlier try was refused counts no more."""
        self.refusal, self._in_revisions = None, True
        self._has_own_limit = self._has_lasting_limit

    @contextlib.contextmanager
    def asking(self) -> Iterator[Any]:
        """A cursor of the ledger's connection, while the watching thread keeps away from it."""
        with self._one_at_a_time, self._connection.cursor() as cursor:
            yield cursor

    def tell_before(self, step: Step, ours: int) -> None:
        """Tell who has locked, for long, what a revision's planned statements name. Nothing is asked twice a second.

        Args:
            step: the revision.
            ours: the migration's server process.
        """
        if time.monotonic() - self._looked_before > LOOK_BEFORE_EVERY_SECONDS:
            # The ledger's connection may be lost: what cannot be asked is not told, and the end of the run sees to it.
            with contextlib.suppress(psycopg2.Error), self.asking() as cursor:
                age = max(self._limits.lock_timeout, timedelta(seconds=1))
                self._known_before = held_for_long(cursor, age, [ours, self._connection.info.backend_pid])
            self._looked_before = time.monotonic()
        if not self._known_before:
            return
        planned = (statement.sql for statement in step.statements if not statement.read)
        named = {token.name for sql in planned for token in tokens(sql) if token.kind in ("word", "quoted")}
        for held in self._known_before:
            if held.name in named:
                self._tell(f"{PLACE}may have to wait: {held.schema}.{held.name} is locked by {held.session}")

    def refused(self, error: BaseException, sql: str, wait: Wait | None, *, outside: bool) -> None:
        """A statement did not get its lock."""
        blockers = wait.blockers if wait is not None else ()
        self.refusal = Refusal(error, sql, wait, outside, any(each.pid in self._ours for each in blockers))

    def sets(self, sql: str, line: int | None) -> None:
        """Tell that a revision sets a limit itself, and remember that erm's own is none to speak of any more."""
        words = list(tokens(sql)) if self._in_revisions else []
        if not words or not (words[0].says("SET") or any(word.name == "set_config" for word in words)):
            return
        named = {word.name for word in words} | {
            word.text.strip("'").lower() for word in words if word.kind == "string"
        }
        for name in LIMITS[:2]:
            if name in named:
                place = "its statement" if line is None else f"line {line}"
                if name == "lock_timeout":
                    self._has_own_limit = True
                    # What is the transaction's only is over when another revision begins.
                    is_local = any(word.says("LOCAL", "TRUE") for word in words)
                    self._has_lasting_limit = self._has_lasting_limit or not is_local
                self._tell(f"{PLACE}{place} sets {name}: that holds instead of execution.{name}")

    def _watch(self) -> None:
        tick = min(self._first_look() / 2, LOOK_SOON_SECONDS)
        while not self._ended.wait(tick):
            with self._one_at_a_time:
                under_way = self._under_way
                if under_way is None or time.monotonic() < under_way.look_at:
                    continue
                try:
                    self._look(under_way)
                except Exception:
                    return  # without its eyes the run goes on all the same

    def _first_look(self) -> float:
        if self._has_own_limit:
            return LOOK_SOON_SECONDS
        limit = self._limits.lock_timeout.total_seconds()
        return min(LOOK_AFTER_SECONDS, limit / 2) if limit else LOOK_AFTER_SECONDS

    def _look(self, under_way: _UnderWay) -> None:
        with self._connection.cursor() as cursor:
            wait = wait_of(cursor, under_way.pid)
        now = time.monotonic()
        under_way.look_at = now + LOOK_AGAIN_SECONDS
        if wait is None:
            return
        under_way.wait = wait
        blockers = frozenset(session.who for session in wait.blockers)
        if blockers <= under_way.told and now < under_way.tell_at and (under_way.told_behind or not wait.behind):
            return
        under_way.told |= blockers
        under_way.told_behind = under_way.told_behind or bool(wait.behind)
        under_way.tell_at = now + max(TELL_AGAIN_SECONDS, now - under_way.since)
        for message in self._said(under_way, wait):
            self._tell(message)

    def _said(self, under_way: _UnderWay, wait: Wait) -> Iterator[str]:
        place = "its statement" if under_way.line is None else f"line {under_way.line}"
        yield f"{PLACE}{place} waits for {wait.lock}{self._how_long(under_way)}:"
        for session in wait.blockers[:MOST_TOLD]:
            ours = "this very run, through another connection: " if session.pid in self._ours else ""
            yield f"{PLACE}  {ours}{session}"
        if len(wait.blockers) > MOST_TOLD:
            yield f"{PLACE}  and {len(wait.blockers) - MOST_TOLD} more sessions"
        if not wait.blockers:
            yield f"{PLACE}  who is in the way cannot be told"
        if wait.behind:
            yield f"{PLACE}  {_queue(wait.behind)}"

    def _how_long(self, under_way: _UnderWay) -> str:
        if self._has_own_limit:
            return ""
        limit = self._limits.lock_timeout if not under_way.outside else timedelta(0)
        return f", {format_duration(limit)} at most" if limit else ", as long as it takes"


def _queue(behind: tuple[Session, ...]) -> str:
    return f"behind it wait{'' if len(behind) > 1 else 's'} {first_few(behind, 1, '; ')}"


@dataclass
class _UnderWay:
    """A statement that the server works on, as the watching thread sees it."""

    pid: int
    line: int | None
    outside: bool
    since: float
    look_at: float
    tell_at: float
    told: frozenset[str] = frozenset()
    told_behind: bool = False
    wait: Wait | None = None


class _Sending:
    """One statement, from just before it is sent until its answer has come."""

    def __init__(self, watch: LockWatch, connection: Any, sql: str, line: int | None) -> None:
        self._watch, self._connection, self._sql, self._line = watch, connection, sql, line
        self._around: Any = None

    def __enter__(self) -> None:
        watch, now = self._watch, time.monotonic()
        if "imeout" in self._sql or "IMEOUT" in self._sql:
            watch.sets(self._sql, self._line)
        pid = self._connection.info.backend_pid
        watch._ours.add(pid)
        outside = runs_outside(self._connection, self._sql)
        if outside:
            self._around = watch._limits.around(self._connection, self._sql)
            self._around.__enter__()
        self._under_way = _UnderWay(
            pid,
            self._line,
            outside,
            since=now,
            look_at=now + watch._first_look(),
            tell_at=now + TELL_SECONDS,
        )
        watch._under_way = self._under_way

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        watch = self._watch
        watch._under_way = None
        with watch._one_at_a_time:
            wait = self._under_way.wait
        if isinstance(error, (pg.LockNotAvailable, pg.DeadlockDetected)):
            watch.refused(error, self._sql, wait, outside=self._under_way.outside)
        if self._around is not None:
            self._around.__exit__(None, None, None)
