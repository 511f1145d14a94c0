"""In which order rows are locked, so that two flushes that lock the same ones do not wait for each other in a circle.

Rows of one class are locked by their primary key, as a flush writes them; classes as their tables depend on each other,
those that are referred to first, as a flush does too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.orm import Mapper
from sqlalchemy.schema import sort_tables_and_constraints

__all__ = ["classes_in_order", "keys_in_order"]

Key = tuple[Any, ...]


def classes_in_order(mappers: Collection[Mapper[Any]]) -> Sequence[Mapper[Any]]:
    """Classes in the one order that holds for all flushes of them.

    Args:
        mappers: of the classes.
    """
    if len(mappers) < 2:
        return list(mappers)
    tables = [mapper.local_table for mapper in mappers]
    places = _places({table.metadata for table in tables if isinstance(table, Table)})

    def place(mapper: Mapper[Any]) -> tuple[int, str, str]:
        return places.get(mapper.local_table, -1), mapper.class_.__module__, mapper.class_.__qualname__

    return sorted(mappers, key=place)


def keys_in_order(mapper: Mapper[Any], keys: Sequence[Key]) -> Sequence[Key]:
    """Primary keys in the order of a flush.

    The database sorts some in another way, as it does texts by most collations: that counts where so many are locked
    that it takes more than one query.

    Args:
        mapper: of their class.
        keys: the keys.
    """
    functions = [column.type.sort_key_function or _itself for column in mapper.primary_key]

    def key(values: Key) -> Key:
        return tuple(function(value) for function, value in zip(functions, values, strict=True))

    try:
        return sorted(keys, key=key)
    except TypeError:  # which a flush of them will say in its own words
        return keys


def _places(families: Iterable[MetaData]) -> dict[Any, int]:
    """The place of each table among those it depends on, and that depend on it, by way of others too."""
    places: dict[Any, int] = {}
    for family in families:
        by_name = sorted(family.tables.values(), key=lambda table: table.fullname)
        for place, (table, _) in enumerate(sort_tables_and_constraints(by_name)):  # type: ignore[no-untyped-call]  # SQLAlchemy's
            if table is not None:
                places[table] = place
    return places


def _itself(value: Any) -> Any:
    return value
