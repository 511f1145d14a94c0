"""Findings as SARIF 2.1.0 (`--format sarif`): what code scanning and editors read.

A run of a plan has a category of its own (`automationDetails`), so that the plan of one environment does not close what
that of another has opened.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ErmError
from erm_alembic.findings import Finding, Ignored
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.render.json import dump
from erm_alembic.render.located import RUN_FAILED, Located, located
from erm_alembic.render.pages import Page, page_of
from erm_alembic.render.presentation import Presentation
from erm_alembic.render.safe import block, clip, one_line
from erm_alembic.version import __version__

__all__ = ["SCHEMA", "failure", "report"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
VERSION = "2.1.0"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
ROOT = "SRCROOT"
LONG = 8000


def report(plan: Plan | None, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation) -> str:
    """A log with one run.

    Args:
        plan: the plan, or None.
        findings: what the checks say.
        outcome: how its apply or rollback ended, or None.
        how: where the files stand.

    Example:
        >>> import json
        >>> finding = Finding("several-heads", "warning", "Two heads.", path="a.py", line=3)
        >>> (run,) = json.loads(report(None, (finding,), None, Presentation("check")))["runs"]
        >>> run["results"][0]["ruleId"], run["automationDetails"]["id"]
        ('several-heads', 'erm/check/')
    """
    places = located(plan, findings, outcome, how)
    ignored = () if plan is None else plan.ignored
    rules = list(dict.fromkeys([*(each.finding.rule for each in places), *(each.rule for each in ignored)]))
    results = [_result(each, rules) for each in places] + [_ignored(each, rules, how) for each in ignored]
    ended = {"executionSuccessful": outcome is None or outcome.result in ("done", "nothing-to-do")}
    return _log(_category(plan, how), ended, [*map(_rule, rules)], results)


def failure(error: ErmError, how: Presentation) -> str:
    """An error as a log whose one run found nothing since it did not end well.

    It has a category of its own, so that it closes nothing that a plan has opened.

    Args:
        error: the error; secrets in its texts are hidden.
        how: where the files stand.

    Example:
        >>> import json
        >>> (run,) = json.loads(failure(ErmError("The lock is held.", effect="", cure="Wait."), Presentation()))["runs"]
        >>> run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
        'The lock is held.\\nWait.'
    """
    lines = [line for text in (error.what, error.effect, error.cure) if text for line in block(redact(text))]
    told = {"level": "error", "message": {"text": _literal(clip("\n".join(lines), LONG))}}
    ended = {"executionSuccessful": False, "exitCode": error.exit_code, "toolExecutionNotifications": [told]}
    return _log("erm/not-run/", ended, [], [])


def _log(category: str, ended: dict[str, Any], rules: list[dict[str, Any]], results: list[dict[str, Any]]) -> str:
    run = {
        "tool": {"driver": {"name": "erm", "semanticVersion": __version__, "rules": rules}},
        "automationDetails": {"id": category},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [ended],
        "results": results,
    }
    return dump({"$schema": SCHEMA, "version": VERSION, "runs": [run]})


def _category(plan: Plan | None, how: Presentation) -> str:
    """What the run is about, with a slash at its end: GitHub tells runs apart by what stands before that."""
    words = ["erm", how.command, *([how.environment] if how.environment else [])]
    if plan is not None:
        words = ["erm", "rollback" if plan.direction == "downgrade" else "plan", plan.environment]
    return "".join(f"{quote(word, safe='', errors='backslashreplace')}/" for word in words)


def _rule(rule: str) -> dict[str, Any]:
    page = Page("a revision that failed when it was run", None, "") if rule == RUN_FAILED else page_of(rule)
    told: dict[str, Any] = {
        "id": one_line(rule),
        "shortDescription": {"text": page.summary or one_line(rule)},
        "help": {"text": page.text or page.summary or one_line(rule)},
    }
    if page.text:
        told["help"]["markdown"] = page.text
    if page.address is not None:
        told["helpUri"] = page.address
    return told


def _location(path: str, line: int) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(path), **({} if path.startswith("/") else {"uriBaseId": ROOT})},
            "region": {"startLine": line},
        }
    }


def _uri(path: str) -> str:
    quoted = quote(path, safe="/", errors="backslashreplace")
    return f"file://{quoted}" if path.startswith("/") else quoted


def _result(found: Located, rules: list[str]) -> dict[str, Any]:
    finding = found.finding
    text = clip(f"{found.message}\n{found.help}" if found.help else found.message, LONG)
    result: dict[str, Any] = {
        "ruleId": one_line(finding.rule),
        "ruleIndex": rules.index(finding.rule),
        "level": LEVELS[finding.severity],
        "message": {"text": _literal(text)},
        "locations": [_location(found.path, found.line)],
        # The second name is the one that GitHub knows a finding again by.
        "partialFingerprints": {
            "ermFinding/v1": found.fingerprint,
            "primaryLocationLineHash": f"{found.fingerprint[:16]}:1",
        },
    }
    if finding.revision is not None:
        result["properties"] = {"revision": one_line(finding.revision)}
    if finding.overridden is not None:
        reason = "\n".join(block(redact(finding.overridden)))
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": reason}]
    return result


def _ignored(each: Ignored, rules: list[str], how: Presentation) -> dict[str, Any]:
    """What a comment in its file lets pass: told, and marked as such."""
    return {
        "ruleId": one_line(each.rule),
        "ruleIndex": rules.index(each.rule),
        "level": "note",
        "message": {"text": "A comment in the file lets this pass."},
        "locations": [_location(how.places.told(each.path or how.places.anchor), max(each.line or 1, 1))],
        "suppressions": [{"kind": "inSource", "status": "accepted", "justification": "\n".join(block(each.reason))}],
    }


def _literal(text: str) -> str:
    """The text without what a message of SARIF would read as a placeholder or as a link."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")
