"""A comment on a pull request: as much of a plan as the forge takes, and what is left out said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

from erm_alembic.findings import Finding
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.planning.terms import plan_digest
from erm_alembic.render.findings import ignored_lines
from erm_alembic.render.markdown.detail import DETAILS, Detail
from erm_alembic.render.markdown.findings import drift_section, findings_section, loss_section
from erm_alembic.render.markdown.inert import code, prose
from erm_alembic.render.markdown.marker import comment_marker
from erm_alembic.render.markdown.plan import facts, statements, table, verdict
from erm_alembic.render.presentation import Presentation
from erm_alembic.render.text import next_command, run_command
from erm_alembic.render.words import counted

__all__ = ["GITHUB_LIMIT", "GITLAB_LIMIT", "report", "size"]

# The longest comment that each takes, in characters.
GITHUB_LIMIT = 65_536
GITLAB_LIMIT = 1_000_000


def size(text: str) -> int:
    """How long a forge takes a text to be: in UTF-16 units, which is the most that any way of counting comes to.

    Args:
        text: the text.

    Example:
        >>> size("a"), size("\\N{PILE OF POO}")
        (1, 2)
    """
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def report(plan: Plan | None, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation) -> str:
    """A plan, or findings by themselves, as Markdown that is no longer than the forge takes.

    Args:
        plan: the plan, or None.
        findings: what the checks say.
        outcome: how its apply or rollback ended, or None.
        how: where the files stand, what was typed, and the limit (default: GitHub's).

    Example:
        >>> print(report(None, (), None, Presentation("check")), end="")
        <!-- erm-check -->
        ### erm check: nothing objects
    """
    limit = GITHUB_LIMIT if how.limit is None else how.limit
    marker = comment_marker(plan, how)
    for detail in DETAILS:
        lines = _plan(plan, findings, outcome, how, detail) if plan is not None else _findings(findings, how, detail)
        text = "\n".join([marker, *lines]) + "\n"
        if size(text) <= limit:
            return text
    shortest = verdict(plan, outcome, DETAILS[-1]) if plan is not None else _title(findings, how)
    return f"{marker}\n{shortest}\n"


def _plan(
    plan: Plan, findings: tuple[Finding, ...], outcome: Outcome | None, how: Presentation, detail: Detail
) -> list[str]:
    run = outcome is not None and outcome.result != "refused"
    return [
        verdict(plan, outcome, detail),
        *facts(plan, outcome, detail),
        *table(plan, outcome, detail),
        *findings_section(findings, how, detail),
        *_ignored(plan, detail),
        *([] if run else drift_section(plan.drift, detail)),
        *([] if run else loss_section(plan, detail)),
        *([] if run else statements(plan, how, detail)),
        *_left_out(plan, how, detail, run),
        *([] if run else _next(plan, how)),
    ]


def _ignored(plan: Plan, detail: Detail) -> list[str]:
    told = [prose(line, detail.sentence) for line in ignored_lines(plan.ignored)]
    left = sum(each.count for each in plan.left_out)
    told += [f"Of drift, {counted(left, 'difference')} left out by `drift.ignore`."] if left else []
    return ["", *told] if told else []


def _left_out(plan: Plan, how: Presentation, detail: Detail, run: bool) -> list[str]:
    """What of the plan does not stand in the comment, and how to see it."""
    every = [each for step in plan.steps for each in step.statements]
    if detail == DETAILS[0] or not plan.steps or run:
        return []
    if detail.statements == "all":
        what = "Long statements are cut"
    elif detail.statements == "blocking":
        what = "Statements that block nobody are left out"
    else:
        what = f"The {counted(len(every), 'statement')} of {counted(len(plan.steps), 'revision')} are left out"
    looking = "rollback" if plan.direction == "downgrade" else "plan"
    check = ("--check",) if plan.direction == "downgrade" else ()
    command = next_command(plan, looking, (*check, "-v", *how.typed.looking, *how.typed.arguments))
    return ["", f"{what}, since a comment holds no more. {code(command, 400)} shows all."]


def _next(plan: Plan, how: Presentation) -> list[str]:
    digest = f"<sub>Digest of the plan: {code(plan_digest(plan))}</sub>"
    if plan.blocked or plan.up_to_date:
        return ["", digest]
    return ["", f"To run it: {_run(plan, how)}", "", digest]


def _run(plan: Plan, how: Presentation) -> str:
    """The command that runs it; a kept plan by its name alone, since no reader has the folder it is in."""
    words = how.typed.arguments
    if "--plan" not in words:
        return code(run_command(plan, how.typed), 400)
    at = words.index("--plan") + 1
    name = PurePath(words[at]).name
    typed = replace(how.typed, arguments=(*words[:at], name, *words[at + 1 :]))
    where = f"{code(name, 100)} is the plan that was kept with this one; a pipeline fetches it after the merge."
    return f"{code(run_command(plan, typed), 400)}, where {where}"


def _title(findings: tuple[Finding, ...], how: Presentation) -> str:
    told = [
        counted(number, level)
        for level in ("error", "warning", "info")
        if (number := sum(each.severity == level for each in findings))
    ]
    of = f" of {code(how.environment, DETAILS[-1].width)}" if how.environment else ""
    return f"### erm {how.command}{of}: {', '.join(told) or 'nothing objects'}"


def _findings(findings: tuple[Finding, ...], how: Presentation, detail: Detail) -> list[str]:
    return [_title(findings, how), *findings_section(findings, how, detail)]
