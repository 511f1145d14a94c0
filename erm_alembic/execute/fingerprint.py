"""By what a statement is known again in a later attempt: hashes, so that no value of a parameter is ever kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg2
from psycopg2.extensions import adapt
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.postgres.intercept import GatedCursor
from erm_alembic.postgres.text.literals import without_literals

__all__ = ["Reads", "digest", "new_salt", "shape"]

# Their repr() says all that there is to say of them.
SIMPLE = (str, int, float, bool, bytes, type(None), Decimal, date, time, timedelta, UUID)
ROWS_LOOKED_AT = 20


def new_salt() -> str:
    """What the hashes of one revision begin with, so that they tell nothing about those of another one."""
    return os.urandom(16).hex()


def digest(salt: str, sql: str, parameters: Sequence[Any], connection: Any) -> str:
    """A hash over a statement and its parameters: a batch loop sends one text many times, each for other rows.

    Args:
        salt: what it begins with.
        sql: the text with its placeholders.
        parameters: the sets of parameters.
        connection: the psycopg2 connection, for values that only the driver knows how to write.
    """
    total = hashlib.sha256(f"{salt}\0{sql}\0".encode("utf-8", "surrogatepass"))
    _feed(total, parameters, connection)
    return total.hexdigest()


def _feed(total: Any, value: Any, connection: Any) -> None:
    if isinstance(value, SIMPLE):
        total.update(f"{value!r},".encode("utf-8", "surrogatepass"))
    elif isinstance(value, dict):
        for key, each in value.items():
            total.update(f"{key!r}:".encode("utf-8", "surrogatepass"))
            _feed(total, each, connection)
    elif isinstance(value, (list, tuple)):
        total.update(b"(")
        for each in value:
            _feed(total, each, connection)
        total.update(b")")
    elif isinstance(value, (set, frozenset)):
        total.update(",".join(sorted(map(repr, value))).encode("utf-8", "surrogatepass"))
    else:
        total.update(_as_sent(value, connection))


def _as_sent(value: Any, connection: Any) -> bytes:
    """A value as the driver writes it; what it cannot write is like nothing else."""
    try:
        adapted = adapt(value)
        if hasattr(adapted, "prepare"):
            adapted.prepare(connection)
        return bytes(adapted.getquoted())
    except (psycopg2.Error, TypeError, ValueError):
        return os.urandom(16)


def shape(salt: str, sql: str) -> str:
    """A hash over a statement without any value, be it a parameter or a literal."""
    return hashlib.sha256(f"{salt}\0{without_literals(sql)}".encode("utf-8", "surrogatepass")).hexdigest()


class Reads:
    """What a revision has read so far, in one hash.

    A statement that differs from the recorded one in its values only, although all that was read before is the same,
    is that statement: the time or a random number is among its values. Where something else was read, it is another
    batch.

    Args:
        salt: what the hash begins with.
    """

    def __init__(self, salt: str) -> None:
        self._total = hashlib.sha256(salt.encode())

    def __str__(self) -> str:
        return self._total.hexdigest()

    def add(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any]) -> None:
        """Add the answer that a cursor holds: how many rows, and what the first and the last ones are.

        Args:
            cursor: the cursor, with all of its rows still to be fetched.
            sql: the text that it was asked.
            parameters: its sets of parameters.
        """
        self._total.update(sql.encode("utf-8", "surrogatepass"))
        _feed(self._total, parameters, cursor.connection)
        try:
            count = cursor.rowcount
            if cursor.description is None:  # a WITH that wrote: fetching would make psycopg2 forget how many rows
                self._total.update(f"{count}".encode())
                return
            rows = [PlainCursor.fetchmany(cursor, ROWS_LOOKED_AT)]
            if count > ROWS_LOOKED_AT:
                PlainCursor.scroll(cursor, max(ROWS_LOOKED_AT, count - ROWS_LOOKED_AT), "absolute")
                rows.append(PlainCursor.fetchmany(cursor, ROWS_LOOKED_AT))
            if count:
                PlainCursor.scroll(cursor, 0, "absolute")
            self._total.update(f"{count}".encode())
            _feed(self._total, rows, cursor.connection)
        except (psycopg2.Error, AttributeError, KeyError, TypeError, ValueError, IndexError):
            self.add_unknown()

    def add_unknown(self) -> None:
        """Something was read that cannot be looked at: no later attempt shall take its reads for the same."""
        self._total.update(os.urandom(16))
