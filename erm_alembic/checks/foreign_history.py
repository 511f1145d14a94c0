"""foreign-history: another migration tool has run these revisions here, and that was not taken over."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "foreign-history"


def _check(context: CheckContext) -> Iterator[Finding]:
    for drift in context.drift:
        if drift.kind == RULE:
            environment = context.plan.environment if context.plan is not None else "NAME"
            yield Finding(
                RULE,
                "error",
                f"Another tool has migrated this database: {drift.object} has versions that are revisions here, and "
                "Alembic records none. Apply would run them a second time.",
                f"Take its history over: `erm import-sql DIR --env {environment}`, where DIR is the directory that the "
                "revisions were imported from.",
            )


CHECK = Check(RULE, "error", _check)
