"""What differs between two snapshots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from erm_alembic.postgres.snapshot.model import KINDS, Difference, ObjectKey, Snapshot

__all__ = ["differences", "seen_from_the_other_side"]

# These share one namespace: a table in the place of a view is one difference, not two.
RELATIONS = ("table", "partition", "foreign-table", "view", "materialized-view", "sequence")
# Of the column; compared for the table as a whole, since one column that is gone moves all that follow.
POSITION = "position"
# A materialised view that somebody has filled since has other data, not another schema.
FILLED = ("populated", "yes")
# What needs no telling of an object that is absent, or not expected, as a whole.
USUAL = {
    "persistence": "logged",
    "access method": "heap",
    "replica identity": "default",
    "row security": "disabled",
    "valid": "yes",
    "clustered": "no",
    "cycle": "no",
    "populated": "yes",
}
# These say what they are by themselves.
PLAIN = frozenset({"definition", "not null", "privileges", "type"})
# How it is put that a property is not set, where "no ..." would not do.
UNSET = {
    "not null": "nullable",
    "collation": "collation: that of its type",
    "storage": "storage: that of its type",
    "compression": "compression: the default",
    "statistics target": "statistics target: the default",
    "target": "target: the default",
    "tablespace": "tablespace: the default",
    "triggers": "triggers: on",
    "filter": "all rows",
    "columns": "all columns",
}
ORDER = {kind.name: number for number, kind in enumerate(KINDS)}


def differences(
    expected: Snapshot, found: Snapshot, *, column_order: bool = True, filling: bool = True
) -> tuple[Difference, ...]:
    """What of one snapshot is otherwise in another: one difference for each object and property.

    An object that is absent is one difference: its parts (a table's columns and indexes, its owner and grants) are not
    told besides.

    Args:
        expected: how it should be.
        found: how it is.
        column_order: whether the order of a table's columns counts.
        filling: whether it counts that a materialised view is empty which was expected to be filled; a schema that was
            dumped without its rows and loaded again has empty ones only.

    Example:
        >>> table = ("table", "public.users")
        >>> expected = Snapshot({table: {"persistence": "logged"}})
        >>> for one in differences(expected, Snapshot({table: {"persistence": "unlogged"}})):
        ...     print(one.kind, one.object, "|", one.expected, "|", one.found)
        table public.users | persistence: logged | persistence: unlogged
    """
    missing = expected.objects.keys() - found.objects.keys()
    extra = found.objects.keys() - expected.objects.keys()
    turned = _turned(missing, extra)
    told = list(dict.fromkeys(turned.values()))
    gone = {*missing, *extra}
    for key in gone - turned.keys():
        # Everything has an owner; that of a sequence is told where the sequence belongs to no column.
        if key[0] != "owner" and not _within(key, gone, expected.parents, found.parents):
            told.append(_absent(key, expected, found))
    for key, properties in expected.objects.items():
        others = found.objects.get(key)
        if others is None or others is properties or others == properties:
            continue
        if not _within(key, gone, expected.parents, found.parents):
            told.extend(_of_properties(key, properties, others))
    told = [one for one in told if not _follows(one, expected, found) and (filling or one.property != FILLED[0])]
    if column_order:
        told.extend(_of_order(expected, found))
    return tuple(sorted(told, key=lambda one: (ORDER.get(one.kind, len(ORDER)), one.object, one.property)))


def _turned(missing: set[ObjectKey], extra: set[ObjectKey]) -> dict[ObjectKey, Difference]:
    """The relations that are of another kind than expected, under both of their keys."""
    now = {name: kind for kind, name in extra if kind in RELATIONS}
    turned: dict[ObjectKey, Difference] = {}
    for kind, name in missing:
        if kind in RELATIONS and name in now:
            told = Difference(kind, name, _words(kind), _words(now[name]), "kind")
            turned[kind, name] = told
            turned[now[name], name] = told
    return turned


def _within(key: ObjectKey, gone: set[ObjectKey], *parents: Mapping[ObjectKey, ObjectKey]) -> bool:
    """Whether an object is a part of one that is absent, or not expected, as a whole."""
    for of in parents:
        parent = of.get(key)
        while parent is not None:
            if parent in gone:
                return True
            parent = of.get(parent)
    return False


def _follows(one: Difference, expected: Snapshot, found: Snapshot) -> bool:
    """Whether an index only has another definition because the constraint that it serves has one."""
    constraint = expected.parents.get((one.kind, one.object))
    if one.kind != "index" or one.property != "definition" or constraint is None or constraint[0] != "constraint":
        return False
    was, now = expected.objects.get(constraint, {}), found.objects.get(constraint, {})
    return was.get("definition") != now.get("definition")


def _absent(key: ObjectKey, expected: Snapshot, found: Snapshot) -> Difference:
    kind, name = key
    if key in expected.objects:
        return Difference(kind, name, _whole(kind, expected.objects[key]), None)
    return Difference(kind, name, None, _whole(kind, found.objects[key]))


def _whole(kind: str, properties: Mapping[str, str]) -> str:
    """An object in words."""
    told = [
        value if name in PLAIN else f"{name}: {value}"
        for name, value in properties.items()
        if name != POSITION and USUAL.get(name) != value
    ]
    return "; ".join(told) or _words(kind)


def _words(kind: str) -> str:
    return kind.replace("-", " ")


def _of_properties(key: ObjectKey, expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Difference]:
    kind, name = key
    for property in {**expected, **found}:
        value = found.get(property)
        if property != POSITION and (property, value) != FILLED and expected.get(property) != value:
            yield Difference(kind, name, _told(property, expected), _told(property, found), property)


def _told(property: str, properties: Mapping[str, str]) -> str:
    value = properties.get(property)
    if value is None:
        return UNSET.get(property, f"no {property}")
    return value if property in PLAIN else f"{property}: {value}"


def _of_order(expected: Snapshot, found: Snapshot) -> Iterator[Difference]:
    """The tables whose columns, as far as both have them, stand in another order."""
    moved = {
        expected.parents[key]
        for key, properties in expected.objects.items()
        if POSITION in properties and properties[POSITION] != found.objects.get(key, {}).get(POSITION)
    }
    if not moved:
        return
    before, after = _columns(expected, moved), _columns(found, moved)
    for table in moved:
        common = set(before[table]) & set(after[table])
        was, now = ([name for name in columns[table] if name in common] for columns in (before, after))
        if was != now:
            yield Difference("column-order", table[1], _listed(table, was), _listed(table, now), "order")


def _listed(table: ObjectKey, columns: list[str]) -> str:
    return ", ".join(column.removeprefix(f"{table[1]}.") for column in columns)


def _columns(snapshot: Snapshot, tables: set[ObjectKey]) -> Mapping[ObjectKey, list[str]]:
    """The columns of tables in their order."""
    placed: dict[ObjectKey, list[tuple[int, str]]] = defaultdict(list)
    for key, properties in snapshot.objects.items():
        table = snapshot.parents.get(key)
        if table in tables and POSITION in properties:
            placed[table].append((int(properties[POSITION]), key[1]))
    return defaultdict(list, {table: [name for _, name in sorted(columns)] for table, columns in placed.items()})


def seen_from_the_other_side(taken: Collection[Difference], expected: Snapshot, found: Snapshot) -> list[Difference]:
    """The same differences, seen from the other side; a relation of another kind has the kind that is wanted.

    Args:
        taken: differences of the one from the other.
        expected: how it should be.
        found: how it is.
    """
    subjects = {("" if each.property == "kind" else each.kind, each.object, each.property) for each in taken}
    return [
        each
        for each in differences(found, expected)
        if ("" if each.property == "kind" else each.kind, each.object, each.property) in subjects
    ]
