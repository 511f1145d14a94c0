"""Where revisions stand in the picture of the graph."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erm_alembic.planning.graph import GraphRevision
from erm_alembic.render.html.lanes import Layout, State, lay_out
from tests.report.plans import GRAPH


def applied(revision: str) -> State:
    """Everything is."""
    return "applied"


def shown(layout: Layout) -> list[list[str]]:
    """The ids of each row."""
    return [[each.revision for each in row.revisions] for row in layout.rows]


def test_a_branch_runs_beside_the_other_and_both_end_where_they_began() -> None:
    """Both branches of a merge have a lane of their own, and the lines between the rows are those of the graph."""
    layout = lay_out(GRAPH, applied, ["m"], 40)
    rows = [row[0] for row in shown(layout)]
    assert rows == ["b2", "b1", "m", "r", "l", "base"]
    assert [row.lane for row in layout.rows] == [0, 0, 0, 1, 0, 0]
    assert layout.lanes == 2
    lines = {(rows[edge.child], rows[edge.parent]) for edge in layout.edges}
    assert lines == {(each.revision, parent) for each in GRAPH for parent in each.parents}


def test_what_is_pending_stands_above_what_is_applied() -> None:
    """Of two branches, the one that would run comes first, whatever order the files have."""
    graph = [GraphRevision("a2", ("a1",)), GraphRevision("b2", ("a1",)), GraphRevision("a1")]
    for ordered in (graph, graph[::-1]):
        layout = lay_out(ordered, lambda name: "pending" if name == "b2" else "applied", ["a2", "b2"], 40)
        assert shown(layout) == [["b2"], ["a2"], ["a1"]]


def test_a_long_run_is_one_row_and_what_matters_is_not_in_it() -> None:
    """Of 600 revisions, the current one, the ends and what is important stay by themselves."""
    graph = [GraphRevision(str(at), (str(at - 1),) if at else ()) for at in range(600)]
    layout = lay_out(graph, lambda name: "applied" if int(name) < 500 else "pending", ["499", "550"], 40)
    assert [len(row) for row in shown(layout)] == [1, 48, 1, 50, 1, 498, 1]
    assert shown(layout)[2] == ["550"]
    assert shown(layout)[4] == ["499"]
    assert {row.state for row in layout.rows[:4]} == {"pending"}


def test_few_revisions_are_never_put_together() -> None:
    """Three in a row are three rows."""
    graph = [GraphRevision(str(at), (str(at - 1),) if at else ()) for at in range(5)]
    assert [len(row) for row in shown(lay_out(graph, applied, [], 40))] == [1] * 5


def test_a_parent_that_is_missing_ends_no_line() -> None:
    """A revision whose file is gone is passed over."""
    layout = lay_out([GraphRevision("b", ("gone",))], applied, [], 40)
    assert (shown(layout), layout.edges) == ([["b"]], ())


@st.composite
def graphs(draw: st.DrawFn) -> Sequence[GraphRevision]:
    """Any history: each revision builds on any of those before it."""
    count = draw(st.integers(0, 60))
    found = []
    for at in range(count):
        parents = draw(st.lists(st.integers(0, at - 1), unique=True, max_size=3)) if at else []
        found.append(GraphRevision(str(at), tuple(map(str, parents))))
    return draw(st.permutations(found))


@settings(max_examples=60)
@given(graph=graphs(), edge=st.integers(0, 60), most=st.integers(1, 30), data=st.data())
def test_any_history_has_each_revision_once_and_lines_that_lead_down(
    graph: Sequence[GraphRevision], edge: int, most: int, data: st.DataObject
) -> None:
    """However it is put together: nothing is lost, every row builds on lower ones, no two rows of one lane cross."""
    important = data.draw(st.lists(st.sampled_from([each.revision for each in graph]), unique=True)) if graph else []

    def state(name: str) -> State:
        return "applied" if int(name) < edge else "pending"

    layout = lay_out(graph, state, important, most)
    rows = shown(layout)
    assert sorted(name for row in rows for name in row) == sorted(each.revision for each in graph)
    assert all(edge.child < edge.parent for edge in layout.edges)
    assert all({state(name) for name in row} == {layout.rows[at].state} for at, row in enumerate(rows))
    place = {name: at for at, row in enumerate(rows) for name in row}
    wanted = {(place[each.revision], place[parent]) for each in graph for parent in each.parents}
    assert {(line.child, line.parent) for line in layout.edges} == {pair for pair in wanted if pair[0] != pair[1]}
    for line in layout.edges:
        between = layout.rows[line.child + 1 : line.parent]
        assert all(row.lane != line.lane for row in between)


@pytest.mark.parametrize("count", [0, 1])
def test_next_to_nothing_is_laid_out_too(count: int) -> None:
    """No revision, and one."""
    layout = lay_out([GraphRevision("a")][:count], applied, [], 40)
    assert (len(layout.rows), layout.edges, layout.lanes) == (count, (), 1)
