"""A user and a password, for as long as a server accepts them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from erm_alembic.config.secrets.protocol import Secret

__all__ = ["Clock", "Credential"]

Clock = Callable[[], float]

# Sessions are replaced when this part of the time is left, and no sooner than so many seconds before the end.
_MARGIN, _LONGEST_MARGIN = 0.25, 300.0
# What a login may take, in seconds, at most this part of the time: nobody is given what ends meanwhile.
_LOGIN, _LOGIN_PART = 5.0, 0.05


class Credential:
    """One user and password; a lease that is renewed makes it last longer.

    Args:
        user: None where the address names the user.
        password: what is to be sent.
        secret: what the provider gave.
        asked_at: when it was asked for, by the clock: its time runs from there.
        clock: seconds that only grow.
    """

    def __init__(self, user: str | None, password: str, secret: Secret, asked_at: float, clock: Clock) -> None:
        self.user, self.password = user, password
        self.issued_at = asked_at
        self._clock = clock
        self._lock = threading.Lock()
        self.secret = secret
        self.ends_at: float | None = None
        self.length = 0.0
        self.extend(secret, asked_at)
        self.granted = self.length
        # Whether its lease comes to its end, another one has taken its place, and the server did not take it any more.
        self.is_exhausted = self.is_superseded = self.is_revoked = False

    def __repr__(self) -> str:
        return f"Credential(user={self.user!r}, remaining={self.remaining()!r})"

    def extend(self, secret: Secret, asked_at: float) -> None:
        """Take over what a renewal gave.

        Args:
            secret: the same one, with its new time.
            asked_at: when the renewal was asked for.
        """
        with self._lock:
            self.secret = secret
            if secret.lasts is not None:
                self.length = secret.lasts.total_seconds()
                self.ends_at = asked_at + self.length

    def remaining(self) -> float | None:
        """How long it is still good, in seconds; None where nobody says."""
        return None if self.ends_at is None else self.ends_at - self._clock()

    @property
    def is_over(self) -> bool:
        """Whether a login with it may come too late."""
        left = self.remaining()
        return left is not None and left <= min(_LOGIN, self.granted * _LOGIN_PART)

    def ends_session(self, spread: float = 0.0) -> bool:
        """Whether a session that was opened with it should make room for one with the next credential.

        Without a next one it should not: a manager that cannot be reached ends no role either.

        Args:
            spread: 0 to 1; by it sessions that were opened together are replaced apart.
        """
        left = self.remaining()
        if left is None or not self.secret.ends_sessions or not self.is_superseded:
            return False
        return self.is_revoked or left <= min(_LONGEST_MARGIN, self.granted * _MARGIN) * (1.0 + 0.5 * spread)

    @property
    def lasts(self) -> timedelta | None:
        """What it was given for."""
        return self.secret.lasts
