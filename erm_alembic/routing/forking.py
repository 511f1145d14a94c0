"""What a forked child does before it uses what its parent made.

Only the thread that forked goes on in the child. A lock that another one held there stays locked for good, the threads
are not there, and the connections are the parent's.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

# Its keepers begin anew first, by a hook of their own: pools are replaced here.
import erm_alembic.postgres.engine  # noqa: F401 - it watches forks as soon as it is imported

__all__ = ["BeginsInChild", "begins_in_child"]


class BeginsInChild(Protocol):
    """What has locks, threads or connections."""

    def begin_in_child(self) -> None:
        """Make locks of its own, forget threads, and leave the parent's connections alone; take no lock."""


def begins_in_child(made: BeginsInChild) -> None:
    """Have something begin anew in each forked child, for as long as somebody holds it.

    Args:
        made: whoever has just been made.
    """
    _made.add(made)


def _begin_in_child() -> None:
    for each in list(_made):
        each.begin_in_child()


_made: weakref.WeakSet[BeginsInChild] = weakref.WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
