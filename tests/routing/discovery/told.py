"""A discovery that a test tells what there is to find."""

from __future__ import annotations

from collections.abc import Callable

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.routing.discovery import Found

__all__ = ["Told"]


class Told:
    """Finds what it was told last; raises it where that is an error.

    Args:
        found: what there is at first.
        finds_primary: whether it claims to know where the primary is.
        kept_for: in seconds.
    """

    def __init__(self, found: Found | Exception, *, finds_primary: bool = False, kept_for: float = 3600.0) -> None:
        self.found = found
        self.finds_primary = finds_primary
        self.kept_for = kept_for
        self.search_interval = 0.02
        self.searches = 0
        self.before: Callable[[], object] = lambda: None

    def find(self, primary: DatabaseUrl) -> Found:
        """What there is now."""
        self.before()
        self.searches += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found
