"""What a signature stands under, for the one who gave it: the plan as its file has it, read and shown anew."""

from __future__ import annotations

from typing import Any

from erm_alembic.planning.approved_plan import ApprovedPlan
from erm_alembic.planning.request import mode_of
from erm_alembic.render.safe import block, one_line

__all__ = ["render_signed", "signed_document"]


def signed_document(signed: ApprovedPlan) -> dict[str, Any]:
    """What `erm sign --format json` prints.

    Args:
        signed: the plan.
    """
    return {
        "mode": mode_of(signed.terms.direction),
        "revisions": [step.revision for step in signed.terms.steps],
        "digest": signed.digest,
        "key": None if signed.signature is None else signed.signature["key"],
    }


def render_signed(signed: ApprovedPlan, place: str) -> str:
    """What `erm sign` prints: every statement that may now be run, and by what it is known.

    Args:
        signed: the plan.
        place: its file, as it is to be typed.
    """
    lines = [f"Signed for {mode_of(signed.terms.direction)}: {place}"]
    for step in signed.terms.steps:
        part = "" if step.rendered == "full" else "  (and what depends on data)"
        lines += ["", f"{one_line(step.revision)}  {one_line(step.path)}{part}"]
        lines += [f"    {line}" for statement in step.statements for line in block(statement.sql)]
    lines += ["", f"digest {signed.digest}"]
    if signed.signature is not None:
        lines.append(f"key    {signed.signature['key']}")
    return "\n".join(lines) + "\n"
