"""Roles that stand for each other: whoever migrates the live database, and whoever replays its history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from erm_alembic.postgres.snapshot import ObjectKey, Snapshot

__all__ = ["as_if_migrated_by", "most_common_owner"]

OWNER = "owner"
DEFAULTS = "default-privileges"


def as_if_migrated_by(replayer: str, expected: Snapshot, found: Snapshot) -> Snapshot:
    """What a history makes, as if the role had run it that most of the live database's objects belong to.

    The history itself says nothing of whoever runs it. What belongs to another role than the most of them shows still,
    and so does what a revision gave to somebody by name.

    Args:
        replayer: the role that replayed the history, quoted where it must be.
        expected: what the history makes in the shadow.
        found: the live database.

    Example:
        >>> key = ("owner", "table public.users")
        >>> expected, found = Snapshot({key: {"owner": "postgres"}}), Snapshot({key: {"owner": "deployer"}})
        >>> as_if_migrated_by("postgres", expected, found).objects[key]
        {'owner': 'deployer'}
    """
    owned = [key for key, value in expected.objects.items() if key[0] == OWNER and value.get(OWNER) == replayer]
    owners = Counter(found.objects[key][OWNER] for key in owned if key in found.objects)
    if not owners or (migrator := owners.most_common(1)[0][0]) == replayer:
        return expected
    renamed = {key: _renamed(key, replayer, migrator) for key in expected.objects if key[0] == DEFAULTS}
    objects: dict[ObjectKey, Mapping[str, str]] = {
        renamed.get(key, key): {OWNER: migrator} if key[0] == OWNER and value.get(OWNER) == replayer else value
        for key, value in expected.objects.items()
    }
    return Snapshot(objects, {renamed.get(key, key): parent for key, parent in expected.parents.items()})


def most_common_owner(snapshot: Snapshot) -> str:
    """The role that the most objects belong to; empty where nothing belongs to anybody.

    Args:
        snapshot: a database.
    """
    owners = Counter(value[OWNER] for key, value in snapshot.objects.items() if key[0] == OWNER)
    return owners.most_common(1)[0][0] if owners else ""


def _renamed(key: ObjectKey, replayer: str, migrator: str) -> ObjectKey:
    """Default privileges are of the role that makes the objects."""
    beginning = f"of {replayer} "
    return (key[0], f"of {migrator} {key[1][len(beginning) :]}") if key[1].startswith(beginning) else key
