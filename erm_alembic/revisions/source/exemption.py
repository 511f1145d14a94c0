"""What `safety.downgrades_since` exempts from the down-script rule: one rule for the plan and for `erm check`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from erm_alembic.errors import ConfigurationError

__all__ = ["exempt_ids"]


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
    exempt: set[str] = set()
    waiting = [_resolve(since, sorted(parents))]
    while waiting:
        revision = waiting.pop()
        if revision not in exempt and revision in parents:
            exempt.add(revision)
            waiting.extend(parents[revision])
    return frozenset(exempt)


def _resolve(since: str, known: list[str]) -> str:
    if since in known:
        return since
    matching = [revision for revision in known if revision.startswith(since)] if since else []
    if len(matching) == 1:
        return matching[0]
    nearest = matching[:3] or difflib.get_close_matches(since, known, n=3, cutoff=0.5)
    what = "means more than one revision" if matching else "is not a revision of this project"
    cure = f"The nearest are: {', '.join(nearest)}." if nearest else "`alembic history` lists the revisions."
    raise ConfigurationError(
        f"safety.downgrades_since: {since!r} {what}.",
        effect="It is unknown which revisions are exempt from the down-script rule. Nothing was changed.",
        cure=f"Correct safety.downgrades_since in erm.yaml. {cure}",
    )
