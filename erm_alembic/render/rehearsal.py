"""What a rehearsal showed, whom a statement blocks and for how long, and whether there is a way back."""

from __future__ import annotations

from erm_alembic.planning.model import Plan, Statement, Step
from erm_alembic.planning.rehearsal import EarlierPredictions, Estimate, Proof
from erm_alembic.render.safe import clip, one_line
from erm_alembic.render.words import counted, duration
from erm_alembic.wording import first_few

__all__ = ["blocked_words", "effect_of", "proof_words", "range_words", "rehearsal_lines"]

# Nobody minds what is over within a second: how that was reckoned is left out.
A_MOMENT_MS = 1000
MOST_NAMES = 3
SHORT = 160


def effect_of(statement: Statement, *, verbose: bool = False) -> str | None:
    """Whom a statement blocks on the target, and for how long; None where that is not worth a line.

    Args:
        statement: the statement, with its estimate where it has one.
        verbose: say it of every statement, in full.

    Example:
        >>> from erm_alembic.planning.rehearsal import Observed, ObservedLock
        >>> seen = Observed((ObservedLock("public.users", "AccessExclusiveLock", "public.users"),))
        >>> effect_of(Statement("", observed=seen, estimate=Estimate("reads", ("public.users",), 1, 50)))
        'blocks reads and writes of public.users for 1 ms to 50 ms'
    """
    estimate, observed = statement.estimate, statement.observed
    if estimate is None or observed is None:
        return None
    long = estimate.high_ms is None or estimate.high_ms >= A_MOMENT_MS
    blocks = estimate.blocks != "nothing"
    # What the transaction has locked before was told at the statement that did.
    if not (verbose or long or (blocks and observed.locks)):
        return None
    what = f"blocks {blocked_words(estimate)} for" if blocks else "blocks nothing, takes"
    text = f"{what} {range_words(estimate)}"
    if (verbose or long) and estimate.basis:
        text += f": {estimate.basis}"
    text = one_line(text)
    return text if verbose else clip(text, SHORT)


def blocked_words(estimate: Estimate) -> str:
    """What is blocked, and where.

    Args:
        estimate: one that blocks something.

    Example:
        >>> blocked_words(Estimate("writes", ("public.users",)))
        'writes of public.users'
    """
    what = "reads and writes" if estimate.blocks == "reads" else "writes"
    return f"{what} of {first_few(estimate.relations, MOST_NAMES)}"


def range_words(estimate: Estimate) -> str:
    """How long something takes, from and to.

    Args:
        estimate: the estimate.

    Example:
        >>> range_words(Estimate("nothing", (), 20, None))
        '20 ms or any longer'
    """
    low = duration(round(estimate.low_ms))
    if estimate.high_ms is None:
        return f"{low} or any longer"
    return f"{low} to {duration(round(estimate.high_ms))}"


def proof_words(step: Step) -> str | None:
    """Whether a revision was seen to come back; None where nothing was proven.

    Args:
        step: the revision.

    Example:
        >>> step = Step("a", (), "", "a.py", "upgrade", "ok", proof=Proof("same", "lossless"))
        >>> proof_words(step)
        'downgrade proven'
    """
    proof = step.proof
    if proof is None:
        return None
    if proof.round_trip != "same":
        return "downgrade fails" if proof.round_trip == "failed" else "downgrade leaves differences"
    return _kept(proof)


def _kept(proof: Proof) -> str:
    if proof.data == "lossy":
        return (
            f"downgrade proven, loses {one_line(first_few(proof.lost, MOST_NAMES))}"
            if proof.lost
            else "downgrade loses values"
        )
    if proof.data == "lossless":
        return "downgrade proven"
    if proof.data == "impossible":
        return "downgrade proven, fails on some rows"
    return "downgrade proven without rows"


def rehearsal_lines(plan: Plan) -> list[str]:
    """Whether the plan was rehearsed, for the head of the plan; nothing where that was not the question."""
    rehearsal = plan.rehearsal
    if rehearsal is None:
        return []
    if rehearsal.status == "skipped":
        return [f"Shadow   not rehearsed: {one_line(rehearsal.reason or 'nobody wanted it')}"]
    if rehearsal.status == "unknown":
        return ["Shadow   not rehearsed: there is no shadow (see below)"]
    earlier = "" if rehearsal.earlier is None else f"; {_earlier(rehearsal.earlier)}"
    ended = f", up to revision {one_line(rehearsal.failed.revision)}, which fails" if rehearsal.failed else ""
    return [
        f"Shadow   rehearsed on PostgreSQL {one_line(rehearsal.server_version)}{ended}{earlier}",
        *(f"         {one_line(note)}" for note in rehearsal.notes),
    ]


def _earlier(earlier: EarlierPredictions) -> str:
    """How far one may trust the numbers.

    Example:
        >>> _earlier(EarlierPredictions(14, 13, 2.5))
        '13 of 14 earlier revisions took no longer than their plan said; one took 2.5 times as long'
        >>> _earlier(EarlierPredictions(3, 3, 1.0))
        'all 3 earlier revisions took no longer than their plan said'
        >>> _earlier(EarlierPredictions(3, 0, 50.1))
        'none of 3 earlier revisions kept to what its plan said; the slowest took 50.1 times as long'
    """
    told = counted(earlier.count, "earlier revision")
    if earlier.kept == earlier.count:
        each = f"all {told} took" if earlier.count > 1 else f"the {told.removeprefix('1 ')} took"
        return f"{each} no longer than {'their' if earlier.count > 1 else 'its'} plan said"
    slow = f"{earlier.worst:.1f} times as long"
    if earlier.count == 1:
        return f"the earlier revision took {slow} as its plan said"
    late = "one took" if earlier.count - earlier.kept == 1 else "the slowest took"
    if not earlier.kept:
        return f"none of {told} kept to what its plan said; {late} {slow}"
    return f"{earlier.kept} of {told} took no longer than their plan said; {late} {slow}"
