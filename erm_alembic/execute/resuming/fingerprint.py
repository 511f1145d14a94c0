"""By what a statement is known again in a later attempt: hashes, so that no value of a parameter is ever kept."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
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
ROWS_LOOKED_AT = 5000
LONG_BYTES = 8
# A random number, or the time to the microsecond. A date, a word and a whole number are what loops go through.
CHANCE = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|\b[0-9a-fA-F]{16,}\b"
    r"|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:?\d\d)?|\b\d+\.\d{5,}\b"
)


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
        # SQLAlchemy puts the values of many rows together in the order of a set, another one in each process.
        for key, each in sorted(value.items(), key=lambda item: repr(item[0])):
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


def shape(salt: str, sql: str, parameters: Sequence[Any], connection: Any) -> str:
    """A hash over a statement without any value, and one without values of chance: times and random numbers.

    Args:
        salt: what they begin with.
        sql: the text with its placeholders.
        parameters: the sets of parameters.
        connection: the psycopg2 connection, for values that only the driver knows how to write.

    Returns:
        Both, with a colon between them.
    """
    return f"{bare(salt, sql)}:{digest(salt, CHANCE.sub('?', sql), _without_chance(parameters), connection)}"


def bare(salt: str, sql: str) -> str:
    """A hash over a statement without any value.

    Args:
        salt: what it begins with.
        sql: the text with its placeholders.
    """
    return hashlib.sha256(f"{salt}\0{without_literals(sql)}".encode("utf-8", "surrogatepass")).hexdigest()


def _without_chance(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_chance(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_chance(each) for each in value]
    if isinstance(value, UUID) or (isinstance(value, (datetime, time)) and value.microsecond):
        return "?"
    if isinstance(value, float):
        return CHANCE.sub("?", repr(value))
    if isinstance(value, bytes):
        return "?" if len(value) >= LONG_BYTES else value
    return CHANCE.sub("?", value) if isinstance(value, str) else value


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

    def add(self, cursor: GatedCursor, sql: str, parameters: Sequence[Any], rowcount: int | None = None) -> None:
        """Add what a statement was answered: how many rows at once, and the rows when the revision looks at them.

        Args:
            cursor: the cursor, with all of its rows still to be fetched.
            sql: the text that it was asked.
            parameters: its sets of parameters.
            rowcount: how many rows it answered when it was sent, where it is not sent now.
        """
        self._total.update(sql.encode("utf-8", "surrogatepass"))
        _feed(self._total, parameters, cursor.connection)
        self._total.update(f"{cursor.rowcount if rowcount is None else rowcount}".encode())
        if rowcount is None and cursor.description is not None:
            cursor.on_rows = lambda: self._add_rows(cursor)

    def _add_rows(self, cursor: GatedCursor) -> None:
        """Add the first and the last rows, just before the revision sees the first one."""
        cursor.on_rows = None
        try:
            count = PlainCursor.rowcount.__get__(cursor)
            rows = [PlainCursor.fetchmany(cursor, ROWS_LOOKED_AT)]
            if count > ROWS_LOOKED_AT:
                PlainCursor.scroll(cursor, max(ROWS_LOOKED_AT, count - ROWS_LOOKED_AT), "absolute")
                rows.append(PlainCursor.fetchmany(cursor, ROWS_LOOKED_AT))
            if count:
                PlainCursor.scroll(cursor, 0, "absolute")
            _feed(self._total, rows, cursor.connection)
        except (psycopg2.Error, AttributeError, KeyError, TypeError, ValueError, IndexError):
            self.add_unknown()

    def add_unknown(self) -> None:
        """Something was read that cannot be looked at: no later attempt shall take its reads for the same."""
        self._total.update(os.urandom(16))
