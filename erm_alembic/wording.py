"""How messages put what is too much to be told whole."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["first_few"]


def first_few(texts: Sequence[object], most: int, between: str = ", ") -> str:
    """The first of some texts, and how many there are besides.

    Args:
        texts: what is told.
        most: how many of them are.
        between: what stands between them.

    Example:
        >>> first_few(["a", "b", "c", "d"], 2), first_few(["a", "b"], 2)
        ('a, b and 2 more', 'a, b')
        >>> first_few(["pid 4", "pid 7"], 1, "; ")
        'pid 4; and 1 more'
    """
    shown = between.join(map(str, texts[:most]))
    rest = len(texts) - most
    return f"{shown}{' ' if between == ', ' else between}and {rest} more" if rest > 0 else shown
