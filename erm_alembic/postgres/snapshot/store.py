"""A snapshot as JSON, for caches."""

from __future__ import annotations

import json
from typing import Any

from erm_alembic.postgres.snapshot.model import ObjectKey, Snapshot

__all__ = ["snapshot_from_json", "snapshot_to_json"]

# Another number for another shape: what an older erm has kept is taken again.
SHAPE = 1


def snapshot_to_json(snapshot: Snapshot) -> str:
    """A snapshot as text that `snapshot_from_json` reads again.

    Example:
        >>> snapshot = Snapshot({("table", "public.users"): {"persistence": "logged"}})
        >>> snapshot_from_json(snapshot_to_json(snapshot)) == snapshot
        True
    """
    tables: list[dict[str, str]] = []
    numbers: dict[tuple[tuple[str, str], ...], int] = {}
    rows: list[list[Any]] = []
    for (kind, name), properties in snapshot.objects.items():
        content = tuple(properties.items())
        if content not in numbers:
            numbers[content] = len(tables)
            tables.append(dict(properties))
        rows.append([kind, name, numbers[content], *snapshot.parents.get((kind, name), ())])
    return json.dumps({"shape": SHAPE, "properties": tables, "objects": rows}, ensure_ascii=False)


def snapshot_from_json(text: str) -> Snapshot | None:
    """The snapshot that a text holds; None when another version of erm wrote it.

    Args:
        text: what `snapshot_to_json` gave.

    Raises:
        ValueError: the text is damaged.
    """
    held = json.loads(text)
    if held.get("shape") != SHAPE:
        return None
    objects: dict[ObjectKey, dict[str, str]] = {}
    parents: dict[ObjectKey, ObjectKey] = {}
    for kind, name, number, *parent in held["objects"]:
        objects[kind, name] = held["properties"][number]
        if parent:
            parents[kind, name] = (parent[0], parent[1])
    return Snapshot(objects, parents)
