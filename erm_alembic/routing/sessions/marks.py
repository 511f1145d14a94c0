"""Which objects stem from a replica, and what they were loaded with where they do not remember that themselves.

The mark lies in an object's `info` (`sqlalchemy.inspect(object).info`), and so goes where the object goes: into another
session, into a pickle, through a cache.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Column
from sqlalchemy.orm import InstanceState, Mapper

from erm_alembic.routing.sessions.column_values import NO_COPY, UNKNOWN, can_change, copied

__all__ = ["carry", "columns_of", "is_marked", "mark", "refresh", "unmark", "values_read"]

_FROM_REPLICA = "erm_from_replica"
# Under which a mapper knows those of its columns whose values may change in place: it is asked for each object.
_CHANGEABLE = "_erm_changeable"


def mark(state: InstanceState[Any]) -> None:
    """Remember that an object was loaded from a replica.

    Args:
        state: the object's.
    """
    # Not `state.mapper`, which each state would look up and remember for itself.
    changeable = getattr(state.manager.mapper, _CHANGEABLE, None)
    state.info[_FROM_REPLICA] = {} if changeable == () else _copies(state, None)


def is_marked(state: InstanceState[Any]) -> bool:
    """Whether an object, or some of its columns, was loaded from a replica.

    Args:
        state: the object's.
    """
    return _FROM_REPLICA in state.info


def unmark(state: InstanceState[Any]) -> None:
    """Forget that: it was held against its row.

    Args:
        state: the object's.
    """
    state.info.pop(_FROM_REPLICA, None)


def refresh(state: InstanceState[Any], attributes: Collection[str] | None, *, from_replica: bool) -> None:
    """Take note of an object that was there already, and was loaded again.

    Args:
        state: the object's.
        attributes: those that may have been loaded; None stands for all.
        from_replica: whether a replica has loaded them.
    """
    columns = state.mapper.columns
    if attributes is not None:
        attributes = [key for key in attributes if key in columns and key in state.dict]
        if not attributes:
            return
    kept = state.info.get(_FROM_REPLICA)
    if kept is None and not from_replica:
        return
    left = {key: value for key, value in (kept or {}).items() if attributes is not None and key not in attributes}
    state.info[_FROM_REPLICA] = {**left, **_copies(state, attributes)} if from_replica else left


def carry(given: InstanceState[Any], merged: InstanceState[Any]) -> None:
    """Let an object into which another one was merged be held against what that one was loaded with.

    Args:
        given: the other's.
        merged: the object's.
    """
    if given is not merged and is_marked(given):
        merged.info[_FROM_REPLICA] = {**merged.info.get(_FROM_REPLICA, {}), **values_read(given)}


def columns_of(mapper: Mapper[Any]) -> list[str]:
    """The attributes of a class that are plain columns of a table.

    Args:
        mapper: of the class.
    """
    return [each.key for each in mapper.column_attrs if isinstance(each.columns[0], Column)]


def values_read(state: InstanceState[Any]) -> dict[str, Any]:
    """The values of its columns that an object was loaded with, as they were before anybody changed them.

    `UNKNOWN` is one that was changed in place, and of which there is no copy.

    Args:
        state: the object's.
    """
    kept = state.info.get(_FROM_REPLICA) or {}
    read = {}
    for key in columns_of(state.mapper):
        if key in kept and kept[key] is not NO_COPY:
            read[key] = kept[key]
            continue
        history = state.attrs[key].history
        before = history.deleted if history.has_changes() else history.unchanged
        if before:
            read[key] = before[0]
        elif key in kept:
            read[key] = UNKNOWN
    return read


def _copies(state: InstanceState[Any], attributes: Collection[str] | None) -> dict[str, Any]:
    """Copies of what was loaded just now and may change in place, of which SQLAlchemy keeps no former value."""
    mapper = state.mapper
    columns = getattr(mapper, _CHANGEABLE, None)
    if columns is None:
        columns = tuple(key for key in columns_of(mapper) if can_change(mapper.columns[key].type))
        setattr(mapper, _CHANGEABLE, columns)
    loaded = state.dict
    return {key: copied(loaded[key]) for key in columns if key in loaded and (attributes is None or key in attributes)}
