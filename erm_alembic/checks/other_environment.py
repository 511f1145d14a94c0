"""other-environment: the database was deployed under other environments than the one that was asked for."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "other-environment"


def _check(context: CheckContext) -> Iterator[Finding]:
    plan = context.plan
    if plan is None or not plan.deployed_as or not plan.steps:
        return
    yield Finding(
        RULE,
        "error",
        f"This database was deployed as {', '.join(plan.deployed_as)}; you asked for --env {plan.environment}.",
        "Check that --env and the URL are the ones you mean. If they are, say so once: --accept-environment.",
    )


CHECK = Check(RULE, "error", _check)
