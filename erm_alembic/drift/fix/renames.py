"""What has only another name is renamed, with everything in it: never dropped and made anew."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from erm_alembic.drift.fix.change import Change, Sides, only_if, remark, words_of
from erm_alembic.drift.fix.columns import renamed as renamed_column
from erm_alembic.drift.scope import schema_of
from erm_alembic.postgres.existence import constraint_exists, relation_is
from erm_alembic.postgres.snapshot import Difference, ObjectKey, Snapshot, differences
from erm_alembic.postgres.text.lexer import Token, tokens

__all__ = ["Named", "with_names"]

RELATIONS = ("table", "partition", "foreign-table", "view", "materialized-view", "sequence")
TABLES = ("table", "partition", "foreign-table")
# What a name in it means is for whoever wrote it: the server does not change it when something is renamed.
FREE_TEXT = ("comment",)
FREE_KINDS = ("function", "procedure")


@dataclass(frozen=True)
class Named:
    """What is left to do once everything has its name.

    Args:
        statements: those that give the names.
        in_the_way: relations that have a name which another one gets: they are dropped before.
        told: what differs then.
        sides: both schemas then.
        unclear: tables that may be another one by another name, but nobody knows which: they are not dropped with rows.
    """

    statements: tuple[str, ...]
    in_the_way: tuple[ObjectKey, ...]
    told: tuple[Difference, ...]
    sides: Sides
    unclear: frozenset[ObjectKey] = frozenset()


@dataclass(frozen=True)
class _Renaming:
    """One object that gets another name."""

    statement: str
    have: ObjectKey
    wanted: ObjectKey


def with_names(told: Iterable[Difference], sides: Sides) -> Named:
    """Find what has only another name.

    Args:
        told: what differs, as `differences(wanted, have)` tells it.
        sides: both schemas.
    """
    told = tuple(told)
    left = {*differences(sides.wanted, sides.have)} - {*told}
    spared = {(each.kind, each.object, each.property) for each in left}
    statements: list[str] = []
    in_the_way: list[ObjectKey] = []
    for find in (_tables, _columns, _constraints, _sequences, _indexes):
        found = list(_matched(find, told, sides))
        for renaming in found:
            if renaming.wanted[0] in TABLES:
                in_the_way += _relations_of(sides.have, renaming.wanted[1])
        if found:
            sides = _renamed(sides, found, in_the_way)
            statements += [each.statement for each in found]
            told = tuple(
                each
                for each in differences(sides.wanted, sides.have)
                if (each.kind, each.object, each.property) not in spared
            )
    unclear = frozenset((other.kind, other.name) for _, other, _ in _pairs(_tables, told, sides))
    return Named(tuple(statements), tuple(in_the_way), told, sides, unclear)


Find = Callable[[Change, Change], str | None]


def _pairs(find: Find, told: Collection[Difference], sides: Sides) -> list[tuple[Change, Change, str]]:
    """What is missing and what is too much, where each may be the other, with the statement that renames it."""
    missing = [_change(each, sides) for each in told if each.found is None or each.property == "kind"]
    extra = [_change(each, sides) for each in told if each.expected is None]
    # A relation of another kind has its name now.
    for each in told:
        if each.property == "kind":
            others = (key for key in _relations_of(sides.have, each.object) if key not in sides.wanted.objects)
            extra += [Change(*key, {}, sides.have.objects[key], sides) for key in others]
    return [
        (one, other, statement)
        for one in missing
        for other in extra
        if one.kind == other.kind and (statement := find(one, other))
    ]


def _matched(find: Find, told: Collection[Difference], sides: Sides) -> Iterator[_Renaming]:
    """Those of them where each is like the other and like no third one."""
    pairs = _pairs(find, told, sides)
    for one, other, statement in pairs:
        alone = sum(one is each[0] or other is each[1] for each in pairs) == 1
        first = next(each for each in pairs if one is each[0] or other is each[1])
        if alone or (one.kind not in TABLES and first[0] is one and first[1] is other):
            yield _Renaming(statement, (other.kind, other.name), (one.kind, one.name))


def _change(difference: Difference, sides: Sides) -> Change:
    key = (difference.kind, difference.object)
    return Change(*key, sides.wanted.objects.get(key, {}), sides.have.objects.get(key, {}), sides)


def _tables(wanted: Change, have: Change) -> str | None:
    if wanted.kind not in TABLES or not (columns := _types(wanted, wanted.sides.wanted)):
        return None
    others = _types(have, have.sides.have)
    if columns != others:
        # Some columns may have other names too.
        common = len(columns.keys() & others.keys())
        if list(columns.values()) != list(others.values()) or common * 2 < len(columns):
            return None
    schemas = schema_of(wanted.name), schema_of(have.name)
    names = wanted.name.removeprefix(f"{schemas[0]}."), have.name.removeprefix(f"{schemas[1]}.")
    alter = f"ALTER {words_of(wanted.kind)} {have.name}"
    there = relation_is(have.name, "r", "p", "f")
    if schemas[0] == schemas[1]:
        return only_if(there, f"{alter} RENAME TO {names[0]}")
    return only_if(there, f"{alter} SET SCHEMA {schemas[0]}") if names[0] == names[1] else None


def _types(table: Change, snapshot: Snapshot) -> Mapping[str, str]:
    """The columns of a table in their order, and their types."""
    key = (table.kind, table.name)
    found = [
        (int(properties.get("position", "0")), name.removeprefix(f"{table.name}."), properties.get("type", ""))
        for (kind, name), properties in snapshot.objects.items()
        if kind == "column" and snapshot.parents.get((kind, name)) == key
    ]
    return {name: of_type for _, name, of_type in sorted(found)}


def _columns(wanted: Change, have: Change) -> str | None:
    if wanted.kind != "column" or (statement := renamed_column(wanted, have)) is None:
        return None
    follows = wanted.wanted.get("inherited") == "only"
    return remark(f"{have.name} is renamed with its parent's column.") if follows else statement


def _constraints(wanted: Change, have: Change) -> str | None:
    if wanted.kind != "constraint" or wanted.parent != have.parent or wanted.parent[0] == "domain":
        return None
    if {**wanted.wanted, "comment": ""} != {**have.have, "comment": ""} or wanted.wanted.get("inherited") == "only":
        return None
    table = wanted.parent[1]
    rename = f"ALTER TABLE {table} RENAME CONSTRAINT {have.own_name} TO {wanted.own_name}"
    return only_if(constraint_exists(table, have.own_name), rename)


def _sequences(wanted: Change, have: Change) -> str | None:
    return _of_relation(wanted, have, "S") if wanted.kind == "sequence" and "owned by" in wanted.wanted else None


def _indexes(wanted: Change, have: Change) -> str | None:
    if wanted.kind != "index" or wanted.parent != have.parent or wanted.parent[0] == "constraint":
        return None
    return _of_relation(wanted, have, "i", "I")


def _of_relation(wanted: Change, have: Change, *relkinds: str) -> str | None:
    schema = schema_of(wanted.name)
    if schema_of(have.name) != schema:
        return None
    name, before = wanted.name.removeprefix(f"{schema}."), have.name.removeprefix(f"{schema}.")
    names = {(_bare(before), _bare(name))}
    others = {key: value for key, value in have.have.items() if key != "comment"}
    shall = {key: value for key, value in wanted.wanted.items() if key != "comment"}
    if others.keys() != shall.keys() or not all(_alike(others[key], shall[key], names) for key in shall):
        return None
    rename = f"ALTER {words_of(wanted.kind)} {have.name} RENAME TO {name}"
    return only_if(relation_is(have.name, *relkinds), rename)


def _relations_of(snapshot: Snapshot, name: str) -> Iterator[ObjectKey]:
    yield from ((kind, name) for kind in RELATIONS if (kind, name) in snapshot.objects)


def _renamed(sides: Sides, renamings: Iterable[_Renaming], dropped: Collection[ObjectKey]) -> Sides:
    """Both schemas after it: parts have other names then, and so has what mentions them."""
    have = sides.have
    keys: dict[ObjectKey, ObjectKey] = {}
    gone = {key for key in have.objects if _is_within(key, dropped, have.parents)}
    names: set[tuple[str, str]] = set()
    for renaming in renamings:
        (_, old), (_, new) = renaming.have, renaming.wanted
        names.add((_bare(_last(renaming.have, have)), _bare(_last(renaming.wanted, sides.wanted))))
        names.add((_bare(schema_of(old)), _bare(schema_of(new))))
        for key in have.objects:
            if key not in gone and _is_within(key, (renaming.have,), have.parents):
                keys[key] = (key[0], _with_name(keys.get(key, key)[1], old, new))
                if renaming.have[0] == "constraint" and key[0] == "index":  # it is named as the constraint is
                    keys[key] = (key[0], f"{schema_of(key[1])}.{_last(renaming.wanted, sides.wanted)}")
    objects = {}
    for key, properties in have.objects.items():
        if key not in gone:
            shall = sides.wanted.objects.get(keys.get(key, key), {})
            objects[keys.get(key, key)] = _aligned(key[0], properties, shall, names)
    parents = {keys.get(key, key): keys.get(parent, parent) for key, parent in have.parents.items() if key not in gone}
    dependents = {
        keys.get(key, key): frozenset(keys.get(other, other) for other in others - gone)
        for key, others in sides.dependents.items()
        if key not in gone
    }
    return replace(sides, have=Snapshot(objects, parents), dependents=dependents)


def _is_within(key: ObjectKey, wholes: Collection[ObjectKey], parents: Mapping[ObjectKey, ObjectKey]) -> bool:
    at: ObjectKey | None = key
    while at is not None:
        if at in wholes:
            return True
        at = parents.get(at)
    return False


def _last(key: ObjectKey, snapshot: Snapshot) -> str:
    """The name of an object alone, quoted as it stands there."""
    whole = snapshot.parents.get(key)
    before = whole[1] if key[0] in ("column", "constraint") and whole is not None else schema_of(key[1])
    return key[1].removeprefix(f"{before}.")


def _bare(name: str) -> str:
    """A quoted name as the catalog has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _with_name(name: str, old: str, new: str) -> str:
    """The name of a part, where it has its whole's in it: `public.users.email`, `table public.users to app`."""
    place = name.find(old)
    while place != -1:
        end = place + len(old)
        if (place == 0 or name[place - 1] == " ") and name[end : end + 1] in ("", ".", " "):
            return f"{name[:place]}{new}{name[end:]}"
        place = name.find(old, place + 1)
    return name


