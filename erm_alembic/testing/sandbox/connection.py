"""The connection of `erm_connection`: for code that begins, commits and rolls back by itself, as Core code does."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, NestedTransaction, Transaction, event

__all__ = ["HeldConnection"]


class HeldConnection(Connection):
    """A connection within a transaction that stays; what its user takes for transactions are savepoints.

    Until `hold` it is as any other. Sessions take part in its transaction by savepoints of their own: what is sent
    while one of them is open is theirs.
    """

    _is_held = False
    _is_setting = False
    _is_explicit = False
    # The savepoint that stands for the transaction of the user.
    _current: NestedTransaction | None = None
    # Those that a session's stands within, so that they cannot be released: they are as good as committed.
    _settled: tuple[NestedTransaction, ...] = ()

    def hold(self) -> None:
        """From now on, leave the transaction that is open alone."""
        self._is_held = True
        event.listen(self, "before_execute", _set_savepoint)

    def let_go(self) -> None:
        """Be as any other again, so that the transaction can be ended."""
        self._is_held = False

    def begin(self) -> Any:
        """Begin what the user takes for a transaction: after what was sent before, which stays.

        Raises:
            sqlalchemy.exc.InvalidRequestError: one was begun before, and is open.
        """
        if not self._is_held or (self._is_explicit and self._own is not None):
            return super().begin()
        self.commit()
        self._is_explicit = True
        self._current = self.begin_nested()
        return self._current

    def begin_nested(self) -> NestedTransaction:
        """Set a savepoint: of a session, of the user, or for one of the user's transactions."""
        was_setting, self._is_setting = self._is_setting, True
        try:
            return super().begin_nested()
        finally:
            self._is_setting = was_setting

    def commit(self) -> None:
        """Have what was sent since the last commit stay until the test is over."""
        if not self._is_held:
            super().commit()
        elif (own := self._own) is not None:
            self._current = None
            if self.get_nested_transaction() is own:
                own.commit()
            else:
                self._settled = (*self._settled, own)

    def rollback(self) -> None:
        """Go back to the last commit, or to where a session that is open has begun."""
        if not self._is_held:
            super().rollback()
            return
        own, self._current = self._own, None
        innermost: Transaction | None = self.get_nested_transaction()
        while innermost is not None and innermost not in self._settled:
            innermost.rollback()
            if own is None or innermost is own:
                break
            innermost = self.get_nested_transaction()

    @property
    def _own(self) -> NestedTransaction | None:
        """The savepoint of the user's transaction, where one is open."""
        return self._current if self._current is not None and self._current.is_active else None

    def set_savepoint(self) -> None:
        """Set the user's savepoint before the first statement that is sent, unless a session has one open."""
        around = self.get_nested_transaction()
        if self._is_held and not self._is_setting and (around is None or around in self._settled):
            self._is_explicit = False
            self._current = self.begin_nested()


def _set_savepoint(connection: HeldConnection, *_: Any) -> None:
    connection.set_savepoint()
