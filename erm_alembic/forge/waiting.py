"""How long to wait before the platform is asked again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["UNSAID", "asked_to_wait", "backoff", "is_rate_limit"]

# In seconds.
FIRST = 1.0
LONGEST = 30.0
# A rate limit that comes without a time holds for a minute.
UNSAID = 60.0


def backoff(tried: int) -> float:
    """The seconds before the next try: about 1, 2, 4; never the same for two clients that failed together.

    Args:
        tried: how often it was tried.

    Example:
        >>> 0.5 <= backoff(1) <= 1.5, backoff(20) <= 45
        (True, True)
    """
    return min(LONGEST, FIRST * 2.0 ** min(tried - 1, 16)) * random.uniform(0.5, 1.5)


def is_rate_limit(status: int, headers: Mapping[str, str], said: str) -> bool:
    """Whether a refusal is about how often somebody asks, and not about who does.

    Args:
        status: the status of HTTP; GitHub uses 403 for both.
        headers: by name in small letters.
        said: the platform's reason.

    Example:
        >>> is_rate_limit(403, {}, "Resource not accessible by integration")
        False
        >>> is_rate_limit(403, {"x-ratelimit-remaining": "0"}, "")
        True
    """
    if status == 429:
        return True
    if status != 403:
        return False
    return "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0" or "rate limit" in said.lower()


def asked_to_wait(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that the platform asks to wait for; None where it says nothing.

    Args:
        headers: by name in small letters.
        now: the seconds since 1970.

    Example:
        >>> asked_to_wait({"retry-after": "7"}, 0.0), asked_to_wait({}, 0.0)
        (7.0, None)
        >>> asked_to_wait({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "130"}, 100.0)
        30.0
    """
    after = headers.get("retry-after", "").strip()
    if after.isascii() and after.isdigit():
        return float(after)
    if after:
        try:
            return max(0.0, parsedate_to_datetime(after).astimezone(UTC).timestamp() - now)
        except (ValueError, OverflowError):
            return UNSAID
    for remaining, reset in (
        ("x-ratelimit-remaining", "x-ratelimit-reset"),
        ("ratelimit-remaining", "ratelimit-reset"),
    ):
        said = headers.get(reset, "").strip()
        if headers.get(remaining) == "0" and said.isascii() and said.isdigit():
            return max(0.0, float(said) - now)
    return None
