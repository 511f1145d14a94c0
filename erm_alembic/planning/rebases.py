"""What becomes of revisions that are put on top of others: values, for Python callers and for render/."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Move", "Rebased"]


@dataclass(frozen=True)
class Move:
    """One branch that is put on top of another one.

    Args:
        revisions: its revisions, the first one first.
        before: the id that the first one built on; None for none.
        onto: the id that it builds on now.
        path: the file that was changed, relative to the project's folder.
        diff: what changes in it, as a unified diff.
    """

    revisions: tuple[str, ...]
    before: str | None
    onto: str
    path: str
    diff: str = field(repr=False)


@dataclass(frozen=True)
class Rebased:
    """What became of several heads.

    Args:
        environment: the profile whose database was looked at.
        moves: the branches that were put on top, in order; empty where a merge revision was written.
        heads: the heads of the project afterwards.
        merge: the merge revision that was written.
        written: whether files were changed; False was only a look.
        notes: what to know of the proof.
    """

    environment: str
    moves: tuple[Move, ...]
    heads: tuple[str, ...]
    merge: Path | None = None
    written: bool = True
    notes: tuple[str, ...] = ()
