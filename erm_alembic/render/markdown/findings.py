"""Findings and drift as lists of a comment."""

from __future__ import annotations

from collections.abc import Sequence

from erm_alembic.config.redaction import redact
from erm_alembic.findings import Finding
from erm_alembic.planning.model import DataLoss, Drift, Plan
from erm_alembic.render.break_glass import DATA_LOSS
from erm_alembic.render.markdown.detail import Detail, chosen
from erm_alembic.render.markdown.inert import code, prose
from erm_alembic.render.presentation import Presentation
from erm_alembic.render.words import counted

__all__ = ["drift_section", "findings_section", "loss_section", "more"]


def more(left: int) -> list[str]:
    """The item of a list that says how much of it is left out; none where nothing is.

    Args:
        left: how many are.
    """
    return [f"- ... and {left:,} more, not shown here"] if left else []


def findings_section(findings: Sequence[Finding], how: Presentation, detail: Detail) -> list[str]:
    """The findings, the errors first.

    Args:
        findings: what the checks say.
        how: where the files stand.
        detail: how much to show.
    """
    if not findings:
        return []
    ranks = ("error", "warning", "info")
    ordered = sorted(findings, key=lambda each: ranks.index(each.severity))
    shown = chosen(ordered, detail.findings, [each.severity == "error" for each in ordered])
    lines = ["", "#### Findings", ""]
    said = ""
    for finding in shown:
        lines.append(_finding(finding, how, detail))
        if finding.overridden is not None:
            lines.append(f"  - let pass: {prose(redact(finding.overridden), detail.sentence)}")
        # What several say to do, one after another, stands below the first of them.
        if finding.help and finding.help != said:
            lines.append(f"  - help: {prose(redact(finding.help), detail.sentence)}")
        said = finding.help
    return [*lines, *more(len(findings) - len(shown))]


def _finding(finding: Finding, how: Presentation, detail: Detail) -> str:
    place = ""
    if finding.path:
        line = "" if finding.line is None else f":{finding.line}"
        place = f" in {code(how.places.told(finding.path) + line, detail.width)}"
    message = prose(redact(finding.message), detail.sentence)
    return f"- **{finding.severity}** {code(finding.rule, detail.width)}{place}: {message}"


def drift_section(drift: Sequence[Drift], detail: Detail) -> list[str]:
    """What differs between history, database and models.

    Args:
        drift: the differences.
        detail: how much to show.
    """
    if not drift:
        return []
    shown = chosen(drift, detail.rows, [not each.adopted for each in drift])
    lines = ["", "#### Drift", ""]
    for each in shown:
        told = f"{code(each.kind, detail.width)} {code(each.object, detail.width)}"
        found = f"expected {_value(each.expected, detail)}, found {_value(each.found, detail)}"
        mark = " (a pending revision takes it over)" if each.adopted else ""
        lines.append(f"- {told}, seen in {each.source}{mark}: {found}")
    return [*lines, *more(len(drift) - len(shown))]


def _value(text: str, detail: Detail) -> str:
    return code(" ".join(redact(text).split()), detail.width)


def loss_section(plan: Plan, detail: Detail) -> list[str]:
    """What a rollback would lose, where the findings do not say it already.

    Args:
        plan: the plan.
        detail: how much to show.
    """
    losses = [loss for loss in plan.data_loss if loss.rows != 0]
    if not losses or any(finding.rule == DATA_LOSS for finding in plan.findings):
        return []
    shown = chosen(losses, detail.rows, [True] * len(losses))
    lines = ["", "#### Data that would be lost", ""]
    lines += [f"- {loss.kind} {code(loss.object, detail.width)}: {_amount(loss)}" for loss in shown]
    return [*lines, *more(len(losses) - len(shown))]


def _amount(loss: DataLoss) -> str:
    unit = "value" if loss.kind in ("column", "rewrite") else "row"
    return "nobody knows how much" if loss.rows is None else counted(loss.rows, unit)
