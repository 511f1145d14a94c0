"""Which branch came late, and what it is put on top of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from erm_alembic.errors import Refused, UsageError
from erm_alembic.revisions.chain import Member

__all__ = ["Branch", "branches_of", "choose"]

NOTHING_CHANGED = "Nothing was changed."


@dataclass(frozen=True)
class Branch:
    """What one head has and the others have not.

    Args:
        head: the head.
        members: its revisions, in no order.
        root: the one that the others build on.
    """

    head: str
    members: frozenset[str]
    root: str


def branches_of(graph: Mapping[str, Member], heads: Sequence[str]) -> dict[str, frozenset[str]]:
    """What each head has alone.

    Args:
        graph: every revision of the project.
        heads: the heads.
    """
    below = {head: _below(graph, head) for head in heads}
    return {
        head: below[head] - frozenset().union(*(below[other] for other in heads if other != head)) for head in heads
    }


def choose(
    graph: Mapping[str, Member],
    heads: Sequence[str],
    applied: Collection[str],
    revision: str | None,
    onto: str | None,
) -> tuple[tuple[Branch, str], ...]:
    """The branches to be moved, in order, each with the revision that it is put on.

    Args:
        graph: every revision of the project.
        heads: the heads, sorted.
        applied: the revisions that the database has.
        revision: a revision of the branch that came late; None for whatever the database has not.
        onto: the head that it is put on; None for the only other one, or the one that the database has.

    Raises:
        Refused: the database has what would be moved, or a branch cannot be moved.
        UsageError: it is not certain which branch is meant.
    """
    if len(heads) < 2:
        raise Refused(
            f"There is one head, {heads[0]}: nothing came beside it." if heads else "The project has no revisions.",
            effect=NOTHING_CHANGED,
            cure="There is nothing to do.",
        )
    alone = branches_of(graph, heads)
    base, late = (
        _named(graph, alone, revision, onto) if revision is not None else _unapplied(graph, alone, applied, onto)
    )
    moves = []
    for head in late:
        there = sorted(alone[head] & set(applied))
        if there:
            raise Refused(
                f"The database has revision {', '.join(there)} already: what was applied is not put elsewhere.",
                effect=NOTHING_CHANGED,
                cure="Move the other branch, or merge the two: erm rebase --merge",
            )
        moves.append((Branch(head, alone[head], _root(graph, alone[head])), base))
        base = head
    return tuple(moves)


def _named(
    graph: Mapping[str, Member], alone: Mapping[str, frozenset[str]], revision: str, onto: str | None
) -> tuple[str, list[str]]:
    head = next((head for head, members in alone.items() if revision in members), None)
    if head is None:
        raise Refused(
            f"Revision {revision} is below every head that it could be put on.",
            effect=NOTHING_CHANGED,
            cure=f"Name a revision that only one of the heads has: {', '.join(alone)}.",
        )
    others = [other for other in alone if other != head]
    if onto is not None:
        if onto not in others:
            raise UsageError(
                f"--onto {onto} is no other head.",
                effect=NOTHING_CHANGED,
                cure=f"Name one of them: {', '.join(others)}.",
            )
        return onto, [head]
    if len(others) > 1:
        raise UsageError(
            f"There are several other heads: {', '.join(others)}.",
            effect=NOTHING_CHANGED,
            cure="Say which one it is put on: --onto HEAD",
        )
    return others[0], [head]


def _unapplied(
    graph: Mapping[str, Member], alone: Mapping[str, frozenset[str]], applied: Collection[str], onto: str | None
) -> tuple[str, list[str]]:
    """What the database has stays; what it has not is put on top, one branch after the other."""
    # A branch with a label, or a beginning of its own, is meant to be one.
    meant = {
        head
        for head, members in alone.items()
        if any(graph[each].labels or not graph[each].parents for each in members)
    }
    candidates = [head for head in alone if head not in meant]
    stays = [head for head in candidates if alone[head] & set(applied)] if onto is None else [onto]
    late = sorted(head for head in candidates if head not in stays)
    if len(stays) > 1:
        raise Refused(
            f"The database has revisions of several branches: {', '.join(sorted(stays))}.",
            effect=NOTHING_CHANGED,
            cure="What was applied is not put elsewhere; merge them: erm rebase --merge",
        )
    if not stays or not late:
        raise UsageError(
            f"Which of the heads came late is not certain: {', '.join(sorted(alone))}.",
            effect=NOTHING_CHANGED,
            cure="Name it: erm rebase REV",
        )
    return stays[0], late


def _root(graph: Mapping[str, Member], members: Collection[str]) -> str:
    roots = sorted(each for each in members if not set(graph[each].down_revisions) & set(members))
    mixed = sorted(
        each for each in members if each not in roots and not set(graph[each].down_revisions) <= set(members)
    )
    if len(roots) != 1 or mixed:
        raise Refused(
            f"The branch with {', '.join(sorted(members))} begins in several places, or merges: "
            f"{', '.join(mixed or roots)}.",
            effect=NOTHING_CHANGED,
            cure="Merge the heads instead: erm rebase --merge",
        )
    if graph[roots[0]].labels:
        raise Refused(
            f"Revision {roots[0]} begins a branch of its own: {', '.join(graph[roots[0]].labels)}.",
            effect=NOTHING_CHANGED,
            cure="Take `branch_labels` out of its file where the branch is to end.",
        )
    return roots[0]


def _below(graph: Mapping[str, Member], head: str) -> frozenset[str]:
    found: set[str] = set()
    ahead = [head]
    while ahead:
        each = ahead.pop()
        if each not in found:
            found.add(each)
            ahead.extend(graph[each].parents)
    return frozenset(found)
