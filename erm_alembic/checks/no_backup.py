"""no-backup: a profile demands a backup before what may lose data, and has nothing that takes one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

if TYPE_CHECKING:  # `erm check` starts in a moment because it does not import what talks to databases
    from erm_alembic.ledger.backups import LostObject

__all__ = ["CHECK", "risk_in_words"]

RULE = "no-backup"
MOST = 3


def _check(context: CheckContext) -> Iterator[Finding]:
    plan = context.plan
    if plan is None or plan.backup is None or not plan.backup.demanded or plan.backup.method != "none":
        return
    if plan.backup.fresh is not None:
        return
    risks = plan.backup.at_risk
    told = "; ".join(risk_in_words(each) for each in risks[:MOST]) + (" and more" if len(risks) > MOST else "")
    yield Finding(
        RULE,
        "error",
        f"backup.before is {plan.backup.before}, and backup.method is none: nobody takes the backup that {plan.mode} "
        f"must have first{': ' + told if told else ''}.",
        "Set `backup.method` (pg_dump, pg_basebackup, command). Where there is a backup that erm does not know of, say "
        f"so: --override {RULE} --reason TEXT.",
        revision=risks[0].revision if risks else None,
        line=risks[0].line if risks else None,
    )


def risk_in_words(risk: LostObject) -> str:
    """What a run may lose, in a few words.

    Args:
        risk: what it may lose.

    Example:
        >>> from erm_alembic.ledger.backups import LostObject
        >>> risk_in_words(LostObject("column", "users.email", "public.users", "email"))
        'column users.email is dropped'
    """
    match risk.kind:
        case "table":
            return f"table {risk.object} is dropped"
        case "column":
            return f"column {risk.object} is dropped"
        case "rows":
            return f"rows of {risk.object} are removed"
        case "rewrite":
            return f"{risk.object} is written anew"
        case "update":
            return f"values of {risk.object} are overwritten"
        case "proven":
            return f"{risk.object} does not survive"
    return f"`{risk.object} ...` cannot be read"


CHECK = Check(RULE, "error", _check)
