"""How a run ended: its revisions on one axis of time, what failed, what that leaves behind, and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from erm_alembic.planning.model import Outcome, Plan, Step, StepOutcome
from erm_alembic.render.html.markup import Child, Element, element
from erm_alembic.render.html.words import between
from erm_alembic.render.words import counted, duration

__all__ = ["ending_section"]

WIDTH, HEIGHT, THINNEST, MOST = 1000, 12, 5, 40
WORDS: Mapping[str, tuple[str, str]] = {
    "done": ("done", "good"),
    "failed": ("failed", "bad"),
    "not-run": ("not run", "quiet"),
}


def ending_section(plan: Plan, outcome: Outcome | None) -> Element | None:
    """The run, where there was one.

    Args:
        plan: the plan.
        outcome: how its run ended, or None.
    """
    if outcome is None or outcome.result in ("refused", "nothing-to-do"):
        return None
    numbers = {step.revision: number for number, step in enumerate(plan.steps, start=1)}
    steps = {step.revision: step for step in plan.steps}
    whole = float(sum(each.duration_ms for each in outcome.steps)) or 1.0
    shown = _worth_showing(outcome)
    begun, rows = 0.0, []
    for each in outcome.steps:
        if each.revision in shown:
            rows.append(_row(each, steps.get(each.revision), numbers.get(each.revision), begun / whole, whole))
        begun += each.duration_ms
    left = len(outcome.steps) - len(shown)
    return element(
        "div",
        rows,
        element("p", f"{counted(left, 'more revision')} took less, or did not run.", class_="note")
        if left > 0
        else None,
        _afterwards(outcome),
    )


def _worth_showing(outcome: Outcome) -> set[str]:
    """All of them; of very many, what failed and what took longest."""
    ordered = sorted(outcome.steps, key=lambda each: (each.outcome == "failed", each.duration_ms), reverse=True)
    return {each.revision for each in ordered[:MOST]}


def _row(ended: StepOutcome, step: Step | None, number: int | None, begun: float, whole: float) -> Element:
    word, kind = WORDS[ended.outcome]
    name = element("code", ended.revision)
    head: list[Child] = [
        element("a", name, href=f"#r{number}") if number is not None else name,
        " ",
        step.message if step is not None else "",
        " ",
        element("span", word, class_=f"mark {kind}"),
    ]
    if _was_late(ended, step):
        head += [" ", element("span", "longer than planned", class_="mark warn")]
    told = []
    if ended.outcome != "not-run":
        told.append(f"{duration(ended.duration_ms)}, {counted(ended.statements, 'statement')}")
    if step is not None and step.predicted is not None:
        told.append(f"planned: {between(step.predicted.low_ms, step.predicted.high_ms)}")
    return element(
        "div",
        element("h3", element("span", head), element("span", "; ".join(told), class_="note"), class_="plain"),
        _drawn(ended, begun, whole) if ended.outcome != "not-run" else None,
        element("pre", ended.error, class_="error") if ended.error else None,
        class_="bar",
    )


def _was_late(ended: StepOutcome, step: Step | None) -> bool:
    if step is None or step.predicted is None or step.predicted.high_ms is None:
        return False
    return ended.outcome == "done" and ended.duration_ms > step.predicted.high_ms


def _drawn(ended: StepOutcome, begun: float, whole: float) -> Element:
    width = max(ended.duration_ms / whole * WIDTH, float(THINNEST))
    return element(
        "svg",
        element("title", f"{WORDS[ended.outcome][0]} in {duration(ended.duration_ms)}"),
        element("rect", x=0, y=5, width=WIDTH, height=2, class_="track"),
        element("rect", x=min(begun * WIDTH, WIDTH - width), y=0, width=width, height=HEIGHT, class_=ended.outcome),
        role="img",
        class_="time",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
    )


def _afterwards(outcome: Outcome) -> list[Child]:
    told: list[Child] = []
    if outcome.error and not any(step.error for step in outcome.steps):
        told.append(element("pre", outcome.error, class_="error"))
    pairs = (("What that leaves", outcome.effect), ("What to do", outcome.cure))
    entries = [(element("dt", term), element("dd", text)) for term, text in pairs if text]
    if entries:
        told.append(element("dl", entries, class_="cure"))
    return told
