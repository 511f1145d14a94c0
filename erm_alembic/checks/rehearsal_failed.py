"""rehearsal-failed: a pending revision failed in the shadow."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding, Severity

__all__ = ["CHECK"]

RULE = "rehearsal-failed"


def _check(context: CheckContext) -> Iterator[Finding]:
    rehearsal = None if context.plan is None else context.plan.rehearsal
    if rehearsal is None or rehearsal.failed is None:
        return
    failed = rehearsal.failed
    what = f"Revision {failed.revision} fails in the shadow: {failed.error.rstrip('.')}."
    if failed.only_there is None:
        message = f"{what} It would fail on the target too; it and what comes after it was not proven."
        help_ = "Correct the revision and plan again."
    else:
        message = f"{what} It may fail there only, for {failed.only_there}; what comes after it was not rehearsed."
        help_ = "Try it on a copy of the target's data, or let it pass where the shadow alone is the reason."
    severity: Severity = "error" if failed.only_there is None else "warning"
    yield Finding(RULE, severity, message, help_, revision=failed.revision, path=failed.path, line=failed.line)


CHECK = Check(RULE, "error", _check, graded=True)
