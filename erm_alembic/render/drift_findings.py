"""Drift as findings, for the formats that show these: each difference under the rule by which a plan tells it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from erm_alembic.config.env_option import env_option
from erm_alembic.drift.severity import severity_of
from erm_alembic.findings import Finding, Severity
from erm_alembic.planning.model import ABSENT, Drift

if TYPE_CHECKING:
    from erm_alembic.config.settings import DriftSettings
    from erm_alembic.drift.report import DriftReport

__all__ = ["drift_findings"]

# The rule of a difference of the history is its kind.
RULES: dict[str, str] = {"history": "", "database": "schema-drift", "models": "models-drift"}
NOT_KNOWN: dict[str, str] = {**RULES, "history": "missing-revision"}


def drift_findings(report: DriftReport, settings: DriftSettings | None = None) -> tuple[Finding, ...]:
    """What `erm drift` found as findings, each as loud as in a plan.

    Args:
        report: what was found.
        settings: `drift` of erm.yaml; None where nothing is configured.
    """
    env = env_option(report.environment)
    against = "" if report.against is None else f" --against {shlex.quote(report.against)}"
    differences = [_difference(each, f"{against}{env}", settings) for each in report.drift]
    unknown = [
        Finding(
            NOT_KNOWN[each.source],
            "warning",
            f"Whether there is drift of the {each.source} is not known: {each.reason}",
            f"`erm drift --source {each.source}{env}` tells more.",
        )
        for each in report.comparisons
        if each.verdict == "unknown"
    ]
    return (*differences, *unknown)


def _difference(drift: Drift, options: str, settings: DriftSettings | None) -> Finding:
    adopted = " A pending revision takes it over." if drift.adopted else ""
    message = f"{drift.kind} {drift.object}: expected {_quoted(drift.expected)}; found {_quoted(drift.found)}.{adopted}"
    return Finding(
        RULES[drift.source] or drift.kind,
        _severity(drift, settings),
        message,
        _help(drift, options),
        revision=drift.object if drift.source == "history" and drift.path is not None else None,
        path=drift.path,
    )


def _quoted(text: str) -> str:
    """What was found, in backticks where it is more than words, such as a statement."""
    shown = " ".join(text.split())
    return f"`{shown}`" if "`" not in shown and not shown.replace(" ", "").isalpha() else shown


def _severity(drift: Drift, settings: DriftSettings | None) -> Severity:
    if drift.source == "history":
        return "error"
    if drift.source == "models" or drift.adopted:
        return "warning"
    level = severity_of(drift.kind, settings)
    return "info" if level == "off" else level


def _help(drift: Drift, options: str) -> str:
    if drift.source == "models":
        if drift.expected == ABSENT:
            return f"Add it to the models; or `erm gen -m MESSAGE{options}` writes the revision that drops it."
        return f"`erm gen -m MESSAGE{options}` writes the revision that carries it. Or correct the models."
    if drift.source == "history":
        return f"`erm migrate --mode plan{options}` says what to do about it."
    return (
        f"`erm drift --fix revert{options}` writes SQL that takes it back. What is meant to differ belongs into "
        "drift.ignore of erm.yaml."
    )
