"""The list of all rules, with how loud each is in a project."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from erm_alembic.checks import CHECKS
from erm_alembic.checks.context import Check, Needs
from erm_alembic.checks.squawk_rules import FAMILY, OPT_IN, RULES, TASTE, TOLD_OTHERWISE

__all__ = ["ListedRule", "listed_rules"]

PAGES = "https://squawkhq.com/docs/"


@dataclass(frozen=True)
class ListedRule:
    """A rule in the list of `erm check --list`.

    Args:
        rule: its id.
        severity: how loud it is here: `error`, `warning`, `info` or `off`.
        needs: what it looks at: `plan`, `files` or `project`.
        ignorable: whether a comment in a revision may let its findings pass.
        summary: what it objects to.
    """

    rule: str
    severity: str
    needs: Needs
    ignorable: bool
    summary: str


def listed_rules(rules: Mapping[str, str]) -> tuple[ListedRule, ...]:
    """Every rule, those of the registry first and then squawk's own.

    Args:
        rules: `safety.rules`.

    Example:
        >>> next(each.severity for each in listed_rules({"several-heads": "off"}) if each.rule == "several-heads")
        'off'
    """
    own = (
        ListedRule(each.rule, rules.get(each.rule, each.severity), each.needs, each.ignorable, _summary(each))
        for each in CHECKS
    )
    return (*own, *(_of_squawk(name, rules) for name in RULES))


def _summary(check: Check) -> str:
    """What a check objects to, in the words of its file."""
    return (sys.modules[check.run.__module__].__doc__ or "").partition("\n")[0].partition(": ")[2].rstrip(".")


def _of_squawk(name: str, rules: Mapping[str, str]) -> ListedRule:
    rule = f"{FAMILY}/{name}"
    silent = name in TASTE or name in OPT_IN or name in TOLD_OTHERWISE
    level = "off" if rules.get(FAMILY) == "off" else rules.get(rule, "off" if silent else rules.get(FAMILY, "warning"))
    told = f"told by {TOLD_OTHERWISE[name]}; " if name in TOLD_OTHERWISE else ""
    return ListedRule(rule, level, "plan", True, f"{told}{PAGES}{name}")
