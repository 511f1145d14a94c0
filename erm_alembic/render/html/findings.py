"""What the checks say, what was let pass, and where database, history and models differ."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from erm_alembic.findings import Finding, Severity
from erm_alembic.planning.model import DataLoss, Drift, Plan
from erm_alembic.render.html.markup import Child, Element, element, prose
from erm_alembic.render.html.words import statement_anchors
from erm_alembic.render.places import Places
from erm_alembic.render.words import counted

__all__ = ["drift_section", "findings_section", "losses_section"]

ORDER: Mapping[Severity, int] = {"error": 0, "warning": 1, "info": 2}
KINDS: Mapping[Severity, str] = {"error": "bad", "warning": "warn", "info": "quiet"}


def findings_section(plan: Plan, findings: tuple[Finding, ...], places: Places) -> Element | None:
    """The findings, what blocks first; what they say to do stands below the last of those that say the same.

    Args:
        plan: the plan that they are about.
        findings: what the checks say.
        places: where files stand.
    """
    links = statement_anchors(plan)
    steps = {step.revision: number for number, step in enumerate(plan.steps, start=1)}
    ordered = sorted(findings, key=lambda each: ORDER[each.severity])
    parts: list[Child] = []
    for (rule, severity, help_, overridden), same in groupby(ordered, key=_alike):
        objections = [_objection(each, links, steps, places) for each in same]
        head = element("h3", element("span", severity, class_=f"mark {KINDS[severity]}"), " ", element("code", rule))
        passed = element("p", element("strong", "Let pass this once: "), overridden) if overridden is not None else None
        cure = (
            element("div", element("strong", "What to do: "), element("span", prose(help_)), class_="help")
            if help_
            else None
        )
        parts.append(element("article", head, objections, passed, cure, class_=f"finding {KINDS[severity]}"))
    parts += _overrides(plan)
    if plan.ignored:
        what = [
            element("li", element("code", each.rule), f" in {_place(each.path, each.line, places)}: {each.reason}")
            for each in plan.ignored
        ]
        parts.append(
            element(
                "details",
                element("summary", f"{counted(len(what), 'finding')} ignored by a comment"),
                element("ul", what),
            )
        )
    return element("div", parts) if parts else None


def _alike(finding: Finding) -> tuple[str, Severity, str, str | None]:
    return finding.rule, finding.severity, finding.help, finding.overridden


def _objection(
    finding: Finding, links: Mapping[tuple[str, int], str], steps: Mapping[str, int], places: Places
) -> Element:
    where: list[Child] = []
    if finding.path:
        told = _place(finding.path, finding.line, places)
        link = links.get((finding.path, finding.line)) if finding.line is not None else None
        target = f"#{link}" if link else places.address(finding.path, finding.line)
        where.append(element("a", told, href=target) if target else told)
    if finding.revision:
        number = steps.get(finding.revision)
        name = element("code", finding.revision)
        where += [", " if where else None, "revision ", element("a", name, href=f"#r{number}") if number else name]
    return element(
        "div",
        element("p", prose(finding.message), class_="message"),
        element("p", where, class_="said") if where else None,
    )


def _place(path: str | None, line: int | None, places: Places) -> str:
    told = places.told(path) if path else ""
    return told if line is None else f"{told}:{line}"


def _overrides(plan: Plan) -> list[Element]:
    if not plan.overrides:
        return []
    items = [element("li", element("code", each.rule), f": {each.reason}") for each in plan.overrides]
    return [element("h3", "Rules that may pass this once"), element("ul", items)]


def losses_section(plan: Plan) -> Element | None:
    """What a rollback would lose.

    Args:
        plan: the plan.
    """
    losses = [loss for loss in plan.data_loss if loss.rows != 0]
    return element("ul", [_loss(loss) for loss in losses], class_="losses") if losses else None


def _loss(loss: DataLoss) -> Element:
    unit = "value" if loss.kind in ("column", "rewrite") else "row"
    many = "an unknown number of rows" if loss.rows is None else f"{loss.rows:,} {unit}{'' if loss.rows == 1 else 's'}"
    now = "" if loss.now is None else f" (now {loss.now})"
    where = f"line {loss.line} of {loss.revision}" if loss.line is not None else f"revision {loss.revision}"
    return element("li", element("strong", many), f" of {loss.kind} ", element("code", loss.object), f"{now}, {where}")


def drift_section(plan: Plan) -> Element | None:
    """Where database, history and models differ, and which comparison could not be made.

    Args:
        plan: the plan.
    """
    unknown = [
        element(
            "p",
            element("strong", f"Not compared with the {each.source}: "),
            each.reason or "not known",
            class_="warned",
        )
        for each in plan.comparisons
        if each.verdict == "unknown"
    ]
    left = [
        element("li", element("code", each.item), f": {counted(each.count, 'difference')}") for each in plan.left_out
    ]
    if not (plan.drift or unknown or left):
        return None
    return element(
        "div",
        [_difference(each) for each in plan.drift],
        unknown,
        element("details", element("summary", "Left out"), element("ul", left)) if left else None,
    )


def _difference(drift: Drift) -> Element:
    adopted = element("span", "a pending revision takes it over", class_="mark quiet") if drift.adopted else None
    return element(
        "article",
        element(
            "h3", element("span", drift.kind, class_="mark warn"), " ", element("code", drift.object), " ", adopted
        ),
        element("p", f"Seen in the {drift.source}", f", {drift.path}" if drift.path else "", class_="said"),
        element(
            "dl",
            element("dt", "Expected"),
            element("dd", element("code", drift.expected)),
            element("dt", "Found"),
            element("dd", element("code", drift.found)),
        ),
        class_="difference",
    )
