"""The revision graph as a picture: lanes and dots as SVG, and beside them, row for row, what each revision is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from erm_alembic.findings import blocking
from erm_alembic.planning.graph import GraphRevision
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.render.html.lanes import Edge, Layout, Row, State, lay_out
from erm_alembic.render.html.markup import Element, element, group, number
from erm_alembic.render.words import counted

__all__ = ["graph_section"]

ROW, WIDEST, STEP = 48, 116, 18
MOST_ROWS, MOST_PENDING_ALONE = 44, 12

WORDS: Mapping[State, str] = {
    "applied": "applied",
    "pending": "to be applied",
    "leaving": "to be rolled back",
    "later": "not part of this plan",
    "unknown": "recorded, but no file declares it",
}


@dataclass(frozen=True)
class _Facts:
    """What is known of the revisions of a plan.

    Args:
        states: by revision, unless it is neither applied nor part of the plan.
        current: what the database records now.
        heads: the heads of the files.
        failed: what failed, in the rehearsal or in the run.
        half_done: of which only a part is committed.
        steps: by revision: its number in the plan, from 1.
    """

    states: Mapping[str, State]
    current: frozenset[str]
    heads: frozenset[str]
    failed: frozenset[str]
    half_done: frozenset[str]
    steps: Mapping[str, int]

    def state(self, revision: str) -> State:
        """What a revision is."""
        return self.states.get(revision, "later")

    def marks(self, revision: str) -> Iterator[tuple[str, str]]:
        """The words beside a revision, each with its class."""
        if revision in self.failed:
            yield "fails", "bad"
        if revision in self.half_done:
            yield "half done", "warn"
        if revision in self.current:
            yield "current", "strong"
        if revision in self.heads:
            yield "head", "quiet"


def graph_section(plan: Plan, outcome: Outcome | None) -> Element | None:
    """The picture, with its legend; nothing where the graph is not known.

    Args:
        plan: the plan.
        outcome: how its run ended, or None.
    """
    graph = _whole_graph(plan)
    if not graph:
        return None
    facts = _facts(plan, outcome, graph)
    layout = lay_out(graph, facts.state, _important(plan, graph, facts), MOST_ROWS)
    lane = min(STEP, WIDEST / layout.lanes)
    width = round(lane * (layout.lanes - 1) + STEP + 8)
    return element(
        "div",
        element("p", _summary(plan, facts, graph), class_="lead"),
        element(
            "div",
            _svg(layout, lane, width),
            element("ol", [_row(row, facts, plan) for row in layout.rows]),
            class_="graph",
        ),
        _legend({row.state for row in layout.rows}),
    )


def _whole_graph(plan: Plan) -> list[GraphRevision]:
    """The project's revisions, and those that the database records although no file declares them."""
    known = {each.revision for each in plan.graph}
    if not known:
        return []
    return [*(GraphRevision(name) for name in plan.current if name not in known), *plan.graph]


def _facts(plan: Plan, outcome: Outcome | None, graph: list[GraphRevision]) -> _Facts:
    current = outcome.current if outcome is not None else plan.current
    parents = {each.revision: each.parents for each in graph}
    states: dict[str, State] = dict.fromkeys(_with_ancestors(current, parents), "applied")
    going: State = "pending" if plan.direction == "upgrade" else "leaving"
    ended = {step.revision for step in outcome.steps if step.outcome == "done"} if outcome is not None else set()
    states |= {step.revision: going for step in plan.steps if step.revision not in ended}
    declared = {each.revision for each in plan.graph}
    states |= dict.fromkeys((name for name in plan.current if name not in declared), "unknown")
    failed = {step.revision for step in outcome.steps if step.outcome == "failed"} if outcome is not None else set()
    if plan.rehearsal is not None and plan.rehearsal.failed is not None and outcome is None:
        failed.add(plan.rehearsal.failed.revision)
    numbers = {step.revision: place for place, step in enumerate(plan.steps, start=1)}
    # A run has gone on with it, or told what it left behind.
    half_done = frozenset(each.revision for each in plan.half_done if outcome is None or outcome.result == "refused")
    return _Facts(states, frozenset(current), frozenset(plan.heads), frozenset(failed), half_done, numbers)


