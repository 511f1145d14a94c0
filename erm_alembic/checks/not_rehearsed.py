"""not-rehearsed: there was no shadow to try the plan out in."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "not-rehearsed"


def _check(context: CheckContext) -> Iterator[Finding]:
    rehearsal = None if context.plan is None else context.plan.rehearsal
    if rehearsal is not None and rehearsal.status == "unknown":
        yield Finding(
            RULE,
            "warning",
            f"The plan was not rehearsed, so nobody knows what its statements lock: {rehearsal.reason}",
            "Correct env.py or the revision that the reason names. Where there is no server for scratch databases, "
            "give erm one (`shadow.url` in erm.yaml, or PostgreSQL's programs on this machine). Or leave the rehearsal "
            "out with --no-rehearse.",
        )


CHECK = Check(RULE, "warning", _check)
