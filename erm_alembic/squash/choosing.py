"""Which revisions become one, and why they could not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from erm_alembic.errors import Refused
from erm_alembic.revisions.chain import Member
from erm_alembic.wording import first_few

__all__ = ["Chosen", "choose"]

NOTHING_CHANGED = "Nothing was changed."
MOST_NAMED = 5


@dataclass(frozen=True)
class Chosen:
    """The revisions that become one.

    Args:
        last: the last of them, whose id the one has.
        members: all of them, in the order in which they run.
    """

    last: Member
    members: tuple[Member, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Their ids, in the order in which they run."""
        return tuple(member.revision for member in self.members)

    @property
    def labels(self) -> tuple[str, ...]:
        """The branch labels that they declare."""
        return tuple(sorted({label for member in self.members for label in member.labels}))


def choose(graph: Mapping[str, Member], order: tuple[str, ...], last: str) -> Chosen:
    """A revision and all before it.

    Args:
        graph: every revision of the project.
        order: that revision and all that it builds or depends on, in the order in which they run.
        last: the revision's id.

    Raises:
        Refused: there is nothing to make one of, or something would build on what is gone.
    """
    chosen = Chosen(graph[last], tuple(graph[each] for each in order))
    if len(order) == 1:
        raise Refused(
            f"Revision {last} is the first one: there is nothing to make one of.",
            effect=NOTHING_CHANGED,
            cure="Name a later revision: everything up to it, and it itself, becomes one.",
        )
    inner = set(order) - {last}
    above = {
        member.revision: sorted(inner & set(member.parents))
        for member in graph.values()
        if member.revision not in order and inner & set(member.parents)
    }
    if above:
        told = first_few([f"{revision} on {', '.join(below)}" for revision, below in sorted(above.items())], MOST_NAMED)
        raise Refused(
            f"Revisions beside {last} build or depend on what would be gone: {told}.",
            effect=NOTHING_CHANGED,
            cure=f"Put them on top of {last} first (`erm rebase`), or name a revision in which the branches meet.",
        )
    bases = [member.revision for member in chosen.members if not member.parents]
    if chosen.labels and len(bases) > 1:
        raise Refused(
            f"The branches that meet in {last} have labels, all of which one revision would have: "
            f"{', '.join(chosen.labels)}.",
            effect=NOTHING_CHANGED,
            cure="Take `branch_labels` out of these files where nobody names a branch by them any more.",
        )
    return chosen
