"""Two servers of different major versions: what the older one cannot tell is no difference.

Both schemas are looked at in one server, the newer one. A dump of the older one could not carry what its version does
not have, and what the newer version does by itself differs from what was done before.
"""

from __future__ import annotations

from collections.abc import Mapping

from erm_alembic.postgres.snapshot import ObjectKey, Snapshot

__all__ = ["as_of_major"]

Properties = Mapping[str, str]
# What everybody may do in the schema `public` of a new database: until PostgreSQL 14, and since.
USUAL_IN_PUBLIC = ("CREATE, USAGE", "USAGE")
PUBLIC = ("grant", "schema public to PUBLIC")


def as_of_major(snapshot: Snapshot, major: int) -> Snapshot:
    """A schema as far as a server of a major version, an older one than it was looked at in, can tell of it.

    Args:
        snapshot: the schema.
        major: the older major version.

    Example:
        >>> key = ("column", "public.users.email")
        >>> named = Snapshot({key: {"type": "text", "not null": "CONSTRAINT must NOT NULL email"}})
        >>> as_of_major(named, 15).objects[key]["not null"], as_of_major(named, 18) == named
        ('NOT NULL', True)
    """
    objects: dict[ObjectKey, Properties] = {}
    for key, properties in snapshot.objects.items():
        told = _told(key, properties, major)
        if told is not None:
            objects[key] = told
    return Snapshot(objects, {key: parent for key, parent in snapshot.parents.items() if key in objects})


def _told(key: ObjectKey, properties: Properties, major: int) -> Properties | None:
    """An object as of a major version; None where that does not have it."""
    kind = key[0]
    if kind == "column" and major < 18:
        return _unnamed(properties)
    if kind == "domain" and major < 17:
        return _unnamed(properties)
    if kind == "sequence" and major < 15:
        # One that belongs to a column of an unlogged table is unlogged since.
        return _without(properties, "persistence")
    if kind == "range-type" and major < 14:
        return _without(properties, "multirange")
    if key == PUBLIC and major < 15 and properties.get("privileges") in USUAL_IN_PUBLIC:
        return None
    if kind in ("grant", "default-privileges") and major < 17:
        return _without_maintain(properties)
    return properties


def _unnamed(properties: Properties) -> Properties:
    """Not-null constraints have names, and comments, since PostgreSQL 18, those of domains since 17."""
    said = properties.get("not null")
    if said is None or said == "NOT NULL":
        return _without(properties, "comment of not null")
    rest = "".join(words for words in (" NO INHERIT", " NOT VALID") if words in said)
    return {**_without(properties, "comment of not null"), "not null": f"NOT NULL{rest}"}


def _without_maintain(properties: Properties) -> Properties | None:
    """The privilege MAINTAIN came with PostgreSQL 17; GRANT ALL has it since."""
    given = properties["privileges"].split(", ")
    left = [each for each in given if not each.startswith("MAINTAIN")]
    if left == given:
        return properties
    return {**properties, "privileges": ", ".join(left)} if left else None


def _without(properties: Properties, name: str) -> Properties:
    return {each: value for each, value in properties.items() if each != name} if name in properties else properties
