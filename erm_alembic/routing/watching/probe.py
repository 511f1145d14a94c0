"""Asking one server, over a connection of the monitor's own, on a thread of its own.

A thread a server, because everything in front of a first answer may block for long and none of it can be watched from
outside: a secret's provider, the lookup of a name, several hosts one after the other. psycopg2's asynchronous mode
does those with the interpreter's lock held, so that one slow name server would stop the whole application. An answer
that does not come is cut off by the monitor: the socket is shut down under the thread that waits on it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import psycopg2
from psycopg2.extensions import parse_dsn

from erm_alembic.config.redaction import MASK, first_line
from erm_alembic.postgres.logins import tell_refusal

__all__ = ["Address", "Link", "PollControl", "Probe", "words_of"]

_log = logging.getLogger("erm_alembic.routing")

Address = Callable[[], str]
Answer = TypeVar("Answer")

# A name may lead elsewhere after a while, and a server that is asked on an old connection would not tell.
_LIFETIME = 60.0
# In intervals: the first pause after a failure, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0


class Link:
    """One connection to one server, whose waiting can be ended from another thread.

    Args:
        dsn: the address, as libpq takes it.
        timeout: how long one host may take to accept it, and the server to answer, in seconds.
        application_name: how the session is seen in `pg_stat_activity`.

    Raises:
        psycopg2.OperationalError: no host accepts it.
    """

    def __init__(self, dsn: str, timeout: float, application_name: str = "erm routing") -> None:
        self.opened_at = time.monotonic()
        self.used = False
        # What the server gives, once it was asked for that.
        self.facts: tuple[str, ...] | None = None
        self.cut_off = False
        self._lost = False
        self._timeout = timeout
        self._ends_at: float | None = None
        self._lock = threading.Lock()
        self._connection = psycopg2.connect(
            dsn,
            application_name=application_name,
            connect_timeout=max(2, math.ceil(timeout)),
            keepalives=1,
            keepalives_idle=5,
            keepalives_interval=max(1, math.ceil(timeout / 2)),
            keepalives_count=2,
        )
        # A socket of its own on the same connection: its number is nobody else's while it is open.
        self._handle = socket.fromfd(self._connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        self._connection.autocommit = True

    @property
    def ends_at(self) -> float | None:
        """When what it waits for is overdue, by `time.monotonic()`; None while it does not wait."""
        return self._ends_at

    def run(self, question: Callable[[Any], Answer], timeout: float | None = None) -> Answer:
        """Ask something.

        Args:
            question: gets a cursor.
            timeout: how long the whole may take, in seconds, where it is not the link's own.

        Raises:
            psycopg2.Error: the server refuses it, is gone, or was cut off.
        """
        self._ends_at = time.monotonic() + (self._timeout if timeout is None else timeout)
        try:
            with self._connection.cursor() as cursor:
                answer = question(cursor)
        except psycopg2.DatabaseError as error:
            # Of a server that crashed, neither psycopg2 nor libpq hold the connection for closed at first.
            lost = type(error) in (psycopg2.DatabaseError, psycopg2.OperationalError) and error.pgcode is None
            self._lost = self._lost or lost
            raise
        finally:
            self._ends_at = None
        self.used = True
        return answer

    def cut(self) -> None:
        """End its waiting, from another thread; the connection is of no use any more."""
        with self._lock, contextlib.suppress(OSError):
            self.cut_off = True
            self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._handle.close()
        self._connection.close()

    def abandon(self) -> None:
        """Let go of it in a forked child, in which it is the parent's: no word is sent to the server.

        The child's own number of the socket is closed, or the session would live on after the parent; not through
        libpq, which would say goodbye in the parent's name.
        """
        with contextlib.suppress(OSError, psycopg2.Error):
            number = self._connection.fileno()
            # The parent may just have closed it, and opened something else that has the number now.
            if os.path.samestat(os.fstat(number), os.fstat(self._handle.fileno())):
                os.close(number)
        self._handle.close()

    @property
    def broken(self) -> bool:
        """Whether it is of no use any more."""
        return self.cut_off or self._lost or bool(self._connection.closed)


class PollControl:
    """What the probes of one monitor share.

    Args:
        interval: how often a server is asked, in seconds.
        timeout: how long it may take to answer, in seconds.
    """

    def __init__(self, interval: float, timeout: float) -> None:
        self.interval = interval
        self.timeout = timeout
        self.stopping = False
        # Guards everything that the monitor's threads share; notified whenever any of it changes.
        self.changed = threading.Condition()
        # Counts what there was to hear.
        self.news = 0

    def tell(self) -> None:
        """Wake whoever waits for news; `changed` is held."""
        self.news += 1
        self.changed.notify_all()


class Probe(Generic[Answer]):
    """Asks one server whenever it is told to, and says what it heard.

    Args:
        name: of the thread.
        address: gives the address at each new connection.
        control: what it shares with the others.
        question: asks over the link.
        heard: takes the answer, and the moments (`time.monotonic()`) before it was asked for and after it came.
        failed: takes the reason, in words without secrets.
        keep: whether, after such an answer, the connection is good for the next one.
        patience: how long the question may take, in seconds, where it is not that of `control`.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        control: PollControl,
        *,
        question: Callable[[Link], Answer],
        heard: Callable[[Answer, float, float], None],
        failed: Callable[[str], None],
        keep: Callable[[Answer], bool],
        patience: float | None = None,
    ) -> None:
        self._address = address
        self._control = control
        self._question = question
        self._heard = heard
        self._failed = failed
        self._keep = keep
        self._patience = control.timeout if patience is None else patience
        self._link: Link | None = None
        self._dsn = ""
        self._lifetime = _LIFETIME * random.uniform(0.75, 1.25)
        self._failures = 0
        self._resting_until = 0.0
        self._asked = self._retired = False
        self._begun_at: float | None = None
        self.done_since = float("-inf")
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start its thread."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the end of its thread, once `control` says that all is over."""
        if self._thread is not threading.current_thread() and self._thread.ident is not None:
            self._thread.join(timeout)

    # What the monitor does, which holds `control.changed` meanwhile.

    def ask(self, now: float) -> None:
        """Let it ask, unless it is at it, or rests after a failure."""
        if self._begun_at is None and now >= self._resting_until:
            self._asked = True
            self._control.changed.notify_all()

    def retire(self) -> None:
        """End its thread, and close its connection: nobody wants to hear of the server any more."""
        self._retired = True
        self.cut()
        self._control.changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do."""
        return self._begun_at is None and not self._asked

    @property
    def ends_at(self) -> float | None:
        """When its answer is overdue; None while it waits for none."""
        link = self._link
        return None if link is None else link.ends_at

    def cut(self) -> None:
        """End its waiting for an answer."""
        if (link := self._link) is not None:
            link.cut()

    def has_asked_since(self, moment: float, now: float) -> bool:
        """Whether what it says is about a moment or later, or it cannot say anything now."""
        return self.done_since >= moment or (self.idle and now < self._resting_until)

    def abandon(self) -> None:
        """Forget its connection, which is the parent process's."""
        if self._link is not None:
            self._link.abandon()

    # What its own thread does.

    def _run(self) -> None:
        changed = self._control.changed
        while True:
            with changed:
                changed.wait_for(lambda: self._asked or self._retired or self._control.stopping)
                if self._retired or self._control.stopping:
                    break
                self._asked = False
                begun = self._begun_at = time.monotonic()
            try:
                self._ask_once()
            except Exception:  # what becomes of its news is others' code: the thread goes on
                _log.exception("the news of %s cannot be taken over", self._thread.name)
            with changed:
                self._begun_at, self.done_since = None, begun
                self._control.tell()
        self._drop()

    def _ask_once(self) -> None:
        try:
            if self._link is None or time.monotonic() - self._link.opened_at > self._lifetime:
                self._renew()
            try:
                answer, asked_at = self._answer()
            except psycopg2.Error:
                # A connection that was idle may have been ended by anybody: that says nothing of the server.
                if self._link is None or not self._link.used or not self._link.broken or self._link.cut_off:
                    raise
                self._drop()
                self._renew()
                answer, asked_at = self._answer()
        except Exception as error:  # whatever a provider of secrets raises: the thread goes on
            self._has_failed(error)
            return
        self._failures = 0
        self._resting_until = 0.0
        self._heard(answer, asked_at, time.monotonic())
        if self._link is None or self._link.broken or not self._keep(answer):
            self._drop()

    def _answer(self) -> tuple[Answer, float]:
        assert self._link is not None
        asked_at = time.monotonic()
        return self._question(self._link), asked_at

    def _renew(self) -> None:
        """Connect; a connection that works is given up only for one that works."""
        try:
            self._dsn = ""
            self._dsn = self._address()
            link = Link(self._dsn, self._patience)
        except Exception:
            if self._link is None or self._link.broken:
                raise
            self._link.opened_at = time.monotonic()
            return
        self._drop()
        self._link = link

    def _has_failed(self, error: Exception) -> None:
        cut_off = self._link is not None and self._link.cut_off
        if self._link is None:
            tell_refusal(self._dsn, error)
        self._drop()
        if self._control.stopping:
            return
        pause = self._control.interval * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        self._resting_until = time.monotonic() + pause * random.uniform(0.75, 1.25)
        self._failed(f"it did not answer within {self._patience:g} s" if cut_off else words_of(error, self._dsn))

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()


def words_of(error: Exception, dsn: str) -> str:
    """What an error says, without secrets.

    Args:
        error: what was raised.
        dsn: the address, whose password may be of an hour only, and is not worth remembering as a secret.
    """
    try:
        keywords = parse_dsn(dsn)
    except psycopg2.ProgrammingError:
        # What libpq does not understand, it quotes.
        return "its address is none that libpq understands"
    words = first_line(error)
    for keyword in ("password", "sslpassword"):
        if secret := keywords.get(keyword):
            words = words.replace(secret, MASK)
    return words
