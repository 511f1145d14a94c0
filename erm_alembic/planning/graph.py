"""The project's revision graph as a value, for those who show where a plan stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["GraphRevision", "as_graph"]


@dataclass(frozen=True)
class GraphRevision:
    """One revision of the project, whether it is applied, pending, or neither.

    Args:
        revision: its id.
        parents: what it builds or depends on.
        message: its message, first line; empty where the files were not read.
    """

    revision: str
    parents: tuple[str, ...] = ()
    message: str = ""


def as_graph(
    parents: Mapping[str, tuple[str, ...]], messages: Mapping[str, str] | None = None
) -> tuple[GraphRevision, ...]:
    """A graph from what each revision builds or depends on.

    Args:
        parents: by revision id.
        messages: by revision id; what is missing has none.

    Example:
        >>> as_graph({"b": ("a",), "a": ()})[0].parents
        ('a',)
    """
    said = messages or {}
    return tuple(GraphRevision(revision, ids, said.get(revision, "")) for revision, ids in parents.items())