def _with_ancestors(revisions: tuple[str, ...], parents: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    todo = [name for name in revisions if name in parents]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [each for each in parents[name] if each in parents]
    return found


def _important(plan: Plan, graph: list[GraphRevision], facts: _Facts) -> list[str]:
    """What stays by itself, and what of it first where that is too much."""
    names = [step.revision for step in plan.steps]
    alone = names if len(names) <= MOST_PENDING_ALONE else [*names[:2], *names[-2:]]
    objected = {finding.revision for finding in blocking(plan.findings) if finding.revision}
    few = objected if len(objected) <= MOST_PENDING_ALONE else set()
    there = {each.revision for each in graph}
    ordered = (*facts.failed, *facts.half_done, *sorted(facts.current), *alone, *sorted(few), *sorted(facts.heads))
    return [name for name in dict.fromkeys(ordered) if name in there]


def _summary(plan: Plan, facts: _Facts, graph: list[GraphRevision]) -> str:
    applied = sum(facts.state(each.revision) == "applied" for each in graph)
    moving = sum(facts.state(each.revision) in ("pending", "leaving") for each in graph)
    told = f"{counted(len(graph), 'revision')}, {applied} of them applied"
    return (
        f"{told}, {moving} {WORDS['pending' if plan.direction == 'upgrade' else 'leaving']}." if moving else f"{told}."
    )


def _row(row: Row, facts: _Facts, plan: Plan) -> Element:
    """What stands beside a dot; a screen reader hears what the lines say."""
    first = row.revisions[0]
    if len(row.revisions) > 1:
        last = row.revisions[-1]
        name = element("span", counted(len(row.revisions), "revision"), class_="many")
        what = f"{WORDS[row.state]}: {last.revision} to {first.revision}"
        return element("li", element("div", name), element("div", what, class_="said"), class_="run")
    place = facts.steps.get(first.revision)
    name = element("code", first.revision)
    if place is not None:
        name = element("a", name, href=f"#r{place}")
    marks = [element("span", word, class_=f"mark {kind}") for word, kind in facts.marks(first.revision)]
    message = first.message or next((s.message for s in plan.steps if s.revision == first.revision), "")
    parents = f"builds on {', '.join(first.parents)}" if first.parents else "builds on nothing"
    heard = element("span", f" {WORDS[row.state]}, {parents}", class_="heard")
    return element("li", element("div", name, marks, heard), element("div", message or WORDS[row.state], class_="said"))


def _svg(layout: Layout, lane: float, width: int) -> Element:
    height = ROW * len(layout.rows)

    def x(column: int) -> float:
        return STEP / 2 + 4 + lane * column

    def y(row: int) -> float:
        return ROW * row + ROW / 2

    def path(edge: Edge) -> Element:
        above, below = layout.rows[edge.child], layout.rows[edge.parent]
        top, bottom = y(edge.child), y(edge.parent)
        line = _line(x(above.lane), x(edge.lane), x(below.lane), top, bottom)
        return element("path", d=line, class_=f"edge {above.state}")

    dots = [_dot(row, x(row.lane), y(at)) for at, row in enumerate(layout.rows)]
    return element(
        "svg",
        element("title", "The revision graph, newest revisions above; the list beside it says the same in words."),
        [path(edge) for edge in layout.edges],
        dots,
        role="img",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
    )


def _line(start: float, middle: float, end: float, top: float, bottom: float) -> str:
    """The way from a dot to one below it: over to the line's own column, down, and over to where it ends."""
    if bottom - top <= ROW or start == middle == end:
        return f"M{number(start)} {number(top)}{_over(start, end, top, bottom)}"
    lower = bottom - ROW
    parts = [f"M{number(start)} {number(top)}"]
    if start != middle:
        parts.append(_over(start, middle, top, top + ROW))
    if middle == end:
        return "".join([*parts, f"V{number(bottom)}"])
    return "".join([*parts, f"V{number(max(lower, top))}", _over(middle, end, lower, bottom)])


def _over(start: float, end: float, top: float, bottom: float) -> str:
    half = (top + bottom) / 2
    points = ((start, half), (end, half), (end, bottom))
    return "C" + " ".join(f"{number(x)} {number(y)}" for x, y in points)


def _dot(row: Row, x: float, y: float) -> Element:
    if len(row.revisions) > 1:
        places = (-7, 0, 7)
        return group(
            element("rect", x=x - 8, y=y - 13, width=16, height=26, rx=8, class_="dot run"),
            [element("circle", cx=x, cy=y + place, r=1.8, class_=f"bead {row.state}") for place in places],
        )
    return element("circle", cx=x, cy=y, r=6, class_=f"dot {row.state}")


def _legend(states: set[State]) -> Element:
    shown = [state for state in WORDS if state in states]
    return element(
        "ul",
        [
            element(
                "li",
                element(
                    "svg",
                    element("circle", cx=8, cy=8, r=6, class_=f"dot {state}"),
                    width=16,
                    height=16,
                    viewBox="0 0 16 16",
                    aria_hidden="true",
                ),
                WORDS[state],
            )
            for state in shown
        ],
        class_="legend",
    )
