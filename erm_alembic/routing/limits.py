"""How stale an answer may be: in seconds, or in bytes of log."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from erm_alembic.config.durations import format_duration, parse_duration
from erm_alembic.config.sizes import Size, parse_size

__all__ = ["ANY_LAG", "Duration", "Lag", "LagLimit", "lag_limit", "seconds"]

Duration = float | timedelta | str
Lag = float | timedelta | str

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class LagLimit:
    """How far behind the primary an answer may be; None sets no bound.

    Args:
        seconds: how old what is missing may be, in seconds.
        bytes: how many bytes of log may be missing.
    """

    seconds: float | None = None
    bytes: int | None = None

    def tightened(self, other: LagLimit) -> LagLimit:
        """The stricter of both, in each unit.

        Example:
            >>> LagLimit(seconds=5).tightened(LagLimit(seconds=20, bytes=1024))
            LagLimit(seconds=5, bytes=1024)
        """
        if other is ANY_LAG or other == self:
            return self
        return LagLimit(_least(self.seconds, other.seconds), _least(self.bytes, other.bytes))

    def __str__(self) -> str:
        parts = []
        if self.seconds is not None:
            parts.append(format_duration(timedelta(seconds=self.seconds)))
        if self.bytes is not None:
            parts.append(str(Size(self.bytes)))
        return " and ".join(parts) or "any lag"


ANY_LAG = LagLimit()


def _least(one: Number | None, other: Number | None) -> Number | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def seconds(duration: Duration) -> float:
    """A duration in seconds.

    Args:
        duration: seconds, a timedelta, or a text such as "5s", "500ms" or "1h30m".

    Raises:
        ValueError: it is negative, not a number, longer than a `timedelta` can hold, or a text without its unit.
        TypeError: it is none of these.

    Example:
        >>> seconds("1m30s"), seconds(timedelta(seconds=2)), seconds(0.5)
        (90.0, 2.0, 0.5)
    """
    if isinstance(duration, str):
        return parse_duration(duration).total_seconds()
    if isinstance(duration, timedelta):
        duration = duration.total_seconds()
    elif isinstance(duration, bool) or not isinstance(duration, int | float):
        raise TypeError(f"a duration is seconds, a timedelta or a text such as '5s', not {duration!r}")
    if not duration >= 0 or duration == float("inf"):
        raise ValueError(f"a duration is not negative, and has an end: {duration!r} is neither")
    try:
        timedelta(seconds=duration)
    except OverflowError:
        raise ValueError("a duration is no longer than a timedelta can hold") from None
    return float(duration)


def lag_limit(lag: Lag | None) -> LagLimit:
    """The limit that somebody wrote.

    Args:
        lag: seconds, a timedelta, a text such as "5s", or bytes of log such as "16MB"; None sets no limit.

    Raises:
        ValueError: it is negative, or a text that is neither a duration nor a number of bytes.
        TypeError: it is none of these.

    Example:
        >>> lag_limit("5s"), lag_limit("16MB"), lag_limit(None)
        (LagLimit(seconds=5.0, bytes=None), LagLimit(seconds=None, bytes=16777216), LagLimit(seconds=None, bytes=None))
    """
    if lag is None:
        return ANY_LAG
    if isinstance(lag, str):
        with suppress(ValueError):
            return LagLimit(bytes=int(parse_size(lag)))
    try:
        return LagLimit(seconds=seconds(lag))
    except ValueError as error:
        if isinstance(lag, str):
            raise ValueError(f"{lag!r} is no lag; write a time, as 500ms or 5s, or bytes of log, as 16MB") from error
        raise
