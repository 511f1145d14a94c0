"""How large the tables are that a plan is about: what the target said while it was planned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from erm_alembic.postgres.text.words import name_parts, written_name

if TYPE_CHECKING:
    from erm_alembic.postgres.existing_tables import ExistingTable
    from erm_alembic.postgres.live_facts import LiveFacts

__all__ = ["TableSize", "measured", "with_named"]


@dataclass(frozen=True)
class TableSize:
    """How large and how busy a table of the target is.

    Args:
        table: its name with its schema, quoted where it must be.
        rows: about how many rows it has; None when the server has never counted them.
        table_bytes: the size of its rows, in bytes; None where it could not be asked.
        index_bytes: the size of its indexes, in bytes; None where it was not asked.
        writes_per_second: rows that are inserted, changed and deleted a second; None where it was not asked.
    """

    table: str
    rows: int | None = None
    table_bytes: int | None = None
    index_bytes: int | None = None
    writes_per_second: float | None = None


def measured(facts: LiveFacts) -> tuple[TableSize, ...]:
    """The tables whose sizes the estimates were reckoned with.

    Args:
        facts: what the live database says.

    Example:
        >>> from erm_alembic.postgres.live_facts import LiveFacts, TableFacts
        >>> measured(LiveFacts({"public.users": TableFacts(8192, 0, 12.0)}))[0].rows
        12
    """
    return tuple(
        TableSize(
            name,
            None if found.rows is None else round(found.rows),
            found.table_bytes,
            found.index_bytes,
            None if found.writes_per_second is None else round(found.writes_per_second, 2),
        )
        for name, found in sorted(facts.tables.items())
    )


def with_named(sizes: Iterable[TableSize], named: Iterable[ExistingTable]) -> tuple[TableSize, ...]:
    """The sizes that are known, and those of the tables that statements name besides.

    Args:
        sizes: what was measured.
        named: the tables that were looked up by the names in statements.
    """
    known = {name_parts(each.table): each for each in sizes}
    for key, size in _named(named):
        known.setdefault(key, size)
    return tuple(known[key] for key in sorted(known))


def _named(named: Iterable[ExistingTable]) -> Iterator[tuple[tuple[str, ...], TableSize]]:
    for table in named:
        yield table.key, TableSize(written_name(table.key), table.rows, table.size)
