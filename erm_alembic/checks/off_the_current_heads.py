"""off-the-current-heads: a pending revision builds on an older one than the database is at."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.planning.model import Plan, Step

__all__ = ["CHECK"]

RULE = "off-the-current-heads"


def _check(context: CheckContext) -> Iterator[Finding]:
    plan = context.plan
    if plan is None or plan.direction == "downgrade" or plan.half_done:
        return
    planned = {step.revision for step in plan.steps}
    for step in plan.steps:
        older = [parent for parent in step.down_revisions if parent not in planned and parent not in plan.current]
        if older and len(step.down_revisions) == 1 and not _is_joined(step, plan):
            yield Finding(
                RULE,
                "warning",
                f"Revision {step.revision} builds on {older[0]}, not on {_at(plan)}, which the database is at: it was "
                f"written without {'what is' if len(plan.current) == 1 else 'what they have'} applied since, and was "
                "not tried after it.",
                f"Let it build on {_at(plan)} (`down_revision` in its file), or join both: "
                f'`alembic merge -m "Merge branches" {" ".join((*plan.current, step.revision))}`. Where branches are '
                "kept apart on purpose, set `safety: {rules: {off-the-current-heads: off}}` in erm.yaml.",
                revision=step.revision,
                path=step.path,
            )


def _at(plan: Plan) -> str:
    return " or ".join(plan.current)


def _is_joined(step: Step, plan: Plan) -> bool:
    """Whether a merge of the plan joins it, or what builds on it, with what the database is at."""
    reached = {step.revision}
    for other in plan.steps:
        if reached.isdisjoint(other.down_revisions):
            continue
        if any(parent not in reached for parent in other.down_revisions):
            return True
        reached.add(other.revision)
    return False


CHECK = Check(RULE, "warning", _check, ignorable=True)
