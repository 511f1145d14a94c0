"""What of a database another history makes: a tenant's schema has a version table, and revisions, of its own."""

from __future__ import annotations

from erm_alembic.postgres.snapshot import Snapshot

__all__ = ["others_left_out", "schema_of"]

SCHEMA = "schema"


def others_left_out(found: Snapshot, expected: Snapshot, version_table: str) -> Snapshot:
    """A database without the schemas that have a version table of their own, and which this history does not make.

    Args:
        found: the database.
        expected: what this history makes.
        version_table: this history's version table, with its schema.
    """
    own = schema_of(version_table)
    name = version_table[len(own) :]
    tables = [table for kind, table in found.objects if kind == "table" and table.endswith(name)]
    # A bare schema may be there because it was given to the shadow.
    made = {schema_of(each) for kind, each in expected.objects if kind != SCHEMA}
    others = {schema_of(table) for table in tables if table == f"{schema_of(table)}{name}"} - made - {own}
    if not others:
        return found
    bare = {key for key in expected.objects if key[0] == SCHEMA}
    kept = {key: value for key, value in found.objects.items() if schema_of(key[1]) not in others or key in bare}
    return Snapshot(kept, {key: parent for key, parent in found.parents.items() if key in kept})


def schema_of(name: str) -> str:
    """The first part of a name, quoted as it stands there: the schema of what is in one.

    Args:
        name: the name of an object.

    Example:
        >>> schema_of('public.users.email'), schema_of('"Odd.one".users'), schema_of("app")
        ('public', '"Odd.one"', 'app')
    """
    if not name.startswith('"'):
        return name.partition(".")[0]
    place = 1
    while (place := name.find('"', place)) != -1:
        if name[place : place + 2] != '""':
            return name[: place + 1]
        place += 2
    return name
