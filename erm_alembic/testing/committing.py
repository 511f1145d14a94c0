"""Tests that commit what is to be rolled back after them: told as soon as they are over, as a failure of their own."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from erm_alembic.testing.sandbox.outer import Outer

__all__ = ["note_outer", "pytest_runtest_call"]

_outer: pytest.StashKey[list[Outer]] = pytest.StashKey()


def note_outer(item: pytest.Item, outer: Outer) -> None:
    """Remember the transaction around a test.

    Args:
        item: the test.
        outer: the transaction.
    """
    item.stash.setdefault(_outer, []).append(outer)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that has committed the transaction around it; one that has failed already says so at its end."""
    result = yield
    for outer in item.stash.get(_outer, []):
        outer.refuse_commit()
    return result
