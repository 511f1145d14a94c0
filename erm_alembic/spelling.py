"""The known word that a mistyped one was probably meant to be: for options, keys, rules, kinds, profiles."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["NEAR", "nearest"]

# How alike two words must be for one to be named instead of the other; a wrong guess misleads more than none.
NEAR = 0.7


def nearest(word: str, known: Iterable[str], *, near: float = NEAR) -> str | None:
    """The known word that was probably meant; None where none is near.

    Upper and lower case, dashes and underscores, the order of the parts and of the letters make no difference.

    Args:
        word: what was typed.
        known: what may stand there.
        near: how alike the two must be, from 0 to 1.

    Example:
        >>> nearest("downgrade_missing", ["downgrade-impossible", "missing-downgrade"])
        'missing-downgrade'
        >>> nearest("--format", ["--from", "--out"]) is None
        True
    """
    plain = {_plain(candidate): candidate for candidate in reversed(list(known))}
    wanted = _plain(word)
    if wanted in plain:
        return plain[wanted]
    parts, letters = sorted(wanted.split("-")), sorted(wanted)
    for candidate, spelled in plain.items():
        if sorted(candidate.split("-")) == parts or (len(letters) > 2 and sorted(candidate) == letters):
            return spelled
    found = difflib.get_close_matches(wanted, list(plain), 1, cutoff=near)
    return plain[found[0]] if found else None


def _plain(word: str) -> str:
    return word.lower().replace("_", "-").lstrip("-")
