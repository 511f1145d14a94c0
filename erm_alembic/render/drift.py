"""What `erm drift` found, as text and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from erm_alembic.config.redaction import redact
from erm_alembic.planning.comparison import Comparison
from erm_alembic.planning.model import ABSENT, Drift
from erm_alembic.render.json import plain_value, result_document
from erm_alembic.render.safe import Paint, block, no_command, one_line, plain
from erm_alembic.render.words import counted, revisions, target_line

if TYPE_CHECKING:
    from erm_alembic.drift.report import DriftReport

__all__ = ["drift_json", "drift_lines", "drift_text"]

OF: Mapping[str, str] = {
    "history": "The recorded history against the files",
    "database": "The database against what its revisions make",
    "models": "The models against what all revisions make",
}


def drift_text(facts: DriftReport, *, arguments: tuple[str, ...] = (), paint: Paint = plain) -> str:
    """Each comparison with its differences, and both ways out.

    Args:
        facts: what was found.
        arguments: what was typed and belongs into the next command too, such as `-x`.
        paint: gives colour; none by default.
    """
    lines = [target_line(facts.environment, facts.database_url, facts.server_version, paint)]
    if facts.against is None:
        lines.append(f"Current  {revisions(facts.current, 'none: no revision is recorded')}")
    else:
        lines.append(f"Against  {one_line(facts.against)}, whose schema is expected")
    for comparison in facts.comparisons:
        lines += ["", *_comparison(comparison, facts, paint)]
    if facts.left_out:
        lines += ["", "Left out:"]
        lines += [f"  {one_line(each.item)}: {counted(each.count, 'difference')}" for each in facts.left_out]
    if facts.unused:
        lines += ["", "Items of drift.ignore that left out nothing:"]
        lines += [f"  {one_line(item)}" for item in facts.unused]
    return "\n".join(map(no_command, [*lines, "", *_verdict(facts, arguments, paint)])) + "\n"


def _comparison(comparison: Comparison, facts: DriftReport, paint: Paint) -> list[str]:
    title = OF[comparison.source]
    if comparison.source == "database" and facts.against is not None:
        title = f"The database against that of {one_line(facts.against)}"
    notes = [f"  note: {line}" for note in comparison.notes for line in block(redact(note))]
    if comparison.verdict == "unknown":
        first, *rest = block(redact(comparison.reason or ""))
        return [f"{title}: {paint('not known', 'bad')}", f"  {first}", *(f"  {line}" for line in rest), *notes]
    found = [each for each in facts.drift if each.source == comparison.source]
    if not found:
        said = "no difference but what is left out" if facts.left_out else "no difference"
        return [f"{title}: {paint(said, 'good')}", *notes]
    return [f"{title}: {paint(counted(len(found), 'difference'), 'bad')}", *notes, *drift_lines(found, paint)]


def drift_lines(drift: list[Drift], paint: Paint = plain) -> list[str]:
    """Differences, those of one object together.

    Args:
        drift: the differences.
        paint: gives colour; none by default.
    """
    lines = []
    for (kind, name, path), same in groupby(drift, key=lambda each: (each.kind, each.object, each.path)):
        where = f"  {one_line(path)}" if path else ""
        each_of = list(same)
        mark = "  (a pending revision takes it over)" if all(each.adopted for each in each_of) else ""
        lines.append(f"  {paint(one_line(kind), 'warn')} {one_line(name)}{mark}{where}")
        for each in each_of:
            lines += [*_said("expected", each.expected), *_said("found", each.found)]
    return lines


def _said(label: str, text: str) -> list[str]:
    first, *rest = block(redact(text).strip())
    return [f"    {f'{label}:':9} {first}", *(f"{'':14}{line}".rstrip() for line in rest)]


def _verdict(facts: DriftReport, arguments: tuple[str, ...], paint: Paint) -> list[str]:
    if facts.agrees:
        return [paint("No drift but what is left out." if facts.left_out else "No drift.", "good")]
    if not facts.drift:
        return [paint("Whether there is drift is not known.", "bad")]
    lines = [paint(f"Drift: {counted(len(facts.drift), 'difference')}.", "bad")]
    if any(each.source == "database" for each in facts.drift):
        against = () if facts.against is None else ("--against", facts.against)
        command = ["erm", "drift", "--env", facts.environment, *against, *arguments]
        lines.append(f"To take it back:  {shlex.join([*map(one_line, command), '--fix', 'revert'])}   (writes SQL)")
        if facts.to_adopt:
            lines.append(
                f"To take it over:  {shlex.join([*map(one_line, command), '--fix', 'adopt'])}   (writes a revision)"
            )
        lines.append("What is meant to differ belongs into drift.ignore of erm.yaml.")
    if any(each.source == "models" for each in facts.drift):
        if any(each.source == "models" and each.expected == ABSENT for each in facts.drift):
            lines.append("What the models lack (expected absent) add to them: a revision made from them would drop it.")
        words = ("erm", "gen", "-m", "MESSAGE", "--env", facts.environment, *arguments)
        lines.append(f"A revision for the models, on a database at its heads:  {shlex.join(map(one_line, words))}")
    return lines


def drift_json(facts: DriftReport) -> str:
    """One object: `drift` as in the plan, `comparisons`, `left_out`, and what was looked at.

    Args:
        facts: what was found.
    """
    return result_document(
        {
            "environment": facts.environment,
            "against": facts.against,
            "database": {"url": facts.database_url, "server_version": facts.server_version},
            "current": list(facts.current),
            "drift": plain_value(facts.drift),
            "comparisons": plain_value(facts.comparisons),
            "left_out": plain_value(facts.left_out),
            "unused": list(facts.unused),
            "agrees": facts.agrees,
        }
    )
