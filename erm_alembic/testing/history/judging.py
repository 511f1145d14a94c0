"""From what erm says of a history to what each of the ready-made tests has to say: nothing, a failure, or a skip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Said", "drift_of_models", "drift_of_tests", "heads", "losses", "of_revision", "plan", "warnings_of"]

FAILS_ON_ROWS = "upgrade-fails-on-rows"
# Rules that one revision's own test tells, and those of the other tests.
OF_REVISIONS = frozenset(
    {
        "downgrade-differs",
        "downgrade-failed",
        "downgrade-impossible",
        "downgrade-lossy",
        "missing-downgrade",
        "irreversible-revision",
        "rehearsal-failed",
        FAILS_ON_ROWS,
    }
)
# Those that tell what a way down costs: warnings, unless erm.yaml says otherwise.
LOSSES = frozenset({"downgrade-impossible", "downgrade-lossy"})
ELSEWHERE = frozenset({"several-heads", "models-drift", "schema-drift", "not-rehearsed"})
MOST_LISTED = 20

Finding = Mapping[str, Any]
Report = Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """What a test says.

    Args:
        failure: why it fails; None where it does not.
        skip: why it says nothing; None where it has looked.
    """

    failure: str | None = None
    skip: str | None = None


PASSED = Said()


def heads(report: Report) -> Said:
    """Whether the history has one head.

    Example:
        >>> heads({"heads": ["3a1f"], "findings": []}).failure is None
        True
        >>> heads({"heads": ["3a1f", "8c4d"], "findings": []}).failure.splitlines()[0]
        'The history has 2 heads: 3a1f, 8c4d.'
    """
    found = report["heads"]
    if len(found) <= 1:
        return PASSED
    files = [f"  {step['path']}" for step in report.get("pending", ()) if step["revision"] in found]
    first = f"The history has {len(found)} heads: {', '.join(found)}."
    cure = "Join them with `alembic merge heads`, or let one of them build on the other (`down_revision`)."
    return Said("\n".join([first, *files, cure]))


def of_revision(report: Report, revision: str) -> Said:
    """Whether a revision goes up, down and up again, with rows in its tables.

    Args:
        report: the plan of the whole history.
        revision: its id.
    """
    if (unknown := _not_rehearsed(report)) is not None:
        return Said(unknown)
    ids = [step["revision"] for step in report["pending"]]
    if revision not in ids:
        return Said(f"Revision {revision} is not on the way from an empty database to the heads.")
    failed = (report.get("rehearsal") or {}).get("failed")
    if failed is not None and ids.index(revision) > ids.index(failed["revision"]):
        return Said(skip=f"revision {failed['revision']} fails before it")
    told = [
        _in_words(each) for each in _errors(report) if each["revision"] == revision and each["rule"] in OF_REVISIONS
    ]
    if failed is not None and failed["revision"] == revision and not told:
        told = [f"{_place(failed)}revision {revision} fails: {failed['error']}"]
    if told:
        return Said("\n".join(told))
    step = report["pending"][ids.index(revision)]
    if step["proof"] is None:
        return Said(skip=step.get("irreversible_reason") or f"its way down is {step['downgrade']}")
    return PASSED


def losses(report: Report, revision: str) -> Said:
    """Whether a revision is taken back without the loss of a value, however loud the rules are that say so.

    Args:
        report: the plan of the whole history.
        revision: its id.
    """
    tried = of_revision(report, revision)
    told = [
        _in_words(each)
        for each in report["findings"]
        if each["revision"] == revision and each["rule"] in LOSSES and not each.get("overridden")
    ]
    return Said("\n".join(told)) if told else tried


def warnings_of(report: Report, revision: str) -> tuple[str, ...]:
    """What is to be known of a revision, and fails no test: here no table has rows, elsewhere they may end its way up.

    Args:
        report: the plan of the whole history.
        revision: its id.
    """
    return tuple(
        _in_words(each)
        for each in report["findings"]
        if each["revision"] == revision and each["rule"] == FAILS_ON_ROWS and each["severity"] != "error"
    )


def drift_of_models(report: Report) -> Said:
    """Whether the models are what the revisions make."""
    return _compared(
        report,
        "models",
        "The models are not what the revisions make:",
        "Write the missing revision with `erm gen -m MESSAGE`, or correct the models.",
        without="env.py sets no target_metadata, and erm.yaml no migrations.metadata",
    )


def drift_of_tests(report: Report) -> Said:
    """Whether the database of a test is what the revisions make."""
    return _compared(
        report,
        "database",
        "The database of a test is not what the revisions make:",
        "What `erm_seed` or env.py make of the schema, a revision has to make; what an administrator makes in "
        "production too belongs in `erm_prepare`.",
    )


def plan(report: Report) -> Said:
    """Whether no rule objects, besides those that the other tests tell."""
    told = [_in_words(each) for each in _errors(report) if each["rule"] not in OF_REVISIONS | ELSEWHERE]
    if report.get("cannot_run"):
        told.append(f"The plan cannot run: {report['cannot_run']}")
    return Said("\n".join(told)) if told else PASSED


def _errors(report: Report) -> Iterator[Finding]:
    return (each for each in report["findings"] if each["severity"] == "error" and not each.get("overridden"))


def _not_rehearsed(report: Report) -> str | None:
    rehearsal = report.get("rehearsal")
    if not report["pending"] or (rehearsal is not None and rehearsal["status"] == "done"):
        return None
    reason = (rehearsal or {}).get("reason") or "no rehearsal was made"
    # The reason of a revision that fails is its own test's to tell; it stands in the plan all the same.
    return f"The history could not be tried out: {reason}"


def _in_words(finding: Finding) -> str:
    return f"{_place(finding)}{finding['rule']}: {finding['message']}\n  {finding['help']}"


def _place(told: Mapping[str, Any]) -> str:
    if not told.get("path"):
        return ""
    return f"{told['path']}:{told['line']}: " if told.get("line") else f"{told['path']}: "


def _compared(report: Report, source: str, title: str, cure: str, without: str = "") -> Said:
    found = next((each for each in report["comparisons"] if each["source"] == source), None)
    if found is None:
        return Said(skip=without) if without else Said("Nothing was compared.")
    if found["verdict"] == "unknown":
        return Said(f"Whether they agree is not known: {found['reason']}")
    told = [_difference(each) for each in report["drift"] if each["source"] == source]
    return Said("\n".join([title, *_first(told), cure])) if told else PASSED


def _difference(drift: Mapping[str, Any]) -> str:
    return f"  {drift['kind']} {drift['object']}: expected {drift['expected']}, found {drift['found']}"


def _first(lines: Iterable[str]) -> list[str]:
    every = list(lines)
    more = len(every) - MOST_LISTED
    return every if more <= 0 else [*every[:MOST_LISTED], f"  and {more} more"]
