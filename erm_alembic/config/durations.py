"""Durations as a person writes them: `500ms`, `1.5s`, `45m`, `1h`, or several together (`1h30m`).

A bare number is refused on purpose: nobody remembers whether a setting counts in seconds or in milliseconds.
"""

from __future__ import annotations

import re
from datetime import timedelta

__all__ = ["DURATION_PATTERN", "format_duration", "in_milliseconds", "parse_duration"]

DURATION_PATTERN = r"^(?=\d)(\d+(\.\d+)?h)?(\d+(\.\d+)?m(?!s))?(\d+(\.\d+)?s)?(\d+(\.\d+)?ms)?$"

_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(text: str) -> timedelta:
    """Read a duration.

    Args:
        text: numbers, each with its unit: `h`, `m`, `s` or `ms`, the longest unit first.

    Raises:
        ValueError: the text is not a duration, or is longer than a `timedelta` can hold.

    Example:
        >>> parse_duration("1h30m").total_seconds(), parse_duration("1.5s").total_seconds()
        (5400.0, 1.5)
    """
    text = text.strip()
    if not re.fullmatch(DURATION_PATTERN, text, re.ASCII):
        raise ValueError(f"{text!r} is not a duration; write a number and its unit, as 500ms, 15s, 45m or 1h")
    try:
        return timedelta(
            seconds=sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text)),
        )
    except OverflowError:
        raise ValueError(f"{text!r} is too long a duration") from None


def format_duration(duration: timedelta) -> str:
    """Write a duration as `parse_duration` reads it.

    Args:
        duration: not negative; anything finer than a millisecond is left out.

    Example:
        >>> format_duration(parse_duration("90m"))
        '1h30m'
    """
    rest = round(duration.total_seconds() * 1000)
    written = ""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        number, rest = divmod(rest, size)
        if number:
            written += f"{number}{unit}"
    return written or "0s"


def in_milliseconds(limit: timedelta) -> int:
    """A limit as PostgreSQL takes it; zero, which means none there too, only for zero.

    Args:
        limit: not negative.

    Example:
        >>> in_milliseconds(parse_duration("15s")), in_milliseconds(timedelta(microseconds=10))
        (15000, 1)
    """
    return max(1, round(limit.total_seconds() * 1000)) if limit else 0
