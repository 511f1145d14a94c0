"""What `erm check` says of a project without a database, and its list of rules, as text and as JSON."""

from __future__ import annotations

from erm_alembic.checks.listing import ListedRule
from erm_alembic.checks.without_target import ProjectCheck
from erm_alembic.render.findings import finding_report, ignored_lines
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.safe import Paint, one_line, plain
from erm_alembic.render.words import counted

__all__ = ["project_check_json", "project_check_text", "rules_json", "rules_text"]

WHERE = {"plan": "a plan", "files": "erm check", "project": "erm check"}


def project_check_text(found: ProjectCheck, *, paint: Paint = plain) -> str:
    """Each finding with its place, what is ignored, and a summary.

    Args:
        found: what was found.
        paint: gives colour; none by default.

    Example:
        >>> print(project_check_text(ProjectCheck((), (), 3, 0, ("several-heads",))), end="")
        3 revisions checked, nothing objects.
        What their statements do is checked by a plan: erm migrate --mode plan
    """
    lines = [line for finding in found.findings for line in finding_report(finding, paint)]
    exempted = f", {found.exempted} exempted by safety.downgrades_since" if found.exempted else ""
    summary = f"{counted(found.checked, 'revision')} checked{exempted}, {_verdict(found)}."
    hint = "What their statements do is checked by a plan: erm migrate --mode plan"
    return "\n".join([*lines, *ignored_lines(found.ignored), summary, hint]) + "\n"


def _verdict(found: ProjectCheck) -> str:
    if not found.findings:
        return "nothing objects"
    counts = ((level, sum(finding.severity == level for finding in found.findings)) for level in ("error", "warning"))
    return ", ".join(counted(count, level) for level, count in counts if count) or "nothing that matters"


def project_check_json(found: ProjectCheck) -> str:
    """One object with `findings`, `ignored`, `checked`, `exempted` and `rules`.

    Args:
        found: what was found.
    """
    return result_document(plain_value(found))


def rules_text(rules: tuple[ListedRule, ...]) -> str:
    """The rules, one a line: id, severity, where it is tried, what it objects to.

    Args:
        rules: the rules.

    Example:
        >>> print(rules_text((ListedRule("several-heads", "warning", "project", False, "two heads"),)), end="")
        several-heads  warning  erm check  two heads
    """
    table = [(one_line(each.rule), each.severity, WHERE[each.needs], one_line(each.summary)) for each in rules]
    widths = [max((len(row[column]) for row in table), default=0) for column in range(3)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in table
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def rules_json(rules: tuple[ListedRule, ...]) -> str:
    """One object with `rules`, each with `rule`, `severity`, `needs`, `ignorable` and `summary`.

    Args:
        rules: the rules.
    """
    return result_document({"rules": plain_value(rules)})
