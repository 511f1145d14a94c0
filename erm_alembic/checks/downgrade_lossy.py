"""downgrade-lossy: taking a revision back loses values."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.checks.proofs import listed, proven_steps
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "downgrade-lossy"


def _check(context: CheckContext) -> Iterator[Finding]:
    for step, proof, line in proven_steps(context):
        if proof.lost:
            yield Finding(
                RULE,
                "warning",
                f"Taking revision {step.revision} back loses values of {listed(proof.lost, ', ')}.",
                "Where that is not meant, let `downgrade()` put them back. A rollback counts them, and asks for "
                "--allow-data-loss.",
                revision=step.revision,
                path=step.path,
                line=line,
            )


CHECK = Check(RULE, "warning", _check)
