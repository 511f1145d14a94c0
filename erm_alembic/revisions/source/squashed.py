"""What a revision stands for that `erm squash` made of many: the revisions that it replaces, by the file's own words.

    squashed = {"3f9a1c": ["sha256 of what was applied", ...], ...}

A database that has applied the last of them has had other code than the file says now, and the same schema.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from erm_alembic.revisions.source.bindings import bindings

__all__ = ["FOLDER", "NAME", "SQUASHED", "UNDER_WAY", "squashed_in", "stands_for"]

NAME = "squashed"
# How a difference of the history says what became of a revision.
SQUASHED = "squashed into"
# Where the old files are kept, in the script location, and what is there while it is not over.
FOLDER = "squashed"
UNDER_WAY = ".under-way.json"


def squashed_in(content: bytes) -> Mapping[str, tuple[str, ...]]:
    """The revisions that a file replaces: by id, the hashes under which a ledger may have them.

    Args:
        content: the file's bytes.

    Example:
        >>> squashed_in(b"squashed = {'a1': ['f00'], 'b2': []}")
        {'a1': ('f00',), 'b2': ()}
        >>> squashed_in(b"revision = 'a1'")
        {}
    """
    if NAME.encode() not in content:
        return {}
    try:
        found = bindings(ast.parse(content).body, NAME)
    except (SyntaxError, ValueError):
        return {}
    try:
        value = ast.literal_eval(found[-1]) if found and isinstance(found[-1], ast.Dict) else {}
    except ValueError:
        return {}
    return {
        name: tuple(each for each in hashes if isinstance(each, str))
        for name, hashes in value.items()
        if isinstance(name, str) and isinstance(hashes, list | tuple)
    }


def stands_for(content: bytes, revision: str, applied: str) -> bool:
    """Whether a file replaces just that code of its revision which was applied.

    Args:
        content: the file's bytes.
        revision: its id.
        applied: SHA-256 of the source that the ledger has.
    """
    return applied in squashed_in(content).get(revision, ())
