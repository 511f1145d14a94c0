"""A schema that has the name of its database in it: what was made in a shadow has the shadow's there."""

from __future__ import annotations

from erm_alembic.postgres.snapshot import Snapshot
from erm_alembic.shadow.rehearsal.places import SCRATCH_NAME

__all__ = ["with_name_of"]


def with_name_of(database: str, made: Snapshot) -> Snapshot:
    """A schema as it would have been made in a database of another name.

    A revision that writes `current_database()` into a comment, a default or a name writes the scratch database's.

    Args:
        database: the name of the target's database.
        made: what was made in a shadow.

    Example:
        >>> key = ("table", "public.things")
        >>> made = Snapshot({key: {"comment": "in erm_shadow_0123456789ab_00c0ffee"}})
        >>> with_name_of("shop", made).objects[key]["comment"]
        'in shop'
    """

    def told(text: str) -> str:
        return SCRATCH_NAME.sub(lambda _: database, text) if "erm_shadow_" in text else text

    objects = {
        (kind, told(name)): {property: told(value) for property, value in properties.items()}
        for (kind, name), properties in made.objects.items()
    }
    parents = {(kind, told(name)): (other, told(whole)) for (kind, name), (other, whole) in made.parents.items()}
    return Snapshot(objects, parents)
