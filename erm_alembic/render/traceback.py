"""A traceback that may be shown (`-v`): where an error went through, and of what the database said only its SQLSTATE.

What a database, or its driver, says quotes parameters and rows; a traceback as Python prints it has all of that.
"""

from __future__ import annotations

import traceback

from erm_alembic.errors import ErmError
from erm_alembic.render.safe import block

__all__ = ["traceback_lines"]

CAUSED = "The above exception was the direct cause of the following exception:"
WHILE_HANDLED = "During handling of the above exception, another exception occurred:"


def traceback_lines(error: BaseException, *, quoting: bool = True) -> list[str]:
    """An error with what it came from, the first cause first, as Python orders them.

    Args:
        error: a caught exception.
        quoting: whether exceptions, and the lines of code that they came through, are quoted; False only names them,
            where what an exception says is shown elsewhere with its values masked.

    Example:
        >>> try:
        ...     int("hunter2")
        ... except ValueError as error:
        ...     lines = traceback_lines(error, quoting=False)
        >>> lines[0], lines[-1]
        ('Traceback (most recent call last):', 'ValueError')
    """
    text = ""
    for each, link in reversed(_chain(error)):
        text += "Traceback (most recent call last):\n" if each.__traceback__ is not None else ""
        text += _places(each, quoting) + _said(each, quoting) + "\n"
        text += f"\n{link}\n\n" if link else ""
    return block(text.rstrip("\n"))


def _chain(error: BaseException) -> list[tuple[BaseException, str]]:
    """The error, and what is before it; each with the words that stand between it and the one after it."""
    chain: list[tuple[BaseException, str]] = []
    seen: set[int] = set()
    following: BaseException | None = error
    link = ""
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        chain.append((following, link))
        if following.__cause__ is not None:
            following, link = following.__cause__, CAUSED
        elif not following.__suppress_context__:
            following, link = following.__context__, WHILE_HANDLED
        else:
            following = None
    return chain


def _places(error: BaseException, quoting: bool) -> str:
    places = traceback.extract_tb(error.__traceback__)
    if not quoting:
        places = traceback.StackSummary.from_list([(each.filename, each.lineno or 0, each.name, "") for each in places])
    return "".join(places.format())


def _said(error: BaseException, quoting: bool) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, ErmError):
        return f"{name}: {error.what}"
    # The driver's own errors, and SQLAlchemy's around them: render/ imports neither.
    if hasattr(error, "pgcode") or hasattr(error, "orig"):
        state = getattr(getattr(error, "orig", None) or error, "pgcode", None)
        return f"{name} (SQLSTATE {state})" if state else name
    if not quoting:
        return name
    lines = [f"{name}: {error}" if str(error) else name, *getattr(error, "__notes__", ())]
    for each in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        lines += [f"  | {line}" for line in traceback_lines(each)]
    return "\n".join(lines)
