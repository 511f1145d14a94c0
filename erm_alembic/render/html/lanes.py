"""Where each revision stands in the picture of the graph: rows from the newest to the oldest, branches side by side.

Long runs of revisions that say nothing by themselves become one row, so that 600 revisions are read like 6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from erm_alembic.planning.graph import GraphRevision

__all__ = ["Edge", "Layout", "Row", "State", "lay_out"]

State = Literal["applied", "pending", "leaving", "later", "unknown"]
"""Applied; would be applied; would be taken back; neither; recorded, though no file declares it."""

# A run is shown as one row where that saves rows.
SHORTEST_RUN = 4


@dataclass(frozen=True)
class Row:
    """One row: a revision, or a run of them.

    Args:
        revisions: the revisions, newest first.
        state: what they all are.
        lane: in which column it stands, from 0.
    """

    revisions: tuple[GraphRevision, ...]
    state: State
    lane: int = 0


@dataclass(frozen=True)
class Edge:
    """A line from a row to one that it builds on.

    Args:
        child: the number of the upper row.
        parent: the number of the lower row.
        lane: in which column it runs down between the two.
    """

    child: int
    parent: int
    lane: int


@dataclass(frozen=True)
class Layout:
    """The picture as numbers.

    Args:
        rows: from the newest to the oldest.
        edges: the lines between them.
        lanes: how many columns there are.
    """

    rows: tuple[Row, ...]
    edges: tuple[Edge, ...]
    lanes: int


@dataclass
class _Node:
    """What becomes a row."""

    revisions: list[GraphRevision]
    state: State
    parents: list[int] = field(default_factory=list)


def lay_out(
    graph: Sequence[GraphRevision], state_of: Callable[[str], State], important: Sequence[str], most_rows: int
) -> Layout:
    """Order the revisions, put runs together, and give each row its column.

    Args:
        graph: all revisions; a parent that is missing is left out.
        state_of: what a revision is.
        important: revisions that stay by themselves, such as the current ones; of too many of them the first ones.
        most_rows: about how many rows there may be; more are put together, whatever branches they are of.

    Example:
        >>> chain = [GraphRevision(str(n), (str(n - 1),) if n else ()) for n in range(600)]
        >>> layout = lay_out(chain, lambda revision: "applied", ["599"], 40)
        >>> [len(row.revisions) for row in layout.rows]
        [1, 598, 1]
    """
    known = {each.revision: each for each in graph}
    parents = {name: [p for p in each.parents if p in known] for name, each in known.items()}
    order = _newest_first(parents, state_of)
    groups = _runs(order, parents, state_of, frozenset(important))
    if len(groups) > most_rows:
        groups = _fewer(groups, state_of, frozenset(important[: most_rows // 2]), most_rows)
    return _placed(_nodes(groups, known, parents, state_of))


def _newest_first(parents: Mapping[str, Sequence[str]], state_of: Callable[[str], State]) -> list[str]:
    """Every revision before what it builds on, a branch as a whole where that can be; what is pending first."""
    waiting = dict.fromkeys(parents, 0)
    for ids in parents.values():
        for parent in ids:
            waiting[parent] += 1
    first = {"unknown": 3, "pending": 2, "leaving": 2, "later": 1, "applied": 0}
    ready = sorted((name for name, count in waiting.items() if not count), key=lambda name: first[state_of(name)])
    order = []
    while ready:
        name = ready.pop()
        order.append(name)
        for parent in sorted(parents[name], key=lambda each: first[state_of(each)]):
            waiting[parent] -= 1
            if not waiting[parent]:
                ready.append(parent)
    return order


def _runs(
    order: Sequence[str],
    parents: Mapping[str, Sequence[str]],
    state_of: Callable[[str], State],
    kept: frozenset[str],
) -> list[list[str]]:
    """The revisions in groups: what builds on nothing but the one before it, and is the same, is one."""
    children: dict[str, int] = dict.fromkeys(parents, 0)
    for ids in parents.values():
        for parent in ids:
            children[parent] += 1

    def plain(name: str) -> bool:
        return name not in kept and children[name] == 1 and len(parents[name]) == 1

    runs: list[list[str]] = []
    for name in order:
        last = runs[-1] if runs else []
        follows = bool(last) and parents[last[-1]] == [name] and state_of(last[-1]) == state_of(name)
        if follows and plain(name) and plain(last[-1]):
            last.append(name)
        else:
            runs.append([name])
    groups: list[list[str]] = []
    for run in runs:
        groups += [run] if len(run) >= SHORTEST_RUN else [[name] for name in run]
    return groups


def _fewer(
    groups: Sequence[list[str]], state_of: Callable[[str], State], kept: frozenset[str], most_rows: int
) -> list[list[str]]:
    """The same in fewer rows: what lies far from anything that matters is put together, across branches."""
    matters = [at for at, names in enumerate(groups) if not kept.isdisjoint(names)] or [0]
    near = sorted(range(len(groups)), key=lambda at: min(abs(at - other) for other in matters))
    shown = {*near[: max(most_rows - 2 * len(matters), 0)], *matters}
    merged: list[list[str]] = []
    open_run = False
    for at, names in enumerate(groups):
        if at in shown:
            merged.append(list(names))
            open_run = False
        elif open_run and state_of(merged[-1][-1]) == state_of(names[0]):
            merged[-1] += names
        else:
            merged.append(list(names))
            open_run = True
    return merged


def _nodes(
    groups: Sequence[Sequence[str]],
    known: Mapping[str, GraphRevision],
    parents: Mapping[str, Sequence[str]],
    state_of: Callable[[str], State],
) -> list[_Node]:
    at = {name: number for number, names in enumerate(groups) for name in names}
    nodes = [_Node([known[name] for name in names], state_of(names[0])) for names in groups]
    for number, names in enumerate(groups):
        outside = (at[parent] for name in names for parent in parents[name])
        nodes[number].parents = [each for each in dict.fromkeys(outside) if each != number]
    return nodes


def _placed(nodes: Sequence[_Node]) -> Layout:
    """Give each row a column: its own line goes on in it, other lines come in from the side."""
    lanes: list[int | None] = []  # by column: the row that the line in it is on its way to
    begun: list[list[int]] = []  # by column: the rows that the line in it comes from
    rows, edges = [], []
    for number, node in enumerate(nodes):
        arriving = [lane for lane, goal in enumerate(lanes) if goal == number]
        lane = arriving[0] if arriving else _free(lanes, begun)
        for each in arriving:
            edges += [Edge(child, number, each) for child in begun[each]]
            lanes[each], begun[each] = None, []
        rows.append(Row(tuple(node.revisions), node.state, lane))
        for place, parent in enumerate(node.parents):
            shared = next((each for each, goal in enumerate(lanes) if goal == parent), None)
            if shared is not None and place:
                begun[shared].append(number)
                continue
            mine = lane if not place and lanes[lane] is None else _free(lanes, begun)
            lanes[mine], begun[mine] = parent, [number]
    return Layout(tuple(rows), tuple(edges), max(len(lanes), 1))


def _free(lanes: list[int | None], begun: list[list[int]]) -> int:
    for lane, goal in enumerate(lanes):
        if goal is None:
            return lane
    lanes.append(None)
    begun.append([])
    return len(lanes) - 1
