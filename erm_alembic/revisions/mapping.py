"""What the project's models map: the tables and columns of the metadata that env.py hands to Alembic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import MetaData

__all__ = ["mapped_tables"]


def mapped_tables(metadata: Any) -> dict[tuple[str, str], frozenset[str]]:
    """The columns by schema and table; the schema is empty where a table names none.

    Args:
        metadata: `target_metadata` as env.py gives it: one MetaData, several, or None.

    Example:
        >>> import sqlalchemy as sa
        >>> metadata = sa.MetaData()
        >>> table = sa.Table("users", metadata, sa.Column("id", sa.Integer))
        >>> mapped_tables(metadata)
        {('', 'users'): frozenset({'id'})}
    """
    found: dict[tuple[str, str], frozenset[str]] = {}
    for each in _all(metadata):
        for table in each.tables.values():
            key = (table.schema or "", str(table.name))
            found[key] = found.get(key, frozenset()) | {str(column.name) for column in table.columns}
    return found


def _all(metadata: Any) -> Iterable[MetaData]:
    if isinstance(metadata, MetaData):
        return (metadata,)
    several = metadata if isinstance(metadata, list | tuple | set | frozenset) else ()
    return tuple(each for each in several if isinstance(each, MetaData))
