"""Lines that are wider than a terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erm_alembic.render.fold import fold, width_of


@pytest.mark.parametrize(
    ("line", "columns", "lines"),
    [
        ("Target   dev", 40, ["Target   dev"]),
        (
            "Blocks   reads and writes of public.orders for 1 ms to 50 ms",
            40,
            ["Blocks   reads and writes of", "         public.orders for 1 ms to 50 ms"],
        ),
        (
            "    help: Let `erm drift --source models` show it.",
            30,
            ["    help: Let", "          `erm drift --source models`", "          show it."],
        ),
        (
            "  warning no-lock-timeout  migrations/versions/a1.py:3",
            40,
            ["  warning no-lock-timeout", "      migrations/versions/a1.py:3"],
        ),
        (
            "       18  ALTER TABLE orders ADD note text",
            32,
            ["       18  ALTER TABLE orders", "           ADD note text"],
        ),
        ("error:  The database cannot be reached now.", 30, ["error:  The database cannot be", "        reached now."]),
    ],
)
def test_a_line_goes_on_below_where_its_text_begins(line: str, columns: int, lines: list[str]) -> None:
    """Behind its label, its number, its place; a command in backticks and a number with its unit stay together."""
    assert fold(line, columns).split("\n") == lines


@pytest.mark.parametrize(
    "line",
    [
        "To run it: erm migrate --env production --override data-loss --reason 'why it may pass'",
        "  erm migrate --mode rollback --env production --steps 2 --wait 5m",
        "    help: Write it back: erm history restore 000111 --env production",
    ],
)
def test_a_command_stays_on_one_line(line: str) -> None:
    """It is copied from there."""
    assert fold(line, 40) == line


def test_a_word_that_is_too_long_stays_whole() -> None:
    """The terminal breaks it; nothing is lost."""
    assert fold("    " + "x" * 50 + " y", 30) == "    " + "x" * 50 + "\n    y"


def test_a_colour_goes_on_in_the_next_line() -> None:
    """And ends at the end of each."""
    assert fold("\x1b[33mone two three\x1b[0m four", 9) == "\x1b[33mone two\x1b[0m\n\x1b[33mthree\x1b[0m\nfour"


def test_wide_characters_take_two_columns() -> None:
    """A name in Chinese does not run over the edge, and a combining accent takes none."""
    assert width_of("e\u0301") == 1
    assert all(width_of(line) <= 20 for line in fold("表 " * 30, 20).split("\n"))


@given(
    text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])), columns=st.integers(1, 80)
)
def test_nothing_is_lost(text: str, columns: int) -> None:
    """Every character that is no space is there afterwards, in its order."""
    assert re.sub(r"\s", "", fold(text, columns)) == re.sub(r"\s", "", text)
