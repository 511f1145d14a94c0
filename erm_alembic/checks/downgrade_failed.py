"""downgrade-failed: a downgrade, or the upgrade after it, failed in the shadow where there was nothing to fail on."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.checks.proofs import proven_steps
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "downgrade-failed"


def _check(context: CheckContext) -> Iterator[Finding]:
    for step, proof, line in proven_steps(context):
        if proof.round_trip == "failed" and step.direction == "upgrade":
            yield Finding(
                RULE,
                "error",
                f"Revision {step.revision} cannot be taken back and applied again, even without rows. {proof.reason}",
                "Correct the revision and plan again.",
                revision=step.revision,
                path=step.path,
                line=line,
            )


CHECK = Check(RULE, "error", _check)
