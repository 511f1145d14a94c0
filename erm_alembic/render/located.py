"""Findings by file and line of the repository, for what shows them there: annotations, code quality, code scanning."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass

from erm_alembic.config.redaction import redact
from erm_alembic.findings import Finding, Severity
from erm_alembic.planning.model import Outcome, Plan, StepOutcome
from erm_alembic.render.presentation import Presentation
from erm_alembic.render.safe import block

__all__ = ["RUN_FAILED", "Located", "located"]

# The rule of what is no check's: a revision that failed when it was run.
RUN_FAILED = "run-failed"
RANKS: tuple[Severity, ...] = ("error", "warning", "info")

# What differs from run to run although the finding is the same: counts, sizes and times.
_NUMBERS = re.compile(r"(?<![\w.\"])\d[\d.,]*(?:\s?(?:ms|s|min|h|kB|MB|GB|TB|bytes|rows?|values?)\b)?")

# The place that the error of a revision begins with.
_PLACE = re.compile(r"(\S[^\n:]*\.(?:py|sql)):(\d+): ")


@dataclass(frozen=True)
class Located:
    """A finding at its place.

    Args:
        finding: the finding.
        path: its file, from the repository's root on; never empty.
        line: its line, counted from 1; the first one where it has none.
        message: what is wrong, its secrets hidden, everything visible; it may have several lines.
        help: what to do about it, likewise.
        fingerprint: what the same finding has in every run: 64 hexadecimal digits.
    """

    finding: Finding
    path: str
    line: int
    message: str
    help: str
    fingerprint: str


def located(
    plan: Plan | None, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation
) -> tuple[Located, ...]:
    """The findings at their places, the most severe first; a revision that failed is one of them.

    Args:
        plan: the plan, or None.
        findings: what the checks say.
        outcome: how its apply or rollback ended, or None.
        how: where the files stand.

    Example:
        >>> (found,) = located(None, (Finding("r", "error", "Bad.", path="a.py", line=3),), None, Presentation())
        >>> found.path, found.line, len(found.fingerprint)
        ('a.py', 3, 64)
    """
    paths = {} if plan is None else {step.revision: step.path for step in plan.steps}
    seen: Counter[tuple[str, ...]] = Counter()
    places = []
    for finding in (*findings, *_failures(plan, outcome)):
        path = finding.path or paths.get(finding.revision or "")
        message = _shown(finding.message)
        told = how.places.told(path or how.places.anchor)
        line = finding.line if path and finding.line is not None and finding.line > 0 else 1
        environment = how.environment if plan is None else plan.environment
        identity = (finding.rule, environment, told, finding.revision or "", _NUMBERS.sub("0", message))
        seen[identity] += 1
        fingerprint = _digest((*identity, str(seen[identity])))
        places.append(Located(finding, told, line, message, _shown(finding.help), fingerprint))
    return tuple(sorted(places, key=lambda each: RANKS.index(each.finding.severity)))


def _failures(plan: Plan | None, outcome: Outcome | None) -> list[Finding]:
    """What failed when the plan was run, as a finding: it is what a reader of annotations looks for first."""
    if plan is None or outcome is None or outcome.result in ("done", "nothing-to-do"):
        return []
    cure = "\n".join(text for text in (outcome.effect, outcome.cure) if text)
    failed = [_failed(each, cure) for each in outcome.steps if each.outcome == "failed"]
    if failed:
        return failed
    if outcome.result == "refused" and any(each.severity == "error" for each in plan.findings):
        return []  # which say why
    what = {"refused": "was refused", "interrupted": "was interrupted"}.get(outcome.result, "failed")
    reason = f": {outcome.error}" if outcome.error else "."
    return [Finding(RUN_FAILED, "error", f"The {plan.mode} of {plan.environment} {what}{reason}", cure)]


def _failed(step: StepOutcome, cure: str) -> Finding:
    """A revision that failed, on the line that its error begins with, where it does."""
    told = step.error or ""
    found = _PLACE.match(told)
    path, line = (found[1], int(found[2])) if found is not None else (None, None)
    error = told[found.end() :] if found is not None else told
    message = f"Revision {step.revision} failed: {error}"
    return Finding(RUN_FAILED, "error", message, cure, revision=step.revision, path=path, line=line)


def _shown(text: str) -> str:
    return "\n".join(block(redact(text)))


def _digest(words: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()
