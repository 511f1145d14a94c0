"""Which data is to be put back: what the run that a backup guarded was to lose, and what is named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from erm_alembic.backup.manifest import Manifest
from erm_alembic.errors import BackupError
from erm_alembic.postgres.text.words import name_parts, written_name
from erm_alembic.spelling import nearest

__all__ = ["WantedTable", "wanted_tables"]

NOTHING = "Nothing was changed."


@dataclass
class WantedTable:
    """A table that data is put back into.

    Args:
        table: its name with its schema, quoted where it must be.
        columns: the columns whose values are put back, unquoted.
        rows: whether rows that are not there any more are put back whole.
    """

    table: str
    columns: list[str] = field(default_factory=list)
    rows: bool = False


def wanted_tables(manifest: Manifest, names: Iterable[str], *, lost: bool) -> tuple[tuple[WantedTable, ...], list[str]]:
    """What is to be put back, table by table.

    Args:
        manifest: what stands beside the backup.
        names: tables and columns that the user names.
        lost: whether what the run was to lose is meant too.

    Returns:
        The tables, and what is to be known of what cannot be put back.

    Raises:
        BackupError: nothing is, or the backup does not have what is named.
    """
    found: dict[str, WantedTable] = {}
    notes: list[str] = []
    for risk in manifest.backup.at_risk if lost else ():
        if risk.table is None:
            notes.append(
                f"What `{risk.object} ...` has lost cannot be told; --data NAME puts a table or a column back."
            )
        elif risk.column is not None:
            _add(manifest, found, risk.table, name_parts(risk.column)[0])
        elif risk.kind != "rewrite":  # a table that was written anew has its rows
            _add(manifest, found, risk.table, None)
    for name in names:
        _add(manifest, found, *_named(manifest, name))
    if found:
        return tuple(found.values()), notes
    if lost and not manifest.backup.at_risk:
        raise BackupError(
            f"Of {manifest.backup.id} it is not known that it guards a run that was to lose something.",
            effect=NOTHING,
            cure="Name what is to be put back: --data public.users.email, or --data public.users.",
        )
    raise BackupError(
        "There is nothing that could be put back.", effect=NOTHING, cure=" ".join(notes) or "Name it: --data NAME."
    )


def _add(manifest: Manifest, found: dict[str, WantedTable], table: str, column: str | None) -> None:
    """A table or a column, and the heirs of it; the rows of a partitioned one are its own."""
    for each in (table, *_heirs(manifest, table)):
        if column is not None and column not in manifest.columns.get(each, {column: ""}):
            continue
        wanted = found.setdefault(each, WantedTable(each))
        if column is None:
            wanted.rows = True
        elif column not in wanted.columns:
            wanted.columns.append(column)


def _heirs(manifest: Manifest, table: str) -> tuple[str, ...]:
    return manifest.parts.get(table, ()) if table in manifest.rows else ()


def _named(manifest: Manifest, name: str) -> tuple[str, str | None]:
    """The table and the column that a user means; a schema may be left out where only one table is meant then."""
    parts = name_parts(name)
    for column in (None, parts[-1]) if len(parts) > 1 else (None,):
        table = parts if column is None else parts[:-1]
        tables = [each for each in manifest.columns if name_parts(each)[-len(table) :] == table]
        if len(tables) > 1:
            raise BackupError(
                f"{name} could be {', '.join(sorted(tables)[:4])}.", effect=NOTHING, cure="Name its schema too."
            )
        if tables and (column is None or column in manifest.columns[tables[0]]):
            return tables[0], column
    columns = [(*name_parts(table), column) for table, found in manifest.columns.items() for column in found]
    whole = [*map(name_parts, manifest.columns), *columns]
    known = [written_name(each) for each in (*whole, *(each[1:] for each in whole))]
    near = nearest(name, known)
    raise BackupError(
        f"{manifest.backup.id} has no {name}" + (f"; {near} is close to it." if near else "."),
        effect=NOTHING,
        cure="Name a table or a column as the database had it then: SCHEMA.TABLE or SCHEMA.TABLE.COLUMN.",
    )
