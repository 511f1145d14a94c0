"""The catalog of a replayed history, kept in a private file: a drift check of an unchanged project needs no server.

The file's name is the hash of the recipe. What else the replay has read is compared each time, as for a template.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.postgres.catalog import session_role
from erm_alembic.postgres.snapshot import (
    Snapshot,
    catalog_fingerprint,
    snapshot_from_json,
    snapshot_to_json,
    take_snapshot,
)
from erm_alembic.revisions.cache.place import is_off, prune_kept, read_kept, write_kept
from erm_alembic.shadow.recipe import Made, Recipe, told_apart
from erm_alembic.shadow.server import connected

__all__ = ["CatalogAt", "catalog_key", "keep_catalog", "kept_catalog", "read_catalog"]

PREFIX = "catalog-"
# Each is two files. A project is looked at where its databases stand, and at its heads.
MOST_KEPT = 12


@dataclass(frozen=True)
class CatalogAt:
    """The catalog of a scratch database, as it was when its history had been replayed.

    Args:
        fingerprint: what `catalog_fingerprint` gave.
        role: the role that has replayed it, quoted where it must be.
        version: the version of the shadow's server.
        notes: what is not as on the target, for a human.
    """

    fingerprint: str
    role: str
    version: str
    notes: tuple[str, ...] = ()
    _read: Callable[[], Snapshot] = field(repr=False, compare=False, default=lambda: Snapshot({}))

    @cached_property
    def snapshot(self) -> Snapshot:
        """All of it; read when it is asked for, which an equal fingerprint spares."""
        return self._read()


def catalog_key(recipe: Recipe, leave_out: Collection[str], leave_out_tables: Collection[str]) -> str:
    """What the catalog of a scratch database is kept under.

    Args:
        recipe: what decides what it is, as far as that is known beforehand.
        leave_out: names of schemas that do not count, unquoted.
        leave_out_tables: names of tables that do not count.
    """
    return told_apart([recipe.key, sorted(leave_out), sorted(leave_out_tables)])[:24]


def read_catalog(
    address: str,
    version: str,
    notes: tuple[str, ...],
    leave_out: Collection[str],
    leave_out_tables: Collection[str],
) -> CatalogAt:
    """Read the catalog of a scratch database.

    Args:
        address: its address.
        version: the version of its server.
        notes: what is not as on the target, for a human.
        leave_out: names of schemas that do not count, unquoted.
        leave_out_tables: names of tables that do not count, with their schema and quoted where they must be.

    Raises:
        ShadowUnavailable: its server is gone.
    """
    with (
        contextlib.closing(connected(address)) as connection,
        connection.cursor(cursor_factory=PlainCursor) as cursor,
    ):
        role = session_role(cursor)
        connection.rollback()
        fingerprint = catalog_fingerprint(cursor, leave_out, leave_out_tables)
        connection.rollback()
        snapshot = take_snapshot(cursor, leave_out, leave_out_tables)
    return CatalogAt(fingerprint, role, version, notes, lambda: snapshot)


def kept_catalog(root: Path, key: str, is_current: Callable[[Made], bool]) -> CatalogAt | None:
    """The catalog that was kept under a key; None where there is none that can be trusted.

    Args:
        root: the project's folder.
        key: hexadecimal digits: the recipe, and what is left out.
        is_current: whether what it was made of is still the same.
    """
    if is_off():
        return None
    content = read_kept(root, f"{PREFIX}{key}.json")
    try:
        if content is None:
            return None
        told = json.loads(content)
        made = Made.from_json(told["made"])
        if made is None or not is_current(made):
            return None
        rows = read_kept(root, f"{PREFIX}{key}-rows.json")
        if rows is None:
            return None

        def read() -> Snapshot:
            snapshot = snapshot_from_json(rows.decode("utf-8", "surrogatepass"))
            return snapshot if snapshot is not None else Snapshot({})

        return CatalogAt(told["fingerprint"], told["role"], told["version"], tuple(told["notes"]), read)
    except (ValueError, KeyError, TypeError):
        return None


def keep_catalog(root: Path, key: str, catalog: CatalogAt, made: Made) -> None:
    """Keep a catalog; where that is not possible, nothing happens.

    Args:
        root: the project's folder.
        key: hexadecimal digits: the recipe, and what is left out.
        catalog: what is to be kept.
        made: what it was made of.
    """
    if is_off():
        return
    rows = snapshot_to_json(catalog.snapshot).encode("utf-8", "surrogatepass")
    told = {
        "made": made.to_json(),
        "fingerprint": catalog.fingerprint,
        "role": catalog.role,
        "version": catalog.version,
        "notes": catalog.notes,
    }
    # In this order: what is found first is whole.
    if write_kept(root, f"{PREFIX}{key}-rows.json", rows):
        write_kept(root, f"{PREFIX}{key}.json", json.dumps(told).encode("utf-8"))
        prune_kept(root, PREFIX, 2 * MOST_KEPT)
