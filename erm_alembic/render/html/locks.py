"""Who is blocked, and for how long: the statements of a plan on one axis of time, as its rehearsal saw them.

The axis shows the upper ends of the ranges: where each statement would stand if everything took as long as it may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from erm_alembic.planning.model import Plan, Statement, Step
from erm_alembic.planning.rehearsal import Blocks, Prediction
from erm_alembic.postgres.text.passwords import without_passwords
from erm_alembic.render.html.markup import Element, element
from erm_alembic.render.html.words import BLOCKS, anchor, at_least, between, numbered
from erm_alembic.render.rehearsal import effect_of
from erm_alembic.render.safe import clip, one_line
from erm_alembic.render.summary import is_open
from erm_alembic.render.words import counted, duration

__all__ = ["locks_section"]

A_MOMENT_MS, MOST_BARS = 1000, 120
WIDTH, HEIGHT, THINNEST = 1000, 12, 5
# What has no upper end is drawn as so much of the rest, and fades.
OPEN_SHARE = 0.5
NONE_TAKEN = Prediction(0, 0)


@dataclass(frozen=True)
class Bar:
    """A statement on the axis; times in milliseconds since the plan began.

    Args:
        step: the number of its revision, from 1.
        place: its number in the revision, from 1.
        statement: the statement.
        start: when it begins.
        sure: when it is over at the earliest.
        end: when it is over at the latest.
        held: until when what it locks stays locked.
        open: whether nothing bounds it.
    """

    step: int
    place: int
    statement: Statement
    start: float
    sure: float
    end: float
    held: float
    open: bool

    @property
    def blocks(self) -> Blocks:
        """Whom it blocks."""
        return "nothing" if self.statement.estimate is None else self.statement.estimate.blocks

    @property
    def matters(self) -> bool:
        """Whether somebody may notice it."""
        return self.blocks != "nothing" or self.open or self.end - self.start >= A_MOMENT_MS


def locks_section(plan: Plan) -> Element | None:
    """The timeline; a word on why there is none where the plan was not rehearsed; nothing where nothing is pending.

    Args:
        plan: the plan.
    """
    if not plan.steps:
        return None
    if not any(statement.estimate for step in plan.steps for statement in step.statements):
        return element("p", _why_not(plan), class_="lead")
    bars = list(_bars(plan))
    whole = max((bar.held for bar in bars), default=0.0) or 1.0
    shown = [bar for bar in bars if bar.matters]
    parts = [
        _lead(shown, {number for number, step in enumerate(plan.steps, start=1) if is_open(step)}),
        _key() if shown else None,
    ]
    for number, step in enumerate(plan.steps, start=1):
        mine = [bar for bar in shown[:MOST_BARS] if bar.step == number]
        if mine:
            parts.append(_revision(number, step, mine, whole))
    if shown:
        parts.append(_axis(whole, endless=any(bar.open for bar in bars)))
    if len(shown) > MOST_BARS:
        parts.append(element("p", f"{len(shown) - MOST_BARS} more statements are not drawn.", class_="note"))
    quiet = len(bars) - len(shown)
    if quiet and shown:
        told = (
            "1 more statement blocks nobody and is" if quiet == 1 else f"{quiet} more statements block nobody and are"
        )
        parts.append(element("p", f"{told} over in a moment.", class_="note"))
    return element("div", parts)


def _why_not(plan: Plan) -> str:
    if not any(step.statements for step in plan.steps):
        return "There are no statements."
    rehearsal = plan.rehearsal
    reason = "" if rehearsal is None or not rehearsal.reason else f" ({rehearsal.reason.rstrip('.')})"
    return f"The plan was not rehearsed{reason}, so what its statements lock is not known."


def _bars(plan: Plan) -> Iterator[Bar]:
    bounded = sum(
        takes.high_ms or 0.0 for step in plan.steps for statement in step.statements if (takes := _takes(statement))
    )
    endless = max(bounded * OPEN_SHARE, float(A_MOMENT_MS))
    now = 0.0
    for number, step in enumerate(plan.steps, start=1):
        ends = _commits(step, now, endless)
        for place, statement in numbered(step):
            takes = _takes(statement) or NONE_TAKEN
            end = now + (endless if takes.high_ms is None else takes.high_ms)
            held = ends[place - 1] if statement.estimate and statement.estimate.blocks != "nothing" else end
            if statement.estimate is not None and not statement.done:
                endlessly = takes.high_ms is None or statement.estimate.high_ms is None
                yield Bar(number, place, statement, now, min(now + takes.low_ms, end), end, max(held, end), endlessly)
            now = end


def _takes(statement: Statement) -> Prediction | None:
    """How long a statement takes by itself; None where it was not seen."""
    estimate = statement.estimate
    if estimate is None or statement.done:
        return None
    return estimate.takes or Prediction(estimate.low_ms, estimate.high_ms)


def _commits(step: Step, begun: float, endless: float) -> list[float]:
    """Of each statement, when its transaction ends; what runs outside one ends by itself."""
    times, now = [], begun
    for statement in step.statements:
        high = (_takes(statement) or NONE_TAKEN).high_ms
        now += endless if high is None else high
        times.append(now)
    found, end = [0.0] * len(times), times[-1] if times else begun
    for at in range(len(times) - 1, -1, -1):
        if step.statements[at].autocommit:
            found[at] = times[at]
            end = times[at - 1] if at else begun
        else:
            found[at] = end
    return found


def _lead(shown: list[Bar], unended: Collection[int]) -> Element:
    """How many statements block others, and how long: of the revisions of these numbers, the end is not known."""
    blocking = [bar for bar in shown if bar.blocks != "nothing"]
    if not blocking:
        return element("p", "No statement keeps anybody from reading or writing a table that is there.", class_="lead")
    told = counted(len(blocking), "statement")
    longest = [bar.statement.estimate.high_ms for bar in blocking if bar.statement.estimate is not None]
    if any(bar.step in unended for bar in blocking):
        how = "of at least one of them it is not known how long"
    elif any(each is None for each in longest):
        how = "for at least one of them nothing bounds how long"
    else:
        how = f"the longest for {duration(round(max(each or 0 for each in longest)))} at most"
    verb = "keeps" if len(blocking) == 1 else "keep"
    return element("p", f"{told} {verb} others from tables that are there; {how}.", class_="lead")


def _key() -> Element:
    entries = (
        ("reads", "blocks reads and writes"),
        ("writes", "blocks writes"),
        ("nothing", "blocks nobody"),
        ("held", "still locked until the commit"),
    )
    items = [element("li", element("span", class_=f"swatch {kind}"), words) for kind, words in entries]
    return element("ul", items, class_="legend")


def _revision(number: int, step: Step, bars: list[Bar], whole: float) -> Element:
    takes, lasting = step.predicted, ""
    if takes is not None:
        lasting = at_least(takes.low_ms) if is_open(step) else between(takes.low_ms, takes.high_ms)
    head = element(
        "h3",
        element("span", element("a", element("code", step.revision), href=f"#r{number}"), " ", step.message),
        element("span", f"takes {lasting}", class_="note") if lasting else None,
        class_="plain",
    )
    return element("div", head, [_bar(bar, step, whole) for bar in bars], class_="lane")


def _bar(bar: Bar, step: Step, whole: float) -> Element:
    sql = clip(one_line(" ".join(without_passwords(bar.statement.sql).split())), 90)
    line = f"line {bar.statement.line}" if bar.statement.line is not None else f"statement {bar.place}"
    effect = effect_of(bar.statement, verbose=True) or ""
    return element(
        "div",
        element(
            "div", element("a", line, href=f"#{anchor(bar.step, bar.place)}"), " ", element("code", sql), class_="sql"
        ),
        _drawn(bar, whole),
        element("div", effect, class_="said"),
        class_="bar",
    )


def _drawn(bar: Bar, whole: float) -> Element:
    def x(time: float) -> float:
        return time / whole * (WIDTH - THINNEST)

    def rect(start: float, end: float, kind: str) -> Element:
        width = max(x(end) - x(start), float(THINNEST))
        return element("rect", x=x(start), y=0, width=width, height=HEIGHT, class_=kind)

    kind = bar.blocks
    parts = [element("rect", x=0, y=5, width=WIDTH, height=2, class_="track")]
    if bar.held > bar.end:
        parts.append(rect(bar.end, bar.held, f"held {kind}"))
    parts += [rect(bar.start, bar.end, f"maybe {kind}"), rect(bar.start, bar.sure, kind)]
    estimate = bar.statement.estimate
    told = "" if estimate is None else f"Blocks {BLOCKS[kind]}, {between(estimate.low_ms, estimate.high_ms)}"
    return element(
        "svg",
        element("title", told),
        parts,
        role="img",
        class_="time",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
    )


def _axis(whole: float, *, endless: bool) -> Element:
    ticks = [duration(round(whole * part / 4)) for part in range(5)]
    if endless:
        ticks[-1] = "any longer"
    return element("div", [element("span", tick) for tick in ticks], class_="axis", aria_hidden="true")
