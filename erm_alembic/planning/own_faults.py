"""Failures that no missing result explains: a misspelled name fails when the revision is applied, too."""

from __future__ import annotations

import builtins
import types
from pathlib import Path

__all__ = ["is_own_fault"]


def is_own_fault(error: BaseException) -> bool:
    """Whether a revision would fail with this however the statements before had been answered.

    A local variable that only a loop over rows would have set is no such fault, and neither is text from a row that
    does not parse.

    Args:
        error: what the revision raised while it was recorded.

    Example:
        >>> is_own_fault(NameError("name 'foo' is not defined")), is_own_fault(KeyError("foo"))
        (True, False)
    """
    if isinstance(error, ImportError):
        return True
    if isinstance(error, UnboundLocalError):
        return _hides_a_global(error)
    if isinstance(error, NameError):
        return "free variable" not in str(error)
    if isinstance(error, AttributeError):
        return isinstance(error.obj, types.ModuleType)
    if isinstance(error, SyntaxError):
        return error.filename is not None and Path(error.filename).is_file()
    return False


def _hides_a_global(error: UnboundLocalError) -> bool:
    """Whether the variable's name is a global one, too, which an assignment further below hides."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    name = error.name or str(error).partition("'")[2].partition("'")[0]
    return name in trace.tb_frame.f_globals or hasattr(builtins, name)
