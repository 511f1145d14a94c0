"""What a rehearsal saw belongs to the planned statement of the same text on the same line."""

from __future__ import annotations

from erm_alembic.planning.model import Statement
from erm_alembic.planning.rehearsal import Observed
from erm_alembic.shadow.rehearsal.matching import MANY, with_observed
from erm_alembic.shadow.rehearsal.told import SeenStatement


def seen(sql: str, line: int = 1, rows: int = 0, file: str | None = None) -> SeenStatement:
    """A statement as the shadow ran it."""
    return SeenStatement(sql, line, file, False, Observed(rows=rows))


def rows_of(planned: list[Statement], *found: SeenStatement) -> list[int | None]:
    """The rows that were seen of each planned statement; None for one that was not seen."""
    return [None if each.observed is None else each.observed.rows for each in with_observed(planned, found)]


def test_the_same_statements_match_one_by_one() -> None:
    """A loop that sends one text again and again too."""
    planned = [Statement("a", 1), Statement("b", 2), Statement("b", 2)]
    assert rows_of(planned, seen("a", 1, 10), seen("b", 2, 20), seen("b", 2, 30)) == [10, 20, 30]


def test_what_the_shadow_did_not_send_stays_unseen() -> None:
    """And what it sent besides is not taken for something else."""
    planned = [Statement("a", 1), Statement("b", 2), Statement("c", 3)]
    assert rows_of(planned, seen("a", 1, 1), seen("x", 2), seen("c", 3, 3)) == [1, None, 3]
    assert rows_of(planned, seen("b", 9)) == [None, None, None]
    assert rows_of(planned) == [None, None, None]


def test_a_statement_of_a_script_matches_by_the_name_of_its_file() -> None:
    """The plan has its place in the project, the shadow the whole path."""
    planned = [Statement("a", 1, path="versions/a.up.sql")]
    assert rows_of(planned, seen("a", 1, 5, file="/srv/app/versions/a.up.sql")) == [5]
    assert rows_of(planned, seen("a", 1, 5, file="/srv/app/versions/b.up.sql")) == [None]


def test_long_sequences_match_from_both_ends() -> None:
    """However many statements differ between."""
    planned = [Statement("first", 1), *(Statement(f"p{i}", 2) for i in range(MANY + 1)), Statement("last", 3)]
    found = [seen("first", 1, 1), *(seen(f"s{i}", 2) for i in range(MANY + 1)), seen("last", 3, 9)]
    result = rows_of(planned, *found)
    assert (result[0], result[1], result[-1]) == (1, None, 9)
