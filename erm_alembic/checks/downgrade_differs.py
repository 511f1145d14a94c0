"""downgrade-differs: a downgrade that was run in the shadow does not put back what its upgrade changed."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.checks.proofs import listed, proven_steps
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "downgrade-differs"
HELP = "Let `downgrade()` put back what `upgrade()` found."
KEEPS = (
    " PostgreSQL removes no value from an enum: where one is to stay, declare it at the top level of the file, "
    "`keeps = (\"public.mood.'happy'\",)`, and add it with IF NOT EXISTS."
)


def _check(context: CheckContext) -> Iterator[Finding]:
    for step, proof, line in proven_steps(context):
        if proof.round_trip == "differs" and step.direction == "upgrade":
            in_enum = any(each.endswith(" is left in its enum.") for each in proof.differences)
            yield Finding(
                RULE,
                "error",
                f"Revision {step.revision} is not taken back by its downgrade. {listed(proof.differences)}",
                HELP + (KEEPS if in_enum else ""),
                revision=step.revision,
                path=step.path,
                line=line,
            )


CHECK = Check(RULE, "error", _check)
