"""What each of the ledger's tables takes of the role that writes it, and of one that only reads."""

from __future__ import annotations

from erm_alembic.ledger.tables import TABLES

__all__ = ["READING", "writing"]

READING = ("SELECT",)
# What the statements of this package do to a table; to any other one, rows are read and added.
CHANGED = {
    "run": ("UPDATE",),
    "progress": ("UPDATE", "DELETE"),
    "backup": ("UPDATE",),
    "release": ("UPDATE",),
    "release_stage": ("UPDATE",),
}


def writing() -> dict[str, tuple[str, ...]]:
    """The privileges that writing the ledger takes, by table.

    Example:
        >>> writing()["run"]
        ('SELECT', 'INSERT', 'UPDATE')
    """
    return {table: ("SELECT", "INSERT", *CHANGED.get(table, ())) for table in TABLES}
