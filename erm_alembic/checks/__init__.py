"""Everything that may object to a plan: one file a check, and the registry is the tuple below."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from erm_alembic.checks import (
    data_loss,
    edited_revision,
    foreign_history,
    half_done_revision,
    irreversible_revision,
    lost_version,
    missing_downgrade,
    missing_revision,
    models_drift,
    other_environment,
    plaintext_password,
    schema_drift,
    several_heads,
)
from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.errors import ConfigurationError
from erm_alembic.findings import Finding, Severity

__all__ = ["CHECKS", "Check", "CheckContext", "run_checks", "verify_rules"]

CHECKS: tuple[Check, ...] = (
    missing_downgrade.CHECK,
    missing_revision.CHECK,
    lost_version.CHECK,
    foreign_history.CHECK,
    edited_revision.CHECK,
    schema_drift.CHECK,
    models_drift.CHECK,
    half_done_revision.CHECK,
    other_environment.CHECK,
    plaintext_password.CHECK,
    several_heads.CHECK,
    irreversible_revision.CHECK,
    data_loss.CHECK,
)


def run_checks(
    context: CheckContext, rules: Mapping[str, str], checks: tuple[Check, ...] = CHECKS
) -> tuple[Finding, ...]:
    """Run the checks, each as loud as `safety.rules` wants it.

    Args:
        context: what the checks may look at.
        rules: `safety.rules`: `error`, `warning` or `off` by rule id.
        checks: the checks to run; all of them unless a command runs one alone.

    Raises:
        ConfigurationError: `rules` names a rule that does not exist.

    Example:
        >>> run_checks(CheckContext(), {"several-heads": "off"})
        ()
    """
    verify_rules(rules, context)
    findings: list[Finding] = []
    for check in checks:
        level = rules.get(check.rule, check.severity)
        if level != "off":
            findings += (_as_loud_as(cast(Severity, level), finding, check) for finding in check.run(context))
    return tuple(findings)


def _as_loud_as(level: Severity, finding: Finding, check: Check) -> Finding:
    """What is only to know stays that: no rule makes it louder; nor what a check has graded by itself."""
    if finding.severity == "info" or (check.graded and level == "error"):
        return finding
    return replace(finding, severity=level)


def verify_rules(rules: Mapping[str, str], context: CheckContext | None = None) -> None:
    """Make sure that every key of `safety.rules` is a rule: a mistyped one would silence nothing, and say nothing.

    Args:
        rules: `safety.rules`.
        context: gives the place of a key in erm.yaml, where it has settings.

    Raises:
        ConfigurationError: for all the unknown rules together, each with the nearest known one.
    """
    known = [check.rule for check in CHECKS]
    unknown = [rule for rule in rules if rule not in known]
    if not unknown:
        return
    origins = context.settings.origins if context is not None and context.settings is not None else {}
    lines = []
    for rule in unknown:
        origin = origins.get(f"safety.rules.{rule}", "erm.yaml")
        nearest = difflib.get_close_matches(rule, known, n=1)
        meant = f"; did you mean {nearest[0]}?" if nearest else ""
        lines.append(f"{origin}: safety.rules.{rule} is not a rule{meant}")
    raise ConfigurationError(
        "\n".join(lines),
        effect="Nothing was checked or changed.",
        cure=f"Correct the name. The rules are: {', '.join(sorted(known))}.",
    )
