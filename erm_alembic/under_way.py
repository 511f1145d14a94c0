"""What long work is under way, in a few words, for whoever waits at a terminal; nobody hears it who does not ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["listening", "under_way"]

Listener = Callable[[str], None]

_listener: ContextVar[tuple[Listener, bool] | None] = ContextVar("erm_under_way", default=None)


def under_way(words: str, *, brief: bool = False) -> None:
    """Say what begins now and may take seconds; nothing happens where nobody listens.

    Args:
        words: what is done, as in `replaying 12 revisions in a shadow`.
        brief: whether it takes a second at most, most of the time.
    """
    heard = _listener.get()
    if heard is None:
        return
    listener, patient = heard
    if not (brief and patient):
        listener(words)


@contextmanager
def listening(listener: Listener, *, patient: bool = False) -> Iterator[None]:
    """Hear what is under way for as long as the block lasts.

    Args:
        listener: told each of them.
        patient: whether it is not told what is brief.

    Example:
        >>> heard = []
        >>> with listening(heard.append):
        ...     under_way("replaying 12 revisions in a shadow")
        >>> heard
        ['replaying 12 revisions in a shadow']
    """
    token = _listener.set((listener, patient))
    try:
        yield
    finally:
        _listener.reset(token)
