"""The parser's complaints in erm's words: which option, what may stand there, and what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from erm_alembic.cli.guess import MODES
from erm_alembic.errors import UsageError
from erm_alembic.render.safe import one_line
from erm_alembic.spelling import nearest

__all__ = ["usage_error"]

NOTHING_DONE = "Nothing was done."
EXTRA = "unexpected extra argument"
# What other tools call a run that only shows what it would do.
LOOKS_ONLY = ("--dry-run", "--dryrun", "--plan-only", "--pretend", "--noop")


def usage_error(error: Exception, command: str = "erm") -> UsageError | None:
    """The parser's own complaint as an error of erm; None for any other exception.

    Args:
        error: what the parser raised.
        command: the command that was typed, for a complaint that does not know its own.
    """
    told = getattr(error, "format_message", None)
    if told is None:
        return None
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else command
    help_ = f"{command} --help"
    what, cure = str(told()).replace("Value error, ", ""), help_
    param: Any = getattr(error, "param", None)
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError" and context is not None:
        what, cure = f"{command}: which command?", _of_command(context, help_)
    elif "No such command" in what and context is not None:
        cure = _of_command(context, help_)
    elif kind == "NoSuchOption":
        option = str(getattr(error, "option_name", ""))
        what, cure = f"{command} has no option {one_line(option)}.", _of_option(option, context, help_)
    elif kind == "BadOptionUsage" and "requires an argument" in what:
        what, cure = f"{getattr(error, 'option_name', '')} needs a value.", f"Type one after it; see {help_}"
    elif kind == "MissingParameter" and getattr(param, "metavar", None):
        named = f"{param.opts[-1]} {param.metavar}" if param.param_type_name == "option" else param.metavar
        what, cure = f"{command}: {named} is missing.", f"{command} {named}; see {help_}"
    elif EXTRA in what and context is not None:
        what, cure = _extra(what, context, help_)
    # The words of click, and of the validation library that newer versions of typer ask.
    elif param is not None and "valid integer" in what:
        what, cure = f"{param.opts[-1]} takes a whole number.", f"Write it as in: {param.opts[-1]} 2; see {help_}"
    elif param is not None:
        cure = _of_value(error, param, help_)
    return UsageError(what, effect=NOTHING_DONE, cure=cure)


def _of_option(option: str, context: Any, help_: str) -> str:
    """What to type instead of an option that the command does not have."""
    params = () if context is None else (*context.command.params, context.command.get_help_option(context))
    names = [name for each in params if each is not None for name in (*each.opts, *each.secondary_opts)]
    if option in LOOKS_ONLY and "--mode" in names:
        return _did_you_mean("--mode plan", help_)
    near = nearest(option, [name for name in names if name.startswith("-")])
    if near is None and context is not None and context.parent is None:
        return f"Options stand after the command, as in: erm status --env prod. See {help_}"
    return f"{help_} lists the options." if near is None else _did_you_mean(near, help_)


def _extra(told: str, context: Any, help_: str) -> tuple[str, str]:
    """A word that stands alone where only options may: the value of an option, most of the time."""
    word, *_ = told.rpartition("(")[2].rstrip(")").split(" ")
    options = {name for each in context.command.params for name in each.opts}
    what = f"{word} stands alone."
    if "--mode" in options and word in MODES:
        return what, _did_you_mean(f"--mode {word}", help_)
    if "--env" in options:
        return what, f"A profile is chosen by --env NAME. See {help_}"
    return what, f"Words that belong together stand in quotes. See {help_}"


def _of_command(context: Any, help_: str) -> str:
    """The commands of a group, in place of one that it does not have."""
    names = ", ".join(f"`{context.command_path} {name}`" for name in context.command.list_commands(context))
    return f"{names}; see {help_}" if context.parent is not None else help_


def _of_value(error: Exception, param: Any, help_: str) -> str:
    """The value of a choice that is close to what was typed, or several of them in one."""
    message, found, known = str(getattr(error, "message", "")).partition(" is not one of ")
    if not found:
        return help_
    option, words = param.opts[-1], [word.strip(" '.") for word in known.split(",")]
    typed = message.rpartition("'")[0].rpartition("'")[2]
    parts: Sequence[str] = re.split(r"[,;+\s]+", typed)
    if len(parts) > 1 and getattr(param, "multiple", False) and set(parts) <= set(words):
        return f"Repeat the option: `{' '.join(f'{option} {part}' for part in parts)}`. See {help_}"
    near = nearest(typed, words)
    return help_ if near is None else _did_you_mean(f"{option} {near}", help_)


def _did_you_mean(text: str, help_: str) -> str:
    return f"Did you mean `{text}`? See {help_}"
