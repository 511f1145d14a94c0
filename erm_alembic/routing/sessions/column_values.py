"""Values of columns: copies that nobody changes in place, and whether two are the same, whatever they say of it."""

from __future__ import annotations

import pickle
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Date, DateTime, Integer, Interval, LargeBinary, Numeric, String, Time, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

__all__ = ["NO_COPY", "UNKNOWN", "Missing", "can_change", "copied", "same"]


class Missing(Enum):
    """What stands for a value that is not kept; a name, so that a pickled object has it too."""

    NO_COPY = "no copy"  # there is none: the object's own value counts as long as nobody has changed it
    UNKNOWN = "unknown"  # it was changed in place


NO_COPY, UNKNOWN = Missing.NO_COPY, Missing.UNKNOWN

# The types whose values nobody changes in place; a TypeDecorator is none of them, whatever it decorates.
_FIXED_TYPES = (Boolean, Date, DateTime, Integer, Interval, LargeBinary, Numeric, String, Time, Uuid)
_NETWORK = (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)
_FIXED = (str, bytes, int, float, complex, Decimal, date, time, timedelta, UUID, Enum, type(None), *_NETWORK)
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's


def can_change(kind: TypeEngine[Any]) -> bool:
    """Whether a value of a type may be changed in place.

    Args:
        kind: the type of a column.

    Example:
        >>> can_change(Integer()), can_change(postgresql.JSONB())
        (False, True)
    """
    return not isinstance(kind, _FIXED_TYPES)


def copied(value: Any) -> Any:
    """The value as plain dictionaries, lists and sets that are nobody else's; `NO_COPY` where it is something else.

    Args:
        value: of a column.

    Example:
        >>> copied({"n": [1, None]}), copied(object())
        ({'n': [1, None]}, <Missing.NO_COPY: 'no copy'>)
    """
    try:
        return _copied(value)
    except _NoCopy:
        return NO_COPY


def same(kind: TypeEngine[Any], one: Any, other: Any) -> bool:
    """Whether two values are the same: equal, or sent to the server as the same, or made of the same.

    NaN is not equal to itself, an array answers in arrays, and many a class has no notion of it.

    Args:
        kind: the type of their column.
        one: a value.
        other: another one.

    Example:
        >>> same(Numeric(), float("nan"), float("nan")), same(Integer(), 1, 2)
        (True, False)
    """
    try:
        if kind.compare_values(one, other) is True:
            return True
        send = kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)
        if send is not None:
            one, other = send(one), send(other)
            if (one == other) is True:
                return True
        return pickle.dumps(one) == pickle.dumps(other)
    except Exception:  # whatever their classes say: nobody knows them to be the same
        return False


class _NoCopy(Exception):
    """It is of a class that nobody knows here."""


def _copied(value: Any) -> Any:
    if isinstance(value, _FIXED):
        return value
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    if type(value) is tuple:
        return tuple(_copied(item) for item in value)
    if isinstance(value, set | frozenset):
        return set(value)
    raise _NoCopy
