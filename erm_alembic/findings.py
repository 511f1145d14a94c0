"""A finding: what a check says about a plan. Data, never an exception."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]

__all__ = ["NOT_KEPT_RULE", "Finding", "Ignored", "Override", "Severity", "blocking"]

# Of a plan that was to be kept and cannot be: no check's, so that nothing configures it or lets it pass.
NOT_KEPT_RULE = "not-kept"


@dataclass(frozen=True)
class Finding:
    """One thing that a check objects to.

    Args:
        rule: the check's id, which is also its file, its docs page and its key in `safety.rules`.
        severity: `error` blocks plan and apply, `warning` and `info` do not.
        message: what is wrong and what it leads to, in one or two sentences.
        help: what to do about it.
        revision: the revision it is about, where there is one.
        path: the file it is about, relative to the project.
        line: the line in that file, counted from 1.
        overridden: why it was let pass this once; None when it was not.
    """

    rule: str
    severity: Severity
    message: str
    help: str = ""
    revision: str | None = None
    path: str | None = None
    line: int | None = None
    overridden: str | None = None


@dataclass(frozen=True)
class Ignored:
    """A finding that a comment in its file lets pass (`# erm: ignore[rule] reason`).

    Args:
        rule: the finding's rule.
        reason: what the comment says.
        revision: the revision that the finding is about.
        path: the file that it is about, relative to the project.
        line: the line in that file.
    """

    rule: str
    reason: str
    revision: str | None = None
    path: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Override:
    """A rule that may pass once (`--override RULE --reason TEXT`).

    Args:
        rule: the rule's id.
        reason: why; kept in the ledger and shown wherever the plan is.
    """

    rule: str
    reason: str


def blocking(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings that forbid apply.

    Example:
        >>> blocking((Finding("a", "warning", "m"), Finding("b", "error", "m")))[0].rule
        'b'
    """
    return tuple(finding for finding in findings if finding.severity == "error")
