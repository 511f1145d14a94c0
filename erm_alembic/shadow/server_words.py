"""What the server says of a failure, without the values that it quotes."""

from __future__ import annotations

import re

import psycopg2

from erm_alembic.config.redaction import first_line
from erm_alembic.errors import ErmError

__all__ = ["failure_words", "server_words"]

# The classes of SQLSTATE of data that does not fit: their messages quote it.
DATA, INTEGRITY = "22", "23"
QUOTED = re.compile(r'"(?:[^"]|"")*"')


def server_words(error: psycopg2.Error) -> str:
    """The first line of an error, without values: only names may stand in it.

    Args:
        error: what the server said.
    """
    code = error.pgcode or ""
    said = first_line(error)
    context = error.diag.context or ""
    # Words that a function raised may hold anything.
    if context and (code.startswith("P0") or " RAISE" in context):
        return f"{_condition(error)} ({context.splitlines()[0]})"
    if code[:2] not in (DATA, INTEGRITY):
        return said
    return QUOTED.sub("...", said) if code[:2] == DATA else said


def _condition(error: psycopg2.Error) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__)
    return words.lower()


def failure_words(error: BaseException) -> str:
    """Why a revision failed, on one line and without values.

    Args:
        error: what its function raised: an error of erm, SQLAlchemy, psycopg2, or of its own.
    """
    if isinstance(error, ErmError):
        return error.what.splitlines()[0]
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, psycopg2.Error):
        return server_words(cause)
    return f"{type(error).__name__}: {first_line(error)}"
