"""irreversible-revision: a rollback would have to take back a revision that says it cannot be taken back."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "irreversible-revision"


def _check(context: CheckContext) -> Iterator[Finding]:
    if context.plan is None or context.plan.direction != "downgrade":
        return
    for step in context.plan.steps:
        if step.downgrade == "irreversible":
            yield Finding(
                RULE,
                "error",
                f"Revision {step.revision} declares that it cannot be taken back: {step.irreversible_reason}",
                "Go forward with a new revision that repairs what it did, or roll back only to it: "
                f"`--to {step.revision}`.",
                revision=step.revision,
                path=step.path,
            )


CHECK = Check(RULE, "error", _check)
