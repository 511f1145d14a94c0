"""What a rehearsal has shown, kept in a private file: the same plan is not rehearsed again.

The name of the file is the hash of what is known beforehand; what else was read is compared each time, as for a
template. The texts of statements are in it, as in a plan; no values are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from erm_alembic.revisions.cache.place import is_off, prune_kept, read_kept, write_kept
from erm_alembic.shadow.recipe import Made, hashed_files

__all__ = ["KeptRehearsal", "keep_rehearsal", "kept_rehearsal"]

PREFIX = "rehearsal-"
MOST_KEPT = 12


@dataclass(frozen=True)
class KeptRehearsal:
    """What the child told of a rehearsal.

    Args:
        events: all of it.
        notes: what was not as on the target, for a human.
    """

    events: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = ()


def kept_rehearsal(root: Path, key: str, is_current: Callable[[Made], bool]) -> KeptRehearsal | None:
    """The rehearsal that was kept under a key; None where there is none that can be trusted.

    Args:
        root: the project's folder.
        key: the hash of what it was made of, hexadecimal.
        is_current: whether what else it was made of is still the same.
    """
    content = None if is_off() else read_kept(root, _name(key))
    try:
        told = json.loads(content or b"null")
        made = None if told is None else Made.from_json(told["made"])
        if made is None or not is_current(made):
            return None
        return KeptRehearsal(tuple(told["events"]), tuple(told["notes"]))
    except (ValueError, KeyError, TypeError):
        return None


def keep_rehearsal(root: Path, key: str, found: KeptRehearsal, made: Made) -> None:
    """Keep what a rehearsal has shown; where that is not possible, nothing happens.

    Args:
        root: the project's folder.
        key: the hash of what it was made of.
        found: what it has shown.
        made: what its scratch database was made of.
    """
    if is_off():
        return
    read = [path for event in found.events if event["event"] == "read" for path in event["paths"]]
    everything = replace(made, files={**made.files, **hashed_files(root, read)})
    told = {"made": everything.to_json(), "events": list(found.events), "notes": list(found.notes)}
    if write_kept(root, _name(key), json.dumps(told).encode()):
        prune_kept(root, PREFIX, MOST_KEPT)


def _name(key: str) -> str:
    return f"{PREFIX}{key[:24]}.json"
