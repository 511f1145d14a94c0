"""Rules that were let pass, and what to type to let those pass that object: at three in the morning, ready to paste."""

from __future__ import annotations

from collections import Counter

from erm_alembic.config.redaction import redact
from erm_alembic.findings import blocking
from erm_alembic.planning.model import Plan
from erm_alembic.render.safe import Paint, one_line
from erm_alembic.render.words import counted

__all__ = ["DATA_LOSS", "DATA_LOSS_FLAG", "OVER_AGAIN", "objecting", "override_section", "pass_once"]

REASON = "why it may pass"
# What these say is that apply would run again what has run: no command that lets it is handed to anybody.
OVER_AGAIN = frozenset({"foreign-history", "lost-version"})
DATA_LOSS, DATA_LOSS_FLAG = "data-loss", "--allow-data-loss"
OTHER_ENVIRONMENT, OTHER_ENVIRONMENT_FLAG = "other-environment", "--accept-environment"


def override_section(plan: Plan, paint: Paint) -> list[str]:
    """The rules that may pass this once, each with its reason and whether it objects at all.

    Args:
        plan: the plan.
        paint: gives colour.
    """
    passed = Counter(finding.rule for finding in plan.findings if finding.overridden is not None)
    lines = ["", "Overrides:"] if plan.overrides else []
    tried = plan.rehearsal is not None and plan.rehearsal.status == "done"
    silent = "this rule does not object" if tried else "nothing to let pass; the plan was not rehearsed"
    for override in plan.overrides:
        effect = counted(passed[override.rule], "finding") if passed[override.rule] else silent
        lines.append(f"  {paint(one_line(override.rule), 'warn')}: {one_line(redact(override.reason))}  ({effect})")
    return lines


def objecting(plan: Plan) -> str:
    """The rules whose errors block the plan, in the order of their findings.

    Args:
        plan: the plan.
    """
    return ", ".join(one_line(rule) for rule in dict.fromkeys(finding.rule for finding in blocking(plan.findings)))


def pass_once(plan: Plan) -> tuple[str, ...]:
    """The options that let everything pass that objects now, and what was let pass already.

    Args:
        plan: a blocked plan.

    Example:
        >>> from erm_alembic.findings import Finding
        >>> said = (Finding("edited-revision", "error", "..."), Finding("data-loss", "error", "..."))
        >>> plan = Plan("dev", "postgresql://localhost/app", "15.18", "downgrade", (), (), (), findings=said)
        >>> pass_once(plan)
        ('--override', 'edited-revision', '--reason', 'why it may pass', '--allow-data-loss')
    """
    reasons = {override.rule: override.reason for override in plan.overrides}
    reasons |= {finding.rule: REASON for finding in blocking(plan.findings)}
    # `--allow-data-loss` is an override of its own: said once, without another reason.
    loses = plan.direction == "downgrade" and reasons.get(DATA_LOSS) in (REASON, DATA_LOSS_FLAG)
    words: list[str] = []
    if reasons.get(OTHER_ENVIRONMENT) == REASON:
        del reasons[OTHER_ENVIRONMENT]
        words.append(OTHER_ENVIRONMENT_FLAG)
    for rule, reason in reasons.items():
        if rule != DATA_LOSS or not loses:
            words += ["--override", rule, "--reason", redact(reason)]
    return (*words, DATA_LOSS_FLAG) if loses else tuple(words)
