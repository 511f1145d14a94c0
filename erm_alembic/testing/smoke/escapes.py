"""What a smoke test tried that would have outlived its transaction: refused, and remembered, for it may be caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import NoReturn

from erm_alembic.config.redaction import redact
from erm_alembic.errors import Refused

__all__ = ["Escape", "Escapes", "shorten"]

# What stands between the line of a project that tries something and its refusal.
BETWEEN = frozenset({"sqlalchemy", "sqlmodel", "psycopg2", "psycopg", "asyncpg", "erm_alembic"})
RUNNERS = frozenset({"_pytest", "pluggy"})


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


def shorten(error: BaseException) -> None:
    """Have the traceback of an escape end where the project has tried it, also where another error came of it.

    Args:
        error: what a test has raised.
    """
    for each in _with_causes(error):
        kept = frame = each.__traceback__ if isinstance(each, Escape) else None
        while frame is not None:
            if _package(frame) not in BETWEEN:
                kept = frame
            frame = frame.tb_next
        if kept is not None and _package(kept) not in BETWEEN | RUNNERS:
            kept.tb_next = None


def _package(frame: TracebackType) -> str:
    """The package whose code a frame is; SQLAlchemy generates some, in modules without a name."""
    code = frame.tb_frame.f_code.co_filename
    name = "sqlalchemy" if code.startswith("<sqlalchemy") else frame.tb_frame.f_globals.get("__name__", "")
    return str(name).partition(".")[0]


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is not None and not any(each is one for one in seen):
            seen.append(each)
            left += [each.__cause__, each.__context__]
            yield each
