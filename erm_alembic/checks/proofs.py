"""What the checks that read proofs share: the steps that were proven, and where their downgrade stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from erm_alembic.checks.context import CheckContext
from erm_alembic.wording import first_few

if TYPE_CHECKING:
    from erm_alembic.planning.model import Step
    from erm_alembic.planning.rehearsal import Proof

__all__ = ["listed", "proven_steps"]

MOST_LISTED = 5


def proven_steps(context: CheckContext) -> Iterator[tuple[Step, Proof, int | None]]:
    """The steps of the plan that have a proof, with it and the line of their down script.

    Args:
        context: what is known when the checks run.
    """
    lines = {revision.id: revision.report.line for revision in context.revisions if revision.report.script is None}
    for step in () if context.plan is None else context.plan.steps:
        if step.proof is not None:
            yield step, step.proof, lines.get(step.revision)


def listed(texts: Sequence[str], between: str = " ") -> str:
    """The first of some texts, and how many there are besides.

    Args:
        texts: the texts.
        between: what stands between them.

    Example:
        >>> listed(["a", "b", "c", "d", "e", "f", "g"], ", ")
        'a, b, c, d, e and 2 more'
    """
    return first_few(texts, MOST_LISTED, between)
