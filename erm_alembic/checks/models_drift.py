"""models-drift: the models have changes that no revision carries."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.wording import first_few

__all__ = ["CHECK"]

RULE = "models-drift"
SHOWN = 3


def _check(context: CheckContext) -> Iterator[Finding]:
    found = [f"{drift.kind} {drift.object}" for drift in context.drift if drift.source == "models"]
    if not found:
        return
    yield Finding(
        RULE,
        "warning",
        f"The models are not what the revisions make: {first_few(found, SHOWN)}. A program that "
        "runs with these models finds another database than it expects.",
        f"`erm drift --source models{context.env_option}` shows each difference. What only the revisions make, add to "
        "the models: a revision made from these would drop it. What only the models have: `erm gen -m MESSAGE"
        f"{context.env_option}` writes the revision that carries them, on a database that is at its heads.",
    )


CHECK = Check(RULE, "warning", _check)
