"""Asking a server for many things, of which it may refuse some: what is refused is named, the rest is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg2
from psycopg2 import errors

from erm_alembic.postgres.replication import is_refusal

__all__ = ["Asking", "prepare"]

Fact = TypeVar("Fact")

# Of one statement: what takes longer is told as not seen, and the next one is asked.
STATEMENT_TIMEOUT_MS = 3_000
LOCK_TIMEOUT_MS = 500

# The search path keeps objects of the project from standing in for the catalog's; compiling would take longer than
# running. The limits are the session's own, whatever the role or the database sets.
PREPARE = """
    SELECT pg_catalog.set_config('default_transaction_read_only', 'on', false),
           pg_catalog.set_config('statement_timeout', %s, false),
           pg_catalog.set_config('lock_timeout', %s, false),
           pg_catalog.set_config('search_path', 'pg_catalog', false),
           pg_catalog.set_config('jit', 'off', false)
"""


class Asking:
    """One round of questions over one connection.

    Args:
        cursor: of a psycopg2 connection in autocommit mode, which gives tuples: what is refused must not end a
            transaction.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._unseen: dict[str, str] = {}

    @property
    def unseen(self) -> Mapping[str, str]:
        """What could not be seen, each with the reason in words."""
        return self._unseen

    def ask(self, name: str, read: Callable[[Any], Fact], otherwise: Fact) -> Fact:
        """Read something; what the server refuses, or does not say in time, is noted as not seen.

        Args:
            name: what it is, for people.
            read: reads it.
            otherwise: what stands for it where it cannot be seen.

        Raises:
            psycopg2.Error: the server does not answer at all.
        """
        try:
            return read(self._cursor)
        except (errors.QueryCanceled, errors.LockNotAvailable) as error:
            if self._cursor.connection.closed:
                raise
            self._unseen[name] = "the server did not say in time" if error.pgcode == "57014" else "it is locked"
        except psycopg2.Error as error:
            if not is_refusal(error):
                raise
            self._unseen[name] = _words(error)
        except UnicodeDecodeError:
            self._unseen[name] = "what the server says is not in the encoding of the database"
        return otherwise

    def note(self, name: str, why: str) -> None:
        """Something is not seen, or not all of it.

        Args:
            name: what it is.
            why: the reason, in words.
        """
        self._unseen[name] = why


def prepare(cursor: Any) -> None:
    """Give the session the limits of one that only looks.

    Args:
        cursor: of a connection in autocommit mode.
    """
    cursor.execute(PREPARE, [str(STATEMENT_TIMEOUT_MS), str(LOCK_TIMEOUT_MS)])


def _words(error: psycopg2.Error) -> str:
    if isinstance(error, errors.InsufficientPrivilege):
        return "this role may not see it (GRANT pg_monitor would let it)"
    return " ".join((error.diag.message_primary or type(error).__name__).split())
