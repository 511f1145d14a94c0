"""What erm objects, as pytest shows it: its words, and no traceback of what goes on inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

__all__ = ["told_as_failure"]


@contextmanager
def told_as_failure() -> Iterator[None]:
    """Fail what pytest runs with the words of an error of erm: what happened, its effect, the cure."""
    from erm_alembic.config.redaction import redact
    from erm_alembic.errors import ErmError

    try:
        yield
    except ErmError as error:
        words = "\n".join(filter(None, (error.what, error.effect, error.cure)))
        raise pytest.fail.Exception(redact(words), pytrace=False) from None
