"""downgrade-impossible: rows that can be written after an upgrade make its downgrade fail."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.checks.proofs import proven_steps
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "downgrade-impossible"


def _check(context: CheckContext) -> Iterator[Finding]:
    for step, proof, line in proven_steps(context):
        if proof.data == "impossible" and proof.round_trip != "failed":
            yield Finding(
                RULE,
                "warning",
                f"Revision {step.revision} can be taken back only as long as nobody has written what it newly allows. "
                f"{proof.reason}",
                "Let `downgrade()` cut, map or delete such values first, or be ready to go forward instead.",
                revision=step.revision,
                path=step.path,
                line=line,
            )


CHECK = Check(RULE, "warning", _check)
