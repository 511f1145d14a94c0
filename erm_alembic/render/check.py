"""What `erm check downgrades` says, as text and as JSON."""

from __future__ import annotations

from erm_alembic.checks.without_target import DowngradeCheck
from erm_alembic.render.findings import finding_report
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.safe import Paint, plain
from erm_alembic.render.words import counted

__all__ = ["check_json", "check_text"]


def check_text(found: DowngradeCheck, *, paint: Paint = plain) -> str:
    """Each finding with its place, and a summary.

    Args:
        found: what the check found.
        paint: gives colour; none by default.

    Example:
        >>> check_text(DowngradeCheck((), 3))
        '3 revisions checked, every one can be rolled back.\\n'
    """
    lines = [line for finding in found.findings for line in finding_report(finding, paint)]
    return "\n".join([*lines, _summary(found)]) + "\n"


def _summary(found: DowngradeCheck) -> str:
    if not found.checked:
        return "No revision files to check."
    checked = f"{counted(found.checked, 'revision')} checked"
    if found.exempted:
        checked += f", {found.exempted} exempted by safety.downgrades_since"
    return f"{checked}, {_verdict(found)}."


def _verdict(found: DowngradeCheck) -> str:
    if found.off:
        return "but missing-downgrade is off in safety.rules: nothing is said about their down scripts"
    if found.findings:
        declared = f", {_declared(found)}" if found.irreversible else ""
        return f"{len(found.findings)} without a down script{declared}"
    if found.irreversible:
        return f"{found.checked - found.exempted - found.irreversible} can be rolled back, {_declared(found)}"
    return "every other one can be rolled back" if found.exempted else "every one can be rolled back"


def _declared(found: DowngradeCheck) -> str:
    return f"{found.irreversible} {'is' if found.irreversible == 1 else 'are'} declared irreversible"


def check_json(found: DowngradeCheck) -> str:
    """One object with `findings`, `checked` and `exempted`.

    Args:
        found: what the check found.
    """
    findings = plain_value(found.findings)
    return result_document({"findings": findings, "checked": found.checked, "exempted": found.exempted})
