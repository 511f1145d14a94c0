"""The examples in the docstrings of rendering, and the small words of every text."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest

from erm_alembic.render.safe import block, one_line

MODULES = ("json", "outcome", "runs", "safe", "schema", "sql", "text", "words")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_are_true(name: str) -> None:
    """Every example in a docstring of render/ gives what it says."""
    assert doctest.testmod(import_module(f"erm_alembic.render.{name}")).failed == 0


def test_letters_of_every_script_and_emoji_stay_readable() -> None:
    """Only what is hidden or moves the cursor is escaped: letters, accents and joined emoji stay."""
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert one_line(f"Größe заказы 注文 {family}") == f"Größe заказы 注文 {family}"


def test_a_lone_surrogate_can_be_printed() -> None:
    """A path that is not valid UTF-8 becomes text that any stream can encode."""
    assert one_line("a\udcffb").encode("utf-8") == b"a\\udcffb"


def test_carriage_returns_cannot_overwrite_a_line() -> None:
    """A bare carriage return inside a statement is shown, not obeyed."""
    assert block("DROP TABLE t\rSELECT 1") == ["DROP TABLE t\\rSELECT 1"]
