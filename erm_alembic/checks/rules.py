"""Which rules there are: those of the registry, and squawk's own below `squawk/`."""

from __future__ import annotations

from erm_alembic.checks.squawk_rules import FAMILY, RULES, of_squawk
from erm_alembic.spelling import nearest

__all__ = ["is_ignorable", "is_rule", "known_rules", "nearest_rule"]


def known_rules() -> frozenset[str]:
    """Every rule that `safety.rules`, `--override` and the comments in revisions may name.

    Example:
        >>> {"several-heads", "squawk", "squawk/ban-drop-column"} <= known_rules()
        True
    """
    from erm_alembic.checks import CHECKS

    return frozenset({check.rule for check in CHECKS} | {f"{FAMILY}/{rule}" for rule in RULES})


def is_rule(rule: str) -> bool:
    """Whether there is such a rule; a newer squawk is asked for its own.

    Args:
        rule: the rule's id.

    Example:
        >>> is_rule("several-heads"), is_rule("several-hats")
        (True, False)
    """
    if rule in known_rules():
        return True
    name = of_squawk(rule)
    if not name:
        return False
    from erm_alembic.checks.squawk_program import knows_rule

    return knows_rule(name)


def is_ignorable(rule: str) -> bool:
    """Whether a comment in a revision may let a finding of a rule pass.

    Args:
        rule: the rule's id.

    Example:
        >>> is_ignorable("squawk/ban-drop-column"), is_ignorable("edited-revision")
        (True, False)
    """
    from erm_alembic.checks import CHECKS

    family = rule.split("/")[0]
    return any(check.rule == family and check.ignorable for check in CHECKS)


def nearest_rule(rule: str) -> str | None:
    """The rule that was probably meant; None when none is near.

    Args:
        rule: what was typed.

    Example:
        >>> nearest_rule("several-hats")
        'several-heads'
    """
    known = sorted(known_rules())
    return nearest(rule, known) or next((each for each in known if each == f"{FAMILY}/{rule}"), None)
