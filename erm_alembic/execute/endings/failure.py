"""What failed, in words that may be shown and kept: no parameter value, no password."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg2
from psycopg2.errors import DeadlockDetected
from sqlalchemy.exc import DBAPIError

from erm_alembic.config.redaction import first_line, redact
from erm_alembic.execute.watch import Refusal
from erm_alembic.wording import first_few

__all__ = ["describe_failure", "describe_refusal"]

DATA = "22"
# From the first sign to the last: the value may hold some itself. The server speaks several languages.
QUOTED = re.compile(r"""["«»„“].*["»«“”]""", re.DOTALL)
SHORTEST_VALUE = 3
MOST_BLOCKERS = 3


def describe_failure(error: BaseException, parameters: Sequence[Any] = ()) -> str:
    """Say what failed.

    The server's DETAIL and CONTEXT are left out: they quote rows.

    Args:
        error: what was raised while a revision ran.
        parameters: the parameters of the statement under way, whose values are masked.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(cause, psycopg2.Error) and cause.diag.message_primary:
        said = cause.diag.message_primary
        if (cause.diag.sqlstate or "").startswith(DATA):  # it quotes the value that does not fit
            said = QUOTED.sub('"?"', said)
        text = f"{said} (SQLSTATE {cause.diag.sqlstate})"
    else:
        text = f"{type(cause).__name__}: {first_line(cause)}"
    for value in sorted(set(_values(parameters)), key=len, reverse=True):
        text = text.replace(value, "?")
    return redact(text.replace("\x00", ""))  # which no server can keep


def describe_refusal(refusal: Refusal | None, tries: int) -> str:
    """What follows the server's words when a lock was not had: which lock, how often it was tried, who was in the way.

    Args:
        refusal: the lock; None when it was something else.
        tries: how often the revision was tried.
    """
    if refusal is None:
        return ""
    lock = refusal.wait.lock if refusal.wait is not None else "its lock"
    deadlock = "deadlocked over" if isinstance(refusal.error, DeadlockDetected) else "did not get"
    said = f": it {deadlock} {lock}, in {tries} {'try' if tries == 1 else 'tries'}"
    blockers = refusal.wait.blockers if refusal.wait is not None else ()
    if not blockers:
        return said
    return redact(f"{said}; in the way: {first_few(blockers, MOST_BLOCKERS, '; ')}")


def _values(parameters: Iterable[Any]) -> Iterable[str]:
    for value in parameters:
        if isinstance(value, dict):
            yield from _values(value.values())
        elif isinstance(value, (list, tuple, set)):
            yield from _values(value)
        elif value is not None and not isinstance(value, bool) and len(str(value)) >= SHORTEST_VALUE:
            yield str(value)
