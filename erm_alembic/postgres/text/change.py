"""One thing that a statement changes in a schema, as its words tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["EXCLUSIVE", "Change", "Kind"]

Kind = Literal[
    "create-table",
    "drop-table",
    "rename-table",
    "truncate",
    "add-column",
    "drop-column",
    "rename-column",
    "retype-column",
    "set-not-null",
    "not-null-check",
    "validate",
    "constraint",
    "foreign-key",
    "key",
    "index",
    "drop-index",
    "alter-table",
    "create-enum",
    "enum-value",
    "rows",
]
# What takes ACCESS EXCLUSIVE on its table, whatever else the statement says.
EXCLUSIVE = frozenset(
    [
        *("drop-table", "rename-table", "truncate", "add-column", "drop-column", "rename-column", "retype-column"),
        *("set-not-null", "not-null-check", "constraint", "key"),
    ]
)


@dataclass(frozen=True)
class Change:
    """One thing that a statement does to a table, or to an enum type.

    Args:
        kind: what it does. `key` is a primary key or a unique constraint, `index` an index of whole columns,
            `not-null-check` a check of exactly that, `constraint` any other one, `rows` a change of rows,
            `alter-table` what an ALTER TABLE does beside these.
        table: the parts of the table's name, folded; of the index's for `drop-index`, of the type's for enums.
        columns: the columns that it is about; of an index those that lead it, up to the first expression.
        name: the constraint or the index, the new name, or the enum value as it is written.
        partial: whether an index holds a part of the rows only, or does not find them by equality.
        valid: False for NOT VALID.
        concurrently: whether it says CONCURRENTLY.
        new: whether it is a part of the CREATE TABLE, or of the ADD COLUMN, that makes its column.
        needed: of a column that is added, whether it may not be null and nothing gives it a value in the rows there.
    """

    kind: Kind
    table: tuple[str, ...]
    columns: tuple[str, ...] = ()
    name: str | None = None
    partial: bool = False
    valid: bool = True
    concurrently: bool = False
    new: bool = False
    needed: bool = False

    @property
    def exclusive(self) -> bool:
        """Whether it takes ACCESS EXCLUSIVE on a table that may have been there before."""
        return self.kind in EXCLUSIVE and not self.new
