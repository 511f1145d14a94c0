"""The parser's complaints in erm's words: which option, what may stand there, and what was probably meant."""

from __future__ import annotations

import difflib
from typing import Any

from erm_alembic.errors import UsageError

__all__ = ["usage_error"]

NOTHING_DONE = "Nothing was done."


def usage_error(error: Exception) -> UsageError | None:
    """The parser's own complaint as an error of erm; None for any other exception.

    Args:
        error: what the parser raised.
    """
    told = getattr(error, "format_message", None)
    if told is None:
        return None
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "erm"
    help_ = f"{command} --help"
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        names = ", ".join(f"`{command} {name}`" for name in context.command.list_commands(context))
        return UsageError(f"{command}: which command?", effect=NOTHING_DONE, cure=f"{names}; see {help_}")
    if option := getattr(error, "option_name", None):
        near = difflib.get_close_matches(option, getattr(error, "possibilities", None) or (), 1)
        what = f"No such option: {option}" if type(error).__name__ == "NoSuchOption" else str(told())
        return UsageError(what, effect=NOTHING_DONE, cure=_did_you_mean(near[0], help_) if near else help_)
    param: Any = getattr(error, "param", None)
    # The words of click, and of the validation library that newer versions of typer ask.
    if param is not None and "valid integer" in str(getattr(error, "message", "")):
        return UsageError(
            f"{param.opts[-1]} takes a whole number.",
            effect=NOTHING_DONE,
            cure=f"Write it as in: {param.opts[-1]} 2; see {help_}",
        )
    what = str(told()).replace("Value error, ", "")
    return UsageError(what, effect=NOTHING_DONE, cure=_of_value(error, help_))


def _of_value(error: Exception, help_: str) -> str:
    """The value of a choice that is close to what was typed."""
    param: Any = getattr(error, "param", None)
    typed, found, known = str(getattr(error, "message", "")).partition(" is not one of ")
    if not found:
        return help_
    words = [word.strip(" '.") for word in known.split(",")]
    near = difflib.get_close_matches(typed.rpartition("'")[0].rpartition("'")[2], words, 1)
    return _did_you_mean(f"{param.opts[-1]} {near[0]}", help_) if near and param is not None else help_


def _did_you_mean(text: str, help_: str) -> str:
    return f"Did you mean `{text}`? See {help_}"
