"""How an apply or a rollback ended, as lines of text."""

from __future__ import annotations

from erm_alembic.config.redaction import redact
from erm_alembic.planning.model import Outcome, Plan, StepOutcome
from erm_alembic.render.safe import Paint, block, one_line, plain
from erm_alembic.render.words import counted, duration, revisions

__all__ = ["done_meanwhile", "effect_and_cure", "headline", "outcome_lines", "step_lines"]

_MARKS = {"done": ("done", "good"), "failed": ("FAILED", "bad"), "not-run": ("not run", "dim")}


def step_lines(step: StepOutcome, message: str, paint: Paint = plain) -> list[str]:
    """How one revision ended, and what failed in it.

    Args:
        step: how it ended.
        message: the revision's message.
        paint: gives colour; none by default.

    Example:
        >>> step_lines(StepOutcome("3f9a1c", "done", 40, 2), "add orders")
        ['  done     3f9a1c  add orders  (40 ms, 2 statements)']
    """
    word, role = _MARKS[step.outcome]
    facts = f"({duration(step.duration_ms)}, {counted(step.statements, 'statement')})"
    parts = [paint(f"{word:<7}", role), one_line(step.revision), one_line(message)]
    parts += [] if step.outcome == "not-run" else [facts]
    lines = ["  " + "  ".join(part for part in parts if part)]
    if step.error:
        lines += [f"           {line}" for line in block(redact(step.error))]
    return lines


def _run(outcome: Outcome) -> str:
    return f", run {outcome.run_id} in the ledger" if outcome.run_id is not None else ""


def done_meanwhile(plan: Plan, outcome: Outcome) -> bool:
    """Whether all of the plan was done by somebody else, while this run waited for the deploy lock.

    Args:
        plan: the plan.
        outcome: how its run ended.
    """
    return outcome.result == "done" and bool(plan.steps) and not any(each.outcome == "done" for each in outcome.steps)


def headline(plan: Plan, outcome: Outcome) -> tuple[str, str]:
    """The first line on how a run ended, and the role of its colour.

    Args:
        plan: the plan that was run.
        outcome: how it ended.
    """
    done = counted(sum(step.outcome == "done" for step in outcome.steps), "revision")
    verb = "rolled back" if plan.direction == "downgrade" else "applied"
    took = f"{duration(outcome.duration_ms)}{_run(outcome)}"
    if done_meanwhile(plan, outcome):
        return f"Done: nothing was left to do; another deployment did it meanwhile ({took}).", "good"
    if outcome.result == "done":
        return f"Done: {done} {verb} in {took}.", "good"
    if outcome.result == "nothing-to-do":
        nothing = plan.direction == "downgrade" and not outcome.current
        return f"Nothing to do: {'no revision is applied' if nothing else 'the database is at its target'}.", "good"
    if outcome.result == "refused":
        return "Refused: nothing was changed.", "bad"
    word = "Interrupted" if outcome.result == "interrupted" else "Failed"
    return f"{word} after {took}: {done} {verb} before it.", "bad"


def effect_and_cure(outcome: Outcome, paint: Paint) -> list[str]:
    """What stays of a revision that failed, and what to do about it, as far as each is known.

    Args:
        outcome: how the run ended.
        paint: gives colour.
    """
    lines: list[str] = []
    for label, text in (("effect:", outcome.effect), ("cure:  ", outcome.cure)):
        if text:
            first, *rest = block(redact(text))
            lines += [f"{paint(label, 'strong')} {first}", *(f"{'':{len(label)}} {line}" for line in rest)]
    return lines


def outcome_lines(plan: Plan, outcome: Outcome, paint: Paint, *, watched: bool = False) -> list[str]:
    """The lines that say how a run ended: one for the whole, one a step, where the database stands now.

    Args:
        plan: the plan that was run.
        outcome: how it ended.
        paint: gives colour.
        watched: whether the steps that are done stand above already, told one by one while they ran.
    """
    first, role = headline(plan, outcome)
    lines = [paint(first, role)]
    messages = {step.revision: step.message for step in plan.steps}
    for step in outcome.steps if outcome.result != "refused" else ():  # which stand in the plan above
        if not (watched and step.outcome == "done"):
            lines += step_lines(step, messages.get(step.revision, ""), paint)
    shown = any(step.error for step in outcome.steps)
    if outcome.error and not shown:
        lines += [f"  {line}" for line in block(redact(outcome.error))]
    lines += effect_and_cure(outcome, paint)
    if outcome.backup is not None:
        lines.append(f"Backup {one_line(outcome.backup.id)} stands behind it: {one_line(redact(outcome.backup.place))}")
    if outcome.result == "refused":
        return lines
    where = revisions(outcome.current, "base: no revision is recorded")
    if not outcome.current_known:
        return [*lines, f"Where the database stands now is not known; when it was last asked, it was at {where}."]
    return [*lines, f"The database is now at {where}."]
