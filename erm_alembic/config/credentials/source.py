"""One reference's credentials: asked for once however many want them, prolonged before they run out, and replaced.

While a manager cannot be reached, what it gave last is used for as long as it is good. Whoever finds nothing good waits
for the one who asks; who comes right after a failure hears of that one, so that a manager which comes back is not asked
by everybody at once.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
import weakref
from typing import Protocol

from erm_alembic.config.credentials.credential import Clock, Credential
from erm_alembic.config.redaction import forget_secret
from erm_alembic.config.secrets.protocol import Secret
from erm_alembic.errors import ConfigurationError, ErmError

__all__ = ["Asking", "CredentialSource"]

_log = logging.getLogger("erm_alembic.config")

# A lease is renewed, or another one taken, when about this part of its time has gone.
_DUE = 0.5
# In seconds: the pauses after a failure, how soon a refused credential is not replaced by another one, and how long the
# one before is tried in its place: a standby may not have heard of a new role yet.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_TOO_YOUNG, _BEFORE_IS_GOOD = 2.0, 15.0
# A renewal that gives less than this part of what was asked for is the last one: the lease comes to its end.
_SHORTENED = 0.6
# So many former passwords stay masked.
_REMEMBERED = 8


class Asking(Protocol):
    """How a source asks for its secret."""

    def fetch(self) -> tuple[str | None, str, Secret]:
        """A user, a password that is masked from now on, and what they came in."""
        ...

    def renew(self, secret: Secret) -> Secret | None:
        """The secret with more time; None where there must be another one."""
        ...


class CredentialSource:
    """The credentials of one reference.

    Args:
        name: the reference as people may see it, for the log.
        asking: how they are asked for.
        clock: seconds that only grow.
        background: False leaves the renewal to `tend()`.
    """

    def __init__(self, name: str, asking: Asking, *, clock: Clock = time.monotonic, background: bool = True) -> None:
        self.name = name
        self._asking, self._clock, self._background = asking, clock, background
        self.begin()

    def begin(self) -> None:
        """Know nothing, as at first: in a forked child the lease is the parent's, and so is the thread."""
        self._changed = threading.Condition()
        self._now: Credential | None = None
        self._before: Credential | None = None
        self._refused = False  # whether the server did not take the one of now
        self._is_asking = False
        self._failure: ConfigurationError | None = None
        self._failed_at = float("-inf")
        self._failures = 0
        self._due_at: float | None = None
        self._former: list[str] = []
        self._stopping: threading.Event | None = None

    @property
    def known(self) -> Credential | None:
        """What is there without asking anybody."""
        return self._now

    def current(self) -> Credential:
        """A user and password that are good now; asks for them where there are none.

        Raises:
            ConfigurationError: there are none, and none can be had.
        """
        with self._changed:
            while True:
                found = self._now
                if found is not None and not found.is_over and not self._refused:
                    return found
                if self._failure is not None and self._clock() - self._failed_at < self._pause():
                    if found is not None and not found.is_over:
                        return found
                    raise _again(self._failure)
                if not self._is_asking:
                    self._is_asking = True
                    break
                self._changed.wait()
        try:
            return self._replace()
        except ConfigurationError:
            if found is not None and not found.is_over:
                return found
            raise

    def refused(self, user: str | None, password: str) -> bool:
        """Hear that a server did not take a credential; whether there is another one to try now.

        Args:
            user: who was sent; None where the address named the user.
            password: what was sent.
        """
        with self._changed:
            found = self._now
            if found is None or found.password != password or (user is not None and found.user not in (None, user)):
                return found is not None and not found.is_over
            if self._clock() - found.issued_at < _TOO_YOUNG:
                return False
            self._refused = True
        try:
            return self.current().password != password
        except ErmError:
            return False

    def freshen(self, older_than: float) -> None:
        """Have a lease with all of its time before it, for work that may take that long; else what is known stays.

        Args:
            older_than: one that was taken later will do, in seconds; of one that lasts for seconds only, one that has
                three quarters of them before it.
        """
        with self._changed:
            found = self._now
            if found is None or not found.secret.ends_sessions or self._is_asking:
                return
            lasts = found.secret.lasts
            enough = older_than if lasts is None else min(older_than, lasts.total_seconds() / 4)
            if self._clock() - found.issued_at < enough:
                return
            self._is_asking = True
        with contextlib.suppress(ConfigurationError):
            self._replace()

    def before(self, password: str) -> Credential | None:
        """The credential before the one of now, where that is new and the former one is still good.

        Args:
            password: of the one that a server did not take.
        """
        found, former = self._now, self._before
        if found is None or former is None or found.password != password or former.is_over:
            return None
        return former if self._clock() - found.issued_at < _BEFORE_IS_GOOD else None

    def tend(self) -> float | None:
        """Renew or replace what is due; how many seconds until there is something to do again, None for nothing."""
        with self._changed:
            found, due = self._now, self._due_at
            if found is None or due is None:
                return None
            left = due - self._clock()
            if left > 0 or self._is_asking:
                return max(left, 0.05)
            self._is_asking = True
        try:
            if not self._renewed(found):
                self._replace()
        except ConfigurationError as error:
            self._tell(error, found)
        finally:
            self._done()
        with self._changed:
            return None if self._due_at is None else max(0.05, self._due_at - self._clock())

    def stop(self) -> None:
        """Have its thread end."""
        if (stopping := self._stopping) is not None:
            stopping.set()

    def _renewed(self, found: Credential) -> bool:
        """Whether the lease lasts longer now; where it is at its end, the next one is taken instead."""
        if not found.secret.renewable or found.is_exhausted or self._refused:
            return False
        asked_at = self._clock()
        try:
            secret = self._asking.renew(found.secret)
        except ConfigurationError as error:
            self._has_failed(error)
            raise
        if secret is None or secret.lasts is None:
            return False
        found.extend(secret, asked_at)
        found.is_exhausted = secret.lasts.total_seconds() < found.granted * _SHORTENED
        self._succeeded(found)
        return True

    def _replace(self) -> Credential:
        asked_at = self._clock()
        try:
            user, password, secret = self._asking.fetch()
            made = Credential(user, password, secret, asked_at, self._clock)
            with self._changed:
                if self._now is None or self._now.password != password:
                    self._before, self._now = self._now, made
                    self._former.append(password)
                    if self._before is not None:
                        self._before.is_superseded, self._before.is_revoked = True, self._refused
                else:
                    self._now = made
                self._refused = False
                if secret.lasts is not None:
                    for old in self._former[:-_REMEMBERED]:
                        forget_secret(old)
                    del self._former[:-_REMEMBERED]
            self._succeeded(made)
            return made
        except ConfigurationError as error:
            self._has_failed(error)
            raise
        finally:
            self._done()

    def _has_failed(self, error: ConfigurationError) -> None:
        with self._changed:
            self._failure, self._failed_at = error, self._clock()
            self._failures += 1

    def _done(self) -> None:
        with self._changed:
            self._is_asking = False
            self._changed.notify_all()

    def _succeeded(self, found: Credential) -> None:
        with self._changed:
            if self._failures and self._failure is not None:
                _log.info("the credentials of %s can be had again", self.name)
            self._failure, self._failures = None, 0
            self._due_at = None
            if found.ends_at is not None and found.secret.ends_sessions:
                # What is renewed for less than before has come to its end: another one is taken at once.
                part = 0.0 if found.is_exhausted else _DUE * random.uniform(0.9, 1.1)
                self._due_at = self._clock() + part * found.length
        if self._due_at is not None:
            self._start()

    def _tell(self, error: ConfigurationError, found: Credential) -> None:
        """A failure in the background: the log has it once, and it is tried again until the end, and after."""
        with self._changed:
            first = self._failures <= 1
            pause = self._pause()
            left = found.remaining()
            if left is not None and left > 0:
                pause = min(pause, max(0.2, left / 4))
            self._due_at = self._clock() + pause * random.uniform(0.75, 1.25)
        if first:
            good = f"the known ones are good for another {max(0, round(left))} s" if left is not None else ""
            _log.warning("the credentials of %s cannot be renewed now, and %s: %s", self.name, good, error.what)

    def _pause(self) -> float:
        pause: float = _FIRST_PAUSE * 2 ** min(max(self._failures - 1, 0), 5)
        return min(_LONGEST_PAUSE, pause)

    def _start(self) -> None:
        """Have a thread that renews, unless there is one."""
        with self._changed:
            if not self._background or (self._stopping is not None and not self._stopping.is_set()):
                return
            self._stopping = threading.Event()
            arguments = (weakref.ref(self), self._stopping)
            thread = threading.Thread(target=_look_after, args=arguments, name="erm-credentials", daemon=True)
        thread.start()


def _look_after(source: weakref.ref[CredentialSource], stopping: threading.Event) -> None:
    """The thread's loop: it ends with `stop`, or when nobody holds the source any more."""
    pause: float | None = 0.0
    while not stopping.wait(pause):
        alive = source()
        if alive is None:
            return
        pause = alive.tend()
        if pause is None:
            stopping.set()
            return
        pause = min(pause, 5.0)
        del alive


def _again(error: ConfigurationError) -> ConfigurationError:
    """The same error for another caller: one that is raised twice collects both tracebacks."""
    made = ConfigurationError(error.what, effect=error.effect, cure=error.cure)
    made.__cause__ = None
    return made
