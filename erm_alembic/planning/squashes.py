"""What becomes of a squash: values, for Python callers and for render/."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Squashed"]


@dataclass(frozen=True)
class Squashed:
    """Many revisions that became one.

    Args:
        environment: the profile whose database was looked at.
        revision: the revision that they became, which has the id of the last of them.
        replaced: the ids of those that it stands for, itself among them, in order.
        script: its script.
        files: what was written; empty when it was only looked.
        kept: the folder in which the files of the others are kept; None when it was only looked.
        tables: how many tables have rows that the revisions have written, and the script writes.
        notes: what to know of it.
    """

    environment: str
    revision: str
    replaced: tuple[str, ...]
    script: str = field(repr=False)
    files: tuple[Path, ...] = ()
    kept: Path | None = None
    tables: int = 0
    notes: tuple[str, ...] = ()
