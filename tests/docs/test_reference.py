"""The reference of routing is what the code says of itself, and complete."""

from __future__ import annotations

import pytest

from erm_alembic import routing
from tests.docs.docstrings import Docstring, read, runnable
from tests.docs.reference import PARTS, Part, entries, page, undocumented
from tests.support.cli import REPOSITORY


def test_the_page_is_what_the_docstrings_say() -> None:
    """Otherwise: `python -m tests.docs.reference > docs/routing-api.md`."""
    assert (REPOSITORY / "docs" / "routing-api.md").read_text(encoding="utf-8") == page()


def test_every_public_name_stands_on_it() -> None:
    """All that `erm_alembic.routing` gives, once."""
    named = [name for part in PARTS for name in part.names if ":" not in name]
    assert sorted(named) == sorted(routing.__all__)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.heading)
def test_nothing_on_it_is_left_without_words(part: Part) -> None:
    """Neither a name, nor an argument, a method or a property of it."""
    assert [missing for entry in entries(part) for missing in undocumented(entry)] == []


def test_a_docstring_is_read_in_its_parts() -> None:
    """An entry may go on in the next line."""
    found = read(
        """What it does.

        And more.

        Args:
            one: the first,
                at length.
            others: the rest.

        Returns:
            What comes
            of it.

        Raises:
            ValueError: it is wrong.

        Example:
            >>> 1 + 1
            2
        """
    )
    assert found.text == "What it does.\n\nAnd more."
    assert found.arguments == {"one": "the first, at length.", "others": "the rest."}
    assert found.returns == "What comes of it."
    assert found.raises == {"ValueError": "it is wrong."}
    assert found.example == ">>> 1 + 1\n2"


def test_an_example_imports_what_it_finds_in_its_module() -> None:
    """From where an application has it; what it brings itself it keeps."""
    docstring = Docstring("", {}, "", {}, ">>> options = ReplicaReadOptions(max_lag=5)\n>>> len(options.mode)")
    made = runnable(docstring, "erm_alembic.routing.options")
    assert made.example.splitlines()[0] == ">>> from erm_alembic.routing import ReplicaReadOptions"
    assert made.example.endswith(docstring.example)
