"""`--override RULE --reason TEXT`: let a named rule pass once, visibly."""

from __future__ import annotations

from dataclasses import replace

from erm_alembic.checks.rules import is_rule, known_rules, nearest_rule
from erm_alembic.errors import UsageError
from erm_alembic.findings import Finding, Override

__all__ = ["Override", "override_findings", "verify_overrides"]


def verify_overrides(overrides: tuple[Override, ...]) -> tuple[Override, ...]:
    """Make sure that each override names a rule and says why, before anything is looked at.

    Args:
        overrides: the rules that may pass, as they were given.

    Returns:
        One override a rule; the reasons of one that was given twice are joined.

    Raises:
        UsageError: an override names a rule that does not exist, or has no reason.

    Example:
        >>> verify_overrides((Override("data-loss", "a cache"), Override("data-loss", "and backed up")))
        (Override(rule='data-loss', reason='a cache; and backed up'),)
    """
    reasons: dict[str, list[str]] = {}
    for override in overrides:
        _verify(override)
        said = reasons.setdefault(override.rule, [])
        if override.reason not in said:
            said.append(override.reason)
    return tuple(Override(rule, "; ".join(said)) for rule, said in reasons.items())


def _verify(override: Override) -> None:
    if not is_rule(override.rule):
        near = nearest_rule(override.rule)
        several = [word for word in override.rule.replace(",", " ").split() if word in known_rules()]
        cure = f"Did you mean {near}?" if near else "`erm check --list` shows the rules."
        if len(several) > 1:
            cure = f"Give each of them by itself: {' '.join(f'--override {rule}' for rule in several)}"
        raise UsageError(
            f"--override {override.rule}: there is no such rule.", effect="Nothing was changed.", cure=cure
        )
    if not override.reason.strip():
        raise UsageError(
            f"--override {override.rule} has no reason.",
            effect="Nothing was changed.",
            cure="Say why the rule may pass: it is kept in the ledger.",
        )


def override_findings(findings: tuple[Finding, ...], overrides: tuple[Override, ...]) -> tuple[Finding, ...]:
    """Turn the errors of overridden rules into warnings that say why they were let pass, and no longer what to do.

    Args:
        findings: what the checks say.
        overrides: the rules that may pass.

    Example:
        >>> said = Finding("data-loss", "error", "Rows would be lost.", "Back them up.")
        >>> (passed,) = override_findings((said,), (Override("data-loss", "a cache"),))
        >>> passed.severity, passed.help, passed.overridden
        ('warning', '', 'a cache')
    """
    reasons = {override.rule: override.reason for override in overrides}
    return tuple(
        replace(finding, severity="warning", help="", overridden=reason)
        if finding.severity == "error"
        and (reason := reasons.get(finding.rule, reasons.get(finding.rule.split("/")[0]))) is not None
        else finding
        for finding in findings
    )
