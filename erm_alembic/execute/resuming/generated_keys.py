"""Keys that the server generated for rows of an earlier run, which SQLAlchemy would answer with None."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from sqlalchemy.engine.interfaces import ExecuteStyle

from erm_alembic.postgres.intercept import GatedCursor

__all__ = ["refuse_keys"]

ANSWERS = ("inserted_primary_key_rows", "returned_default_rows")


def refuse_keys(cursor: GatedCursor, refuse: Callable[[], NoReturn]) -> bool:
    """Let SQLAlchemy fetch no rows where it asks for generated keys by itself; refuse whoever asks it for them.

    Args:
        cursor: that of a statement which is not sent.
        refuse: raises.

    Returns:
        Whether SQLAlchemy asks by itself, for one row; otherwise the revision wants the rows.
    """
    context = cursor.context
    if not getattr(getattr(context, "compiled", None), "implicit_returning", None):
        return False
    if context.execute_style is ExecuteStyle.INSERTMANYVALUES or getattr(context, "_is_supplemental_returning", False):
        return False
    answer = property(lambda _context: refuse(), _ignore)
    known = type(context)
    context.__class__ = type(known.__name__, (known,), dict.fromkeys(ANSWERS, answer))
    return True


def _ignore(_context: Any, _value: Any) -> None:
    """What SQLAlchemy notes down is of rows that there are none of."""
