"""Tables in which other tools keep their history: no revision makes them, and nobody means them to be dropped."""

from __future__ import annotations

from collections.abc import Collection

from erm_alembic.drift.scope import schema_of
from erm_alembic.postgres.snapshot import Snapshot

__all__ = ["history_of"]

# The table, what its columns are called, and whose it is. dbmate, and others beside it, keep one column.
KNOWN: tuple[tuple[str, Collection[str], str], ...] = (
    ("schema_migrations", {"version", "dirty"}, "golang-migrate"),
    ("schema_migrations", {"version"}, "dbmate"),
    ("erm_schema_migrations", {"version", "applied_at"}, "erm (Go)"),
)
# A version table of Alembic has one column, whatever the table is called: another history of the same database.
ALEMBIC = ("version_num", "character varying(")


def history_of(table: str, snapshot: Snapshot) -> str | None:
    """The tool that keeps its history in a table; None where that is none's.

    Args:
        table: its name with its schema, quoted where it must be.
        snapshot: the schema that it is a part of.

    Example:
        >>> columns = {("column", f"app.schema_migrations.{name}"): {"type": "bigint"} for name in ("version", "dirty")}
        >>> snapshot = Snapshot({("table", "app.schema_migrations"): {}, **columns})
        >>> history_of("app.schema_migrations", snapshot)
        'golang-migrate'
    """
    name = table[len(schema_of(table)) + 1 :]
    columns = {
        each.removeprefix(f"{table}."): properties
        for (kind, each), properties in snapshot.objects.items()
        if kind == "column" and each.startswith(f"{table}.")
    }
    for known, of, tool in KNOWN:
        if name == known and columns.keys() == of:
            return tool
    (only, text) = ALEMBIC
    if columns.keys() == {only} and columns[only].get("type", "").startswith(text):
        return "Alembic"
    return None
