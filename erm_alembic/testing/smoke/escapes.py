"""What a smoke test tried that would have outlived its transaction: refused, and remembered, for it may be caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from erm_alembic.config.redaction import redact
from erm_alembic.errors import Refused

__all__ = ["Escape", "Escapes"]


class Escape(Refused):
    """A smoke test wants out of its transaction, or is out of it."""

    __module__ = "erm"  # which pytest shows before its words

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.what, self.effect, self.cure)))


class Escapes:
    """The escapes of a run.

    Args:
        tell: told each of them, in words without a secret.
        note: told what else is to be known.
    """

    def __init__(self, tell: Callable[[str], None], note: Callable[[str], None]) -> None:
        self._tell, self.note = tell, note
        self._of_test: list[Escape] = []

    def refuse(self, what: str, *, effect: str = "It was not done.", cure: str = "") -> NoReturn:
        """Refuse something, and remember it.

        Args:
            what: what was tried.
            effect: what became of it.
            cure: what to do instead.

        Raises:
            Escape: always.
        """
        __tracebackhide__ = True  # pytest shows where the test did it
        escape = Escape(redact(what), effect=effect, cure=cure)
        self._of_test.append(escape)
        self._tell(escape.what)
        raise escape

    def take(self) -> tuple[Escape, ...]:
        """Those since the last call."""
        taken = tuple(self._of_test)
        self._of_test.clear()
        return taken
