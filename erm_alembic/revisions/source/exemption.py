"""What `safety.downgrades_since` exempts from the down-script rule: one rule for the plan and for `erm check`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from erm_alembic.errors import ConfigurationError

__all__ = ["UnknownRevision", "exempt_ids", "with_ancestors"]


def exempt_ids(parents: Mapping[str, Sequence[str]], since: str | None) -> frozenset[str]:
    """The named revision and everything it builds or depends on.

    Args:
        parents: for each revision of the project the ids that it builds or depends on.
        since: a revision id, or a beginning of one that fits no other; None exempts nothing.

    Raises:
        ConfigurationError: no revision, or more than one, is meant.

    Example:
        >>> sorted(exempt_ids({"a1": (), "b2": ("a1",), "c3": ("b2",)}, "b"))
        ['a1', 'b2']
    """
    if since is None:
        return frozenset()
    try:
        return with_ancestors(parents, since)
    except UnknownRevision as unknown:
        raise ConfigurationError(
            f"safety.downgrades_since: {unknown.what}",
            effect="It is unknown which revisions are exempt from the down-script rule. Nothing was changed.",
            cure=f"Correct safety.downgrades_since in erm.yaml. {unknown.cure}",
        ) from None


class UnknownRevision(Exception):
    """No revision is meant, or more than one: `what` says it, `cure` names the nearest."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what)
        self.what, self.cure = what, cure


def with_ancestors(parents: Mapping[str, Sequence[str]], revision: str) -> frozenset[str]:
    """A revision and everything it builds or depends on.

    Args:
        parents: for each revision of the project the ids that it builds or depends on.
        revision: its id, or a beginning of one that fits no other.

    Raises:
        UnknownRevision: no revision, or more than one, is meant.

    Example:
        >>> sorted(with_ancestors({"a1": (), "b2": ("a1",), "c3": ("b2",)}, "b2"))
        ['a1', 'b2']
    """
    found: set[str] = set()
    waiting = [_resolve(revision, sorted(parents))]
    while waiting:
        each = waiting.pop()
        if each not in found and each in parents:
            found.add(each)
            waiting.extend(parents[each])
    return frozenset(found)


def _resolve(given: str, known: list[str]) -> str:
    if given in known:
        return given
    matching = [revision for revision in known if revision.startswith(given)] if given else []
    if len(matching) == 1:
        return matching[0]
    nearest = matching[:3] or difflib.get_close_matches(given, known, n=3, cutoff=0.5)
    what = "means more than one revision" if matching else "is not a revision of this project"
    cure = f"The nearest are: {', '.join(nearest)}." if nearest else "`alembic history` lists the revisions."
    raise UnknownRevision(f"{given!r} {what}.", cure)
