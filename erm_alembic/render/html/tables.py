"""The tables that a plan is about: how large they are, and who is kept from each of them for how long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from erm_alembic.planning.model import Plan, Statement
from erm_alembic.planning.rehearsal import Blocks, Estimate
from erm_alembic.planning.sizes import TableSize
from erm_alembic.render.html.markup import Child, Element, element
from erm_alembic.render.html.words import BLOCKS, amount, anchor, between, numbered, reach, size

__all__ = ["tables_section"]

# The axis of the ranges, in milliseconds: each mark is as far from the next as the ratio of the two.
FIRST_MS, LAST_MS = 1.0, 3_600_000.0
WIDTH, HEIGHT, SHARE = 240, 10, 120
MOST = 60


@dataclass
class _Table:
    """What a plan does to a table."""

    size: TableSize
    worst: Estimate | None = None
    link: str | None = None
    line: int | None = None
    does: dict[str, None] = field(default_factory=dict)

    @property
    def blocks(self) -> Blocks:
        return "nothing" if self.worst is None else self.worst.blocks


def tables_section(plan: Plan) -> Element | None:
    """A row a table, those that are blocked longest first; nothing where no table of the target is touched.

    Args:
        plan: the plan.
    """
    found = _tables(plan)
    if not found:
        return None
    rehearsed = any(statement.estimate for step in plan.steps for statement in step.statements)
    ordered = sorted(found.values(), key=_loudness, reverse=True)
    heads = ("Table", "Rows", "Size", "Blocked", "For how long")[: 5 if rehearsed else 3]
    largest = max((_bytes(each.size) for each in ordered), default=0)
    more, blocked = len(ordered) - MOST, any(each.worst for each in ordered)
    return element(
        "div",
        element(
            "table",
            element(
                "thead",
                element("tr", [element("th", head, scope="col", role="columnheader") for head in heads], role="row"),
                role="rowgroup",
            ),
            element("tbody", [_row(each, heads, largest) for each in ordered[:MOST]], role="rowgroup"),
            class_="cards",
            role="table",
        ),
        element("p", f"{more} more tables are not shown.", class_="note") if more > 0 else None,
        element("p", "The marks on the scale are 1 s and 1 min; it ends at 1 h.", class_="note") if blocked else None,
    )


def _tables(plan: Plan) -> Mapping[str, _Table]:
    found = {each.table: _Table(each) for each in plan.tables}
    for number, step in enumerate(plan.steps, start=1):
        for place, statement in numbered(step):
            estimate = statement.estimate
            if estimate is None or statement.done:
                continue
            _note_work(found, statement)
            for name in estimate.relations if estimate.blocks != "nothing" else ():
                table = found.setdefault(name, _Table(TableSize(name)))
                if table.worst is None or reach(estimate) > reach(table.worst):
                    table.worst, table.link, table.line = estimate, anchor(number, place), statement.line
    return found


def _note_work(found: Mapping[str, _Table], statement: Statement) -> None:
    observed = statement.observed
    if observed is None:
        return
    for name in observed.rewrites:
        if name in found:
            found[name].does["written anew"] = None
    for name in observed.scans:
        if name in found and name not in observed.rewrites:
            found[name].does["read as a whole"] = None


def _loudness(table: _Table) -> tuple[int, float, int]:
    blocks, high = (0, 0.0) if table.worst is None else reach(table.worst)
    return blocks, high, table.size.table_bytes or 0


def _row(table: _Table, heads: tuple[str, ...], largest: int) -> Element:
    facts = table.size
    name: list[Child] = [element("code", facts.table)]
    for each in table.does:
        name += [" ", element("span", each, class_="mark quiet")]
    busy = facts.writes_per_second
    rows: list[Child] = [amount(facts.rows)]
    if busy is not None and busy >= 1:
        rows.append(element("div", f"{busy:,.0f} writes/s", class_="said"))
    sizes: list[Child] = [size(facts.table_bytes)]
    if facts.index_bytes is not None:
        sizes.append(element("div", f"+ {size(facts.index_bytes)} indexes", class_="said"))
    if facts.table_bytes is not None and largest:
        sizes.append(_share(facts, largest))
    cells: list[Child] = [name, rows, sizes]
    if len(heads) > 3:
        cells += [_blocked(table), _how_long(table)]
    shown = [_cell(head, cell) for head, cell in zip(heads, cells, strict=True)]
    return element("tr", shown, role="row")


def _bytes(size: TableSize) -> int:
    return (size.table_bytes or 0) + (size.index_bytes or 0)


def _share(size: TableSize, largest: int) -> Element:
    """The table and its indexes beside the largest of the tables."""
    table = max((size.table_bytes or 0) / largest * SHARE, 2.0)
    indexes = (size.index_bytes or 0) / largest * SHARE
    return element(
        "svg",
        element("title", "The table, and paler its indexes, beside the largest of these tables"),
        element("rect", x=0, y=2, width=table, height=6, rx=1, class_="bytes"),
        element("rect", x=table, y=2, width=indexes, height=6, rx=1, class_="bytes held") if indexes else None,
        role="img",
        class_="range",
        width=SHARE + 2,
        height=HEIGHT,
        viewBox=f"0 0 {SHARE + 2} {HEIGHT}",
    )


def _cell(head: str, content: Child) -> Element:
    if head == "Table":
        return element("th", content, scope="row", role="rowheader")
    return element("td", element("span", head, class_="head", aria_hidden="true"), element("div", content), role="cell")


def _blocked(table: _Table) -> Element:
    return element("span", BLOCKS[table.blocks], class_=f"pill {table.blocks}")


def _how_long(table: _Table) -> list[Child]:
    if table.worst is None:
        return ["–"]
    told: list[Child] = [between(table.worst.low_ms, table.worst.high_ms)]
    if table.link is not None:
        where = "the statement" if table.line is None else f"line {table.line}"
        told += [" ", element("a", where, href=f"#{table.link}", class_="where")]
    return [element("div", told), _range(table.worst)]


def _range(estimate: Estimate) -> Element:
    """From the lower to the upper end, beside one second and one minute."""
    start, end = _x(estimate.low_ms), WIDTH if estimate.high_ms is None else _x(estimate.high_ms)
    marks = [element("rect", x=_x(ms), y=0, width=1, height=HEIGHT, class_="tick") for ms in (1_000, 60_000)]
    return element(
        "svg",
        element("title", "The range beside 1 s and 1 min, on a scale that ends at 1 h"),
        element("rect", x=0, y=4, width=WIDTH, height=2, class_="track"),
        marks,
        element("rect", x=start, y=2, width=max(end - start, 4.0), height=6, rx=3, class_=estimate.blocks),
        role="img",
        class_="range",
        width=WIDTH,
        height=HEIGHT,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
    )


def _x(milliseconds: float) -> float:
    bounded = min(max(milliseconds, FIRST_MS), LAST_MS)
    return math.log(bounded / FIRST_MS) / math.log(LAST_MS / FIRST_MS) * WIDTH
