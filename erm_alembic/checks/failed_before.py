"""failed-before: a revision that failed when it was last tried, and that has no way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.planning.model import Step

if TYPE_CHECKING:  # `erm check` starts in a moment because it does not import what talks to databases
    from erm_alembic.ledger.failed_before import FailedBefore

__all__ = ["CHECK"]

RULE = "failed-before"
HELP = (
    "Write its downgrade, so that the next failure can be taken back, or declare in the file why there is none "
    '(`irreversible = "reason"`). To apply it all the same, say why: --override failed-before --reason TEXT'
)


def _check(context: CheckContext) -> Iterator[Finding]:
    pending = () if context.plan is None else context.plan.steps
    steps = {step.revision: step for step in pending}
    for failed in context.around.failed:
        step = steps[failed.revision]
        yield Finding(RULE, "error", _said(failed, step), HELP, revision=step.revision, path=step.path)


def _said(failed: FailedBefore, step: Step) -> str:
    when = f"run {failed.run_id} ({failed.at:%Y-%m-%d %H:%M:%S %Z})"
    what = f"was taken back by release {failed.release_id}" if failed.release_id is not None else "failed"
    none = "has no downgrade" if step.downgrade == "missing" else "has an empty downgrade"
    return f"Revision {step.revision} {what} in {when}, and it {none}: if it fails again, nothing takes it back."


CHECK = Check(RULE, "error", _check)
