"""A finding as text: under the plan that it is about, or by itself as compilers print theirs."""

from __future__ import annotations

from collections.abc import Sequence

from erm_alembic.config.redaction import redact
from erm_alembic.findings import Finding, Ignored
from erm_alembic.render.safe import Paint, block, no_command, one_line, plain

__all__ = ["finding_lines", "finding_report", "ignored_lines"]

SEVERITY_ROLES = {"error": "bad", "warning": "warn", "info": "dim"}


def finding_lines(finding: Finding, paint: Paint = plain) -> list[str]:
    """The finding under a plan: rule and place, then what is wrong, then what to do.

    Args:
        finding: the finding.
        paint: gives colour; none by default.

    Example:
        >>> for line in finding_lines(Finding("several-heads", "error", "Two heads.", "Merge them.", path="versions")):
        ...     print(line)
          error several-heads  versions
            Two heads.
            help: Merge them.
    """
    mark = paint(finding.severity, SEVERITY_ROLES[finding.severity])
    revision = f"revision {one_line(finding.revision)}" if finding.revision else ""
    place = ", ".join(part for part in (_file(finding), revision) if part)
    lines = [f"  {mark} {paint(one_line(finding.rule), 'strong')}  {place}".rstrip()]
    lines += [f"    {line}" for line in block(redact(finding.message))]
    if finding.overridden is not None:
        lines.append(f"    overridden: {one_line(redact(finding.overridden))}")
    return [*lines, *_help(finding, indent=4)]


def finding_report(finding: Finding, paint: Paint = plain) -> list[str]:
    """The finding by itself, in the form `file:line: severity[rule] message` that editors make a link of.

    Args:
        finding: the finding.
        paint: gives colour; none by default.

    Example:
        >>> finding_report(Finding("r", "error", "It is empty.", "Fill it.", path="a.py", line=3))
        ['a.py:3: error[r] It is empty.', '  help: Fill it.']
    """
    first, *rest = block(redact(finding.message))
    mark = paint(f"{finding.severity}[{one_line(finding.rule)}]", SEVERITY_ROLES[finding.severity])
    place = f"{_file(finding)}: " if finding.path else ""
    return [no_command(f"{place}{mark} {first}"), *(f"  {line}" for line in rest), *_help(finding, indent=2)]


def ignored_lines(ignored: Sequence[Ignored]) -> list[str]:
    """How many findings comments let pass, by rule, on one line; none where there are none.

    Args:
        ignored: what is ignored.

    Example:
        >>> ignored_lines([Ignored("squawk/ban-drop-column", "unused since 2.1", "4f2a", "a.py", 3)])
        ['1 finding is ignored by a comment in its file: squawk/ban-drop-column (a.py:3).']
    """
    if not ignored:
        return []
    places: dict[str, list[str]] = {}
    for each in ignored:
        line = "" if each.line is None else f":{each.line}"
        places.setdefault(one_line(each.rule), []).append(f"{one_line(each.path or '')}{line}")
    named = "; ".join(f"{rule} ({', '.join(found)})" for rule, found in places.items())
    count = "1 finding is" if len(ignored) == 1 else f"{len(ignored)} findings are"
    return [f"{count} ignored by a comment in {'its' if len(ignored) == 1 else 'their'} file: {named}."]


def _file(finding: Finding) -> str:
    path = one_line(finding.path) if finding.path else ""
    return f"{path}:{finding.line}" if path and finding.line is not None else path


def _help(finding: Finding, *, indent: int) -> list[str]:
    if not finding.help:
        return []
    first, *rest = block(redact(finding.help))
    return [f"{'':{indent}}help: {first}", *(f"{'':{indent}}      {line}" for line in rest)]
