"""What a session has committed: its own reads have to see that, and others' by its token."""

from __future__ import annotations

import time
from collections.abc import Iterable

from erm_alembic.routing.blocks import Block
from erm_alembic.routing.router import Router
from erm_alembic.routing.tokens import write_token

__all__ = ["Commits"]


class Commits:
    """The commits of one session.

    Args:
        router: of its cluster.
    """

    __slots__ = ("_router", "_token", "last_at")

    def __init__(self, router: Router) -> None:
        self._router = router
        self._token: str | None = None
        self.last_at = 0.0  # by time.monotonic(); zero while it has written nothing

    def note(self, blocks: Iterable[Block]) -> None:
        """Something was committed just now.

        Args:
            blocks: those that the session is in; the ones that collect commits know of it too.
        """
        self.last_at, self._token = time.monotonic(), None
        self._router.has_committed = True
        for each in blocks:
            if each.entered.collects:
                each.commits[self._router] = self.last_at

    def token(self) -> str | None:
        """What stands for the last one elsewhere; None while there is none. Asks the primary, once for each.

        Raises:
            TargetError: the primary cannot be reached.
        """
        if self._token is None and self.last_at:
            self._token = write_token(self._router.position())
        return self._token