def _aligned(
    kind: str, have: Mapping[str, str], wanted: Mapping[str, str], names: Collection[tuple[str, str]]
) -> Mapping[str, str]:
    """Properties with the new names in them, where these are all that they differ in from what is wanted."""
    if kind in FREE_KINDS:
        return have
    return {
        name: wanted[name]
        if name in wanted and name not in FREE_TEXT and value != wanted[name] and _alike(value, wanted[name], names)
        else value
        for name, value in have.items()
    }


def _alike(have: str, wanted: str, names: Collection[tuple[str, str]]) -> bool:
    """Whether two texts of SQL differ in nothing but names."""
    if have == wanted:
        return True
    one, other = list(tokens(have)), list(tokens(wanted))
    if len(one) != len(other):
        return False
    return all(
        _same(first, second, names)
        or (_names_relation(one, place) and _alike(first.text[1:-1], second.text[1:-1], names))
        for place, (first, second) in enumerate(zip(one, other, strict=True))
    )


def _same(one: Token, other: Token, names: Collection[tuple[str, str]]) -> bool:
    if one.text == other.text:
        return True
    spoken = ("word", "quoted")
    return one.kind in spoken and other.kind in spoken and (one.name, other.name) in names


def _names_relation(found: list[Token], place: int) -> bool:
    """Whether it is a string that stands for a relation: `'public.users_id_seq'::regclass`."""
    return found[place].kind == "string" and [each.text for each in found[place + 1 : place + 4]] == [
        ":",
        ":",
        "regclass",
    ]
