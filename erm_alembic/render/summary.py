"""What a plan comes to, before anybody reads its statements: whom it blocks, how long, and is there a way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from erm_alembic.planning.model import Plan, Step
from erm_alembic.planning.rehearsal import Estimate
from erm_alembic.render.rehearsal import blocked_words, range_words
from erm_alembic.render.words import counted, duration
from erm_alembic.wording import first_few

__all__ = ["NOBODY", "Summary", "blocked_for", "blocking_estimate", "is_open", "takes_words", "undo_words"]

MOST = 3
NOBODY = "nobody"


@dataclass(frozen=True)
class Summary:
    """The plan in three sentences; each None where it says nothing.

    Args:
        blocks: whom it blocks, and for how long.
        takes: how long it takes.
        undo: whether it can be taken back.
    """

    blocks: str | None
    takes: str | None
    undo: str | None

    @classmethod
    def of(cls, plan: Plan) -> Summary:
        """The summary of a plan.

        Args:
            plan: the plan.

        Example:
            >>> Summary.of(Plan("dev", "", "15.18", "upgrade", (), (), ()))
            Summary(blocks=None, takes=None, undo=None)
        """
        return cls(_blocks(plan.steps), takes_words(plan.steps), _undo(plan))


def blocking_estimate(step: Step) -> Estimate | None:
    """The worst that a revision does to others: reads before writes, then the longest; None where nothing is blocked.

    Args:
        step: the revision.
    """
    found = [
        statement.estimate
        for statement in step.statements
        if statement.estimate is not None and statement.estimate.blocks != "nothing" and not statement.done
    ]
    if not found:
        return None
    worst = max(found, key=_weight)
    relations = dict.fromkeys(name for each in found if each.blocks == worst.blocks for name in each.relations)
    return Estimate(worst.blocks, tuple(relations), worst.low_ms, worst.high_ms, worst.basis)


def is_open(step: Step) -> bool:
    """Whether the end of a revision is not known: not every statement that it sends has an estimate.

    Args:
        step: the revision.

    Example:
        >>> is_open(Step("a", (), "", "a.py", "upgrade", "ok", rendered="partial"))
        True
    """
    sent = [each for each in step.statements if not (each.read or each.done)]
    return step.rendered == "partial" or any(each.estimate is None for each in sent)


def blocked_for(step: Step, found: Estimate) -> str:
    """What a revision blocks, and for how long: a lock is held until its transaction ends, whenever that is.

    Args:
        step: the revision.
        found: the worst that it does to others.
    """
    if not is_open(step):
        return f"{blocked_words(found)} for {range_words(found)}"
    return f"{blocked_words(found)} for at least {duration(round(found.low_ms))}, its end is not known"


def _weight(estimate: Estimate) -> tuple[bool, float]:
    return estimate.blocks == "reads", float("inf") if estimate.high_ms is None else estimate.high_ms


def _blocks(steps: Sequence[Step]) -> str | None:
    blocking = [(step, found) for step in steps if (found := blocking_estimate(step)) is not None]
    if not blocking:
        sent = [each for step in steps for each in step.statements if not (each.read or each.done)]
        known = all(each.estimate is not None for each in sent) and all(step.rendered == "full" for step in steps)
        return NOBODY if sent and known else None
    # What lasts nobody knows how long comes before what has an end.
    worst_first = sorted(
        blocking, key=lambda pair: (pair[1].blocks == "reads", is_open(pair[0]), _weight(pair[1])), reverse=True
    )
    named = [f"{blocked_for(step, found)} ({step.revision})" for step, found in worst_first]
    return first_few(named, MOST, "; ") + (" revisions" if len(named) > MOST else "")


def takes_words(steps: Sequence[Step]) -> str | None:
    """How long revisions take together, at least where that is not known of all; None where it is of none of them.

    Args:
        steps: the revisions.
    """
    known = [step.predicted for step in steps if step.predicted is not None and not is_open(step)]
    unknown = len(steps) - len(known)
    if unknown:
        low = sum(map(_at_least, steps))
        which = f" of {counted(unknown, 'revision')}" if len(steps) > 1 else ""
        return f"at least {duration(round(low))}, the end{which} is not known" if low else None
    if not known:
        return None
    high = sum(each.high_ms or 0.0 for each in known)
    unbounded = any(each.high_ms is None for each in known)
    return range_words(Estimate("nothing", (), sum(each.low_ms for each in known), None if unbounded else high))


def _at_least(step: Step) -> float:
    """What is known of how long a revision takes, in milliseconds."""
    if step.predicted is not None:
        return step.predicted.low_ms
    estimates = [each.estimate for each in step.statements if each.estimate is not None and not each.done]
    return sum(each.takes.low_ms for each in estimates if each.takes is not None)


def undo_words(step: Step) -> str | None:
    """Why a revision cannot simply be taken back; None where it can, as far as is known.

    Args:
        step: the revision, on its way up.
    """
    if step.downgrade == "irreversible":
        return f"irreversible: {step.irreversible_reason or 'no reason given'}"
    if step.downgrade != "ok":
        return f"downgrade {step.downgrade}"
    if step.proof is not None and step.proof.round_trip != "same":
        return "downgrade fails" if step.proof.round_trip == "failed" else "downgrade leaves differences"
    return None


def _loses(step: Step) -> bool:
    return step.proof is not None and step.proof.data == "lossy"


def _undo(plan: Plan) -> str | None:
    if plan.direction == "downgrade" or not plan.steps:
        return None
    stuck = [f"{why} ({step.revision})" for step in plan.steps if (why := undo_words(step)) is not None]
    if stuck:
        able = len(plan.steps) - len(stuck)
        return f"{able} of {counted(len(plan.steps), 'revision')}; not: {first_few(stuck, MOST, '; ')}"
    proven = all(step.proof is not None and step.proof.round_trip == "same" for step in plan.steps)
    words = "yes, proven" if proven else "yes, by downgrades that were not tried"
    return words + _losses([step for step in plan.steps if _loses(step)])


def _losses(lossy: Sequence[Step]) -> str:
    if not lossy:
        return ""
    lost = [name for step in lossy if step.proof is not None for name in step.proof.lost]
    return (
        f"; loses what is in {first_few(lost, MOST)}" if lost else f"; {counted(len(lossy), 'revision')} loses values"
    )
