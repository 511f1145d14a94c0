"""Words that people type after `erm` because other tools have them there: what they mean here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence

from erm_alembic.errors import UsageError
from erm_alembic.spelling import nearest

__all__ = ["MODES", "refuse_foreign_command"]

MODES = {"plan": ("--mode", "plan"), "apply": (), "rollback": ("--mode", "rollback")}
UP = ("upgrade", "up", "deploy")
DOWN = ("downgrade", "down")
OTHERS = {"current": "status", "heads": "status", "log": "history", "revision": "new", "shell": "dev"}


def refuse_foreign_command(words: Sequence[str], known: Collection[str]) -> None:
    """Say what to type instead of a command that another tool has, or that is mistyped.

    Args:
        words: what was typed after `erm`, the command first.
        known: the commands that there are.

    Raises:
        UsageError: it is known what was meant.

    Example:
        >>> try:
        ...     refuse_foreign_command(["downgrade", "-2"], ["migrate", "status"])
        ... except UsageError as error:
        ...     print(error.cure)
        Did you mean `erm migrate --mode rollback --steps 2`?
    """
    command, *rest = words
    near = nearest(command, known)
    meant = _meant(command, rest) or (None if near is None else [near, *rest])
    if meant is not None:
        raise UsageError(
            f"erm has no command `{command}`.",
            effect="Nothing was done.",
            cure=f"Did you mean `{shlex.join(['erm', *meant])}`?",
        )


def _meant(command: str, rest: list[str]) -> list[str] | None:
    if command in MODES:
        return ["migrate", *MODES[command], *rest]
    if command in OTHERS:
        return [OTHERS[command]]
    if command in UP:
        return ["migrate", *_up(rest)]
    if command in DOWN:
        return ["migrate", "--mode", "rollback", *_down(rest)]
    return None


def _up(rest: list[str]) -> list[str]:
    """Alembic's `head` and `heads` are where apply goes anyway."""
    if not rest or rest[0].startswith("--"):
        return rest
    target, *more = rest
    return more if target in ("head", "heads") else ["--to", target, *more]


def _down(rest: list[str]) -> list[str]:
    """Alembic's `-2` counts revisions, everything else names the one that remains."""
    if not rest or rest[0].startswith("--"):
        return rest
    target, *more = rest
    if counted := re.fullmatch(r"-?(\d{1,4})", target):
        return ["--steps", counted[1], *more]
    return ["--to", target, *more]
