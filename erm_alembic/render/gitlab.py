"""Findings as a code quality report of GitLab (`--format gitlab`): an array, each finding with its file and line."""

from __future__ import annotations

from typing import Any

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ErmError
from erm_alembic.findings import Finding
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.render.json import dump
from erm_alembic.render.located import Located, located
from erm_alembic.render.presentation import Presentation
from erm_alembic.render.safe import clip, one_line

__all__ = ["failure", "report"]

# GitLab's words, from the loudest: blocker, critical, major, minor, info.
SEVERITIES = {"error": "blocker", "warning": "major", "info": "info"}
LONG = 4000


def report(plan: Plan | None, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation) -> str:
    """The report, for `artifacts: reports: codequality`; an empty array where nothing objects.

    Args:
        plan: the plan, or None.
        findings: what the checks say.
        outcome: how its apply or rollback ended, or None.
        how: where the files stand.

    Example:
        >>> report(None, (), None, Presentation("check"))
        '[]\\n'
    """
    return dump([_issue(each) for each in located(plan, findings, outcome, how)])


def failure(error: ErmError, how: Presentation) -> str:
    """An error as a report with one finding: without any, a merge request would show that nothing objects.

    Args:
        error: the error; secrets in its texts are hidden.
        how: where the files stand.

    Example:
        >>> import json
        >>> told = failure(ErmError("The lock is held.", effect="", cure="Wait."), Presentation())
        >>> (issue,) = json.loads(told)
        >>> issue["severity"], issue["description"]
        ('blocker', 'The lock is held. Wait.')
    """
    cure = " ".join(text for text in (error.effect, error.cure) if text)
    return report(None, (Finding("not-run", "error", redact(error.what), redact(cure)),), None, how)


def _issue(found: Located) -> dict[str, Any]:
    finding = found.finding
    passed = "" if finding.overridden is None else "Let pass: "
    help_ = f" {found.help}" if found.help else ""
    return {
        "description": clip(passed + " ".join(f"{found.message}{help_}".split()), LONG),
        "check_name": one_line(finding.rule),
        "fingerprint": found.fingerprint,
        "severity": SEVERITIES[finding.severity],
        "location": {"path": one_line(found.path), "lines": {"begin": found.line}},
    }
