"""A history in one line of characters, each as high as its value."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["sparkline"]

BARS = "▁▂▃▄▅▆▇█"
# For terminals and files that have no such characters.
PLAIN = "_.-~=+*#"
MISSING = " "


def sparkline(values: Sequence[float | None], width: int, *, ascii_only: bool = False) -> str:
    """The last values, one character each, from nothing up to the highest of them.

    Args:
        values: the oldest first; None where nothing is known.
        width: how many characters there may be; of more values, neighbours share one, which shows the highest.
        ascii_only: whether only characters of ASCII may be used.

    Example:
        >>> sparkline([0.0, 1.0, None, 4.0, 8.0], 10), sparkline([0.0, 0.0], 10), sparkline([1, 5, 1, 9], 2)
        ('▁▂ ▅█', '▁▁', '▅█')
    """
    shown = _fitting(values, width)
    highest = max((value for value in shown if value is not None), default=0.0)
    bars = PLAIN if ascii_only else BARS
    return "".join(MISSING if value is None else bars[_height(value, highest)] for value in shown)


def _height(value: float, highest: float) -> int:
    if highest <= 0 or value <= 0:
        return 0
    return min(len(BARS) - 1, max(1, round(value / highest * (len(BARS) - 1))))


def _fitting(values: Sequence[float | None], width: int) -> list[float | None]:
    if len(values) <= width:
        return list(values)
    found: list[float | None] = []
    for column in range(width):
        part = values[column * len(values) // width : (column + 1) * len(values) // width]
        found.append(max((value for value in part if value is not None), default=None))
    return found
