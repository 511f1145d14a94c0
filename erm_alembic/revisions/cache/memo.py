"""What is kept of a project's graph: an answer that Alembic gave, and everything that the answer depended on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from erm_alembic.revisions.cache.listing import Identity

__all__ = ["Memo", "from_bytes", "to_bytes"]

FORMAT = 2


@dataclass(frozen=True)
class Memo:
    """One remembered answer: a database that records exactly `complete_at` has nothing pending up to the heads.

    Args:
        key: where the files were looked for, and which programs read them.
        files: by path: which file it was.
        links: by the path of a symbolic link: where it led.
        beside: by the path of a script that belongs to a revision: which file it was; empty where there was none.
        young: by path: SHA-256 of a file that was changed so shortly before the memo that its times prove nothing.
        odd: by path: what Alembic read in a file whose place in the graph is not written in plain words.
        complete_at: the revisions that such a database records, sorted.
        heads: the heads of the graph, sorted.
        revisions: by revision id: SHA-256 of its file, the ids that it builds or depends on, and the hashes of the code
            that it stands for.
    """

    key: Mapping[str, Any]
    files: dict[str, Identity]
    links: dict[str, str]
    beside: dict[str, Identity]
    young: dict[str, str]
    odd: dict[str, list[Any]]
    complete_at: list[str]
    heads: list[str]
    revisions: dict[str, list[Any]]


def to_bytes(memo: Memo) -> bytes:
    """A memo as it is kept."""
    return json.dumps({"format": FORMAT, **vars(memo)}, separators=(",", ":")).encode()


def from_bytes(content: bytes) -> Memo | None:
    """The memo that was kept; None when it is of another version of erm, or none at all."""
    try:
        found = json.loads(content)
        if found.pop("format") != FORMAT:
            return None
        return Memo(**found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
