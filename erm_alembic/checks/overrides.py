"""`--override RULE --reason TEXT`: let a named rule pass once, visibly."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from erm_alembic.checks import CHECKS
from erm_alembic.errors import UsageError
from erm_alembic.findings import Finding

__all__ = ["Override", "override_findings"]


@dataclass(frozen=True)
class Override:
    """A rule that may pass once.

    Args:
        rule: the rule's id.
        reason: why; kept in the ledger and shown with the finding.
    """

    rule: str
    reason: str


def override_findings(findings: tuple[Finding, ...], overrides: tuple[Override, ...]) -> tuple[Finding, ...]:
    """Turn the errors of overridden rules into warnings that say who let them pass.

    Args:
        findings: what the checks say.
        overrides: the rules that may pass.

    Raises:
        UsageError: an override names a rule that does not exist.
    """
    known = {check.rule for check in CHECKS}
    for override in overrides:
        if override.rule not in known:
            near = difflib.get_close_matches(override.rule, known, 1)
            raise UsageError(
                f"--override {override.rule}: there is no such rule.",
                effect="Nothing was changed.",
                cure=f"Did you mean {near[0]}?" if near else f"The rules are {', '.join(sorted(known))}.",
            )
    reasons = {override.rule: override.reason for override in overrides}
    return tuple(
        replace(finding, severity="warning", message=f"{finding.message} (overridden: {reasons[finding.rule]})")
        if finding.rule in reasons and finding.severity == "error"
        else finding
        for finding in findings
    )
