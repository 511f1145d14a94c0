"""How many rows a held-back write touched: nobody knows, and whoever looks must be told so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

__all__ = ["UnknownCount"]


class UnknownCount(int):
    """A row count that calls `noticed` as soon as anything is made of it.

    Example:
        >>> looks = []
        >>> count = UnknownCount.of(lambda: looks.append("looked"))
        >>> count > 0, looks
        (False, ['looked'])
    """

    noticed: Callable[[], None]

    @classmethod
    def of(cls, noticed: Callable[[], None]) -> Self:
        """A count that nobody has looked at yet."""
        count = cls(0)
        count.noticed = noticed
        return count

    __hash__ = int.__hash__


def _noticing(name: str) -> Callable[..., Any]:
    plain = getattr(int, name)

    def look(self: UnknownCount, *others: Any) -> Any:
        self.noticed()
        return plain(self, *others)

    return look


LOOKS: tuple[str, ...] = (
    "bool",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "str",
    "repr",
    "format",
    "int",
    "index",
    "float",
    "add",
    "radd",
)
LOOKS += ("sub", "rsub", "mul", "rmul", "floordiv", "rfloordiv", "truediv", "rtruediv", "mod", "neg", "abs")

for _name in LOOKS:
    setattr(UnknownCount, f"__{_name}__", _noticing(f"__{_name}__"))
