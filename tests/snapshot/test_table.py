"""The table of docs/drift.md is what the benchmark wrote."""

from __future__ import annotations

from benchmarks.drift_changes import CHANGES
from tests.support.cli import REPOSITORY

PAGE = REPOSITORY / "docs" / "drift.md"


def test_the_table_has_each_change_and_erm_sees_it() -> None:
    """A change that was added without running the benchmark, or that erm does not see, is noticed."""
    table = PAGE.read_text(encoding="utf-8").partition("<!-- drift-kinds:begin -->")[2]
    rows = [line for line in table.partition("<!-- drift-kinds:end -->")[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]
    assert [name for _, name, _, _ in cells] == [change.name for change in CHANGES]
    assert {erm for _, _, _, erm in cells} == {"yes"}
    assert {alembic for _, _, alembic, _ in cells} <= {"yes", "no", "fails"}
