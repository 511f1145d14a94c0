"""Within the child: connections to anything but the shadow are refused."""

from __future__ import annotations

__all__ = ["isolate"]


def isolate(url: str) -> None:
    """Refuse, from now on, every connection of this process that does not go to the shadow.

    Args:
        url: the shadow, as a libpq URI.
    """
