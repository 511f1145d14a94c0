"""All of a way out: which objects are dropped, changed and made, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from erm_alembic.drift.fix.change import REMARK, Change, Sides, Writer, only_if, only_if_steadily, remark
from erm_alembic.drift.fix.columns import COLUMN, column_settings, sequence_options
from erm_alembic.drift.fix.obstacles import obstacles, remade
from erm_alembic.drift.fix.others import EVENT_TRIGGER, EXTENSION_DEPENDENCY, OTHER, SECURITY_LABEL
from erm_alembic.drift.fix.parts import CONSTRAINT, INDEX, POLICY, RULE, STATISTICS, TRIGGER, of_other_definition
from erm_alembic.drift.fix.relations import MATERIALIZED_VIEW, SEQUENCE, TABLE, VIEW
from erm_alembic.drift.fix.renames import Named, with_names
from erm_alembic.drift.fix.rights import (
    DEFAULT_PRIVILEGES,
    GRANT,
    OWNER,
    PUBLICATION,
    PUBLISHED_SCHEMA,
    PUBLISHED_TABLE,
)
from erm_alembic.drift.fix.types import COMPOSITE, DOMAIN, ENUM, EXTENSION, RANGE, ROUTINE, SCHEMA
from erm_alembic.postgres.existence import relation_is
from erm_alembic.postgres.snapshot import Difference, ObjectKey, belongs_to_environment
from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["WRITERS", "is_remark", "statements"]

# In the order in which objects are made; they are dropped in the opposite one.
WRITERS: tuple[tuple[str, Writer], ...] = (
    ("schema", SCHEMA),
    ("extension", EXTENSION),
    ("enum", ENUM),
    ("domain", DOMAIN),
    ("composite-type", COMPOSITE),
    ("range-type", RANGE),
    ("sequence", SEQUENCE),
    ("function", ROUTINE),
    ("procedure", ROUTINE),
    ("table", TABLE),
    ("foreign-table", TABLE),
    ("partition", TABLE),
    ("column", COLUMN),
    ("view", VIEW),
    ("materialized-view", MATERIALIZED_VIEW),
    ("constraint", CONSTRAINT),
    ("index", INDEX),
    ("statistics", STATISTICS),
    ("trigger", TRIGGER),
    ("rule", RULE),
    ("policy", POLICY),
    ("event-trigger", EVENT_TRIGGER),
    ("publication", PUBLICATION),
    ("publication-table", PUBLISHED_TABLE),
    ("publication-schema", PUBLISHED_SCHEMA),
    ("owner", OWNER),
    ("grant", GRANT),
    ("default-privileges", DEFAULT_PRIVILEGES),
    ("security-label", SECURITY_LABEL),
    ("extension-dependency", EXTENSION_DEPENDENCY),
)
PLACE: Mapping[str, int] = {kind: number for number, (kind, _) in enumerate(WRITERS)}
BY_KIND: Mapping[str, Writer] = dict(WRITERS)


def statements(told: Iterable[Difference], sides: Sides) -> tuple[str, ...]:
    """The statements that make one schema like another, without semicolons; remarks begin with two dashes.

    Args:
        told: what differs, as `differences(wanted, have)` tells it.
        sides: both schemas.
    """
    named = with_names(told, sides)
    early = _in_the_way_of_names(named, sides)
    sides = named.sides
    work = _sorted_out(named.told, sides)
    _clear(work, sides)
    lines = [*early, *named.statements, *work.remarks, *_references_of(work.dropped.values())]
    # What hangs on others goes first, what others hang on goes last.
    for change in _ordered(work.dropped.values(), backwards=True):
        if change in work.replaced:
            lines += map(partial(_if_still, change), _writer(change).drop(change))
        elif (change.kind, change.name) in work.conditions:
            lines += _if_in_the_way(change, work.conditions[change.kind, change.name])
        elif change.kind not in BASES:
            lines += _writer(change).drop(change)
    for change in _ordered([*work.made.values(), *work.changed.values()]):
        if (change.kind, change.name) in work.made:
            lines += _writer(change).create(Change(change.kind, change.name, change.wanted, {}, sides))
        else:
            lines += _writer(change).alter(change)
    for column in work.furnished:
        lines += column_settings(column)
    lines += _owned(work.made.values())
    for change in _ordered(work.dropped.values(), backwards=True):
        early_already = change in work.replaced or (change.kind, change.name) in work.conditions
        if change.kind in BASES and not early_already:
            if (change.kind, change.name) in named.unclear:
                lines += [only_if(relation_is(change.name, "r", "p"), _without_rows(change))]
            lines += _writer(change).drop(change)
    return tuple(dict.fromkeys(lines))


def _in_the_way_of_names(named: Named, sides: Sides) -> list[str]:
    """A relation whose name another one gets is dropped first, with what depends on it."""
    dropped = [_change(key, sides) for key in named.in_the_way]
    keys = dict.fromkeys([*named.in_the_way, *(key for key, _ in obstacles((), dropped, sides))])
    found = _ordered([_change(key, sides) for key in keys], backwards=True)
    return [_if_still(change, line) for change in found for line in _writer(change).drop(change)]


def _clear(work: _Work, sides: Sides) -> None:
    """Have what stands in the way dropped before, and made again after, where it shall be there."""
    own = set(work.conditions)
    for key, condition in list(obstacles(work.changed.values(), work.dropped.values(), sides, work.conditions)):
        if key in own:
            continue
        if condition is None or key not in work.conditions:
            work.conditions[key] = [] if condition is None else [condition]
        elif work.conditions[key]:
            work.conditions[key].append(condition)
        work.dropped[key] = _change(key, sides)
    for key in work.conditions.keys() - own:
        if key in sides.wanted.objects:
            work.changed.pop(key, None)
            _make_again(key, sides, work)
            for other in remade(key, sides):
                if other not in work.changed:
                    _make_again(other, sides, work)


def _make_again(key: ObjectKey, sides: Sides, work: _Work) -> None:
    """Make what was dropped only for a while; who may do what with it is the business of an environment."""
    before = set(work.made)
    _with_parts(key, sides, work)
    for part in set(work.made) - before - {key}:
        if part in work.changed:
            work.made[part] = work.changed.pop(part)
        elif belongs_to_environment(part[0]) and not sides.with_rights:
            del work.made[part]
    if not sides.with_rights and key[0] in RELATIONS:
        work.remarks.append(remark(f"{key[1]} is made anew: who made it owns it, and rights on it are given again."))


def _if_in_the_way(change: Change, conditions: list[str]) -> Iterator[str]:
    for line in _writer(change).drop(change):
        if is_remark(line):
            continue  # what it holds is computed
        yield only_if_steadily(" OR ".join(dict.fromkeys(conditions)), line) if conditions else line


@dataclass
class _Work:
    """What is to be done to which objects."""

    dropped: dict[ObjectKey, Change] = field(default_factory=dict)
    made: dict[ObjectKey, Change] = field(default_factory=dict)
    changed: dict[ObjectKey, Change] = field(default_factory=dict)
    furnished: list[Change] = field(default_factory=list)
    replaced: list[Change] = field(default_factory=list)
    # Of what is dropped because it stands in the way: when it does; none for always.
    conditions: dict[ObjectKey, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def _sorted_out(told: Iterable[Difference], sides: Sides) -> _Work:
    work = _Work()
    for each in told:
        key = (each.kind, each.object)
        if key in work.conditions:
            continue
        if each.kind == "column-order":
            order = f"{each.object}: the order of its columns shall be {each.expected}; no statement changes it."
            work.remarks.append(remark(order))
        elif each.property == "kind":
            other = next(kind for kind, name in sides.have.objects if name == each.object and kind in RELATIONS)
            work.dropped[other, each.object] = _change((other, each.object), sides)
            work.replaced.append(work.dropped[other, each.object])
            _with_parts(key, sides, work)
        elif each.expected is None:
            work.dropped[key] = _change(key, sides)
        elif each.found is None:
            _with_parts(key, sides, work)
        elif each.kind == "materialized-view" and each.property == "definition":
            work.dropped[key] = _change(key, sides)
            work.replaced.append(work.dropped[key])
            _with_parts(key, sides, work)
        elif each.kind == "constraint" and (condition := of_other_definition(_change(key, sides))) is not None:
            work.dropped[key] = _change(key, sides)
            work.conditions[key] = [condition]
            _with_parts(key, sides, work)
        else:
            work.changed[key] = _change(key, sides)
    for key in work.made:
        work.changed.pop(key, None)
    return work


RELATIONS = ("table", "partition", "foreign-table", "view", "materialized-view", "sequence")
# What others hang on.
BASES = (
    *("table", "partition", "foreign-table", "column", "sequence", "function", "procedure"),
    *("enum", "domain", "composite-type", "range-type", "extension", "schema"),
)


def _writer(change: Change) -> Writer:
    return BY_KIND.get(change.kind, OTHER)


def _change(key: ObjectKey, sides: Sides) -> Change:
    return Change(*key, sides.wanted.objects.get(key, {}), sides.have.objects.get(key, {}), sides)


def _with_parts(key: ObjectKey, sides: Sides, work: _Work) -> None:
    """An object that is to be made, with everything that belongs to it."""
    made = work.made
    made[key] = _change(key, sides)
    ahead = [key]
    while ahead:
        parent = ahead.pop()
        for part, of in sides.wanted.parents.items():
            if of == parent and part not in made:
                ahead.append(part)
                if part[0] == "column" and parent[0] in ("table", "foreign-table"):  # CREATE TABLE has it
                    work.furnished.append(Change(*part, sides.wanted.objects[part], {}, sides))
                else:
                    made[part] = _change(part, sides)


RELKINDS = {"view": "v", "materialized-view": "m", "sequence": "S", "foreign-table": "f"}


def _if_still(change: Change, line: str) -> str:
    """Only while it is what it was: by now another object may have its name."""
    if is_remark(line):
        return line
    if change.kind not in RELATIONS:
        return line
    there = relation_is(change.name, *RELKINDS.get(change.kind, "rp"))
    if change.kind in ("table", "partition"):
        # Nobody sees in a block what it drops: rows are never lost in one.
        return only_if(there, _without_rows(change), line)
    return only_if(there, line)


def _without_rows(change: Change) -> str:
    """The statement of a block that refuses to go on where a table has rows."""
    words = sql_literal(f"{change.name} has rows, which may be those of a table by another name; nothing was changed.")
    return f"IF EXISTS (SELECT FROM {change.name}) THEN RAISE EXCEPTION USING MESSAGE = {words}; END IF"


def _references_of(dropped: Iterable[Change]) -> Iterator[str]:
    """Tables that are dropped may refer to each other, in a ring even."""
    for change in dropped:
        for (kind, name), properties in change.sides.have.objects.items():
            table = change.sides.have.parents.get((kind, name))
            refers = kind == "constraint" and properties["definition"].startswith("FOREIGN KEY")
            if refers and table == (change.kind, change.name) and properties.get("inherited") != "only":
                own = name.removeprefix(f"{change.name}.")
                yield f"ALTER TABLE IF EXISTS {change.name} DROP CONSTRAINT IF EXISTS {own}"


def _owned(made: Iterable[Change]) -> Iterator[str]:
    """Sequences belong to columns that are made after them."""
    for change in made:
        owner = change.wanted.get("owned by")
        if change.kind == "sequence" and owner is not None:
            column = change.sides.wanted.objects.get(("column", owner), {})
            if "identity" not in column:
                yield f"ALTER SEQUENCE {change.name} OWNED BY {owner}"
            elif column["type"] != change.wanted["type"]:
                yield f"ALTER SEQUENCE {change.name} AS {change.wanted['type']} {sequence_options(change.wanted)}"


def _ordered(changes: Iterable[Change], *, backwards: bool = False) -> list[Change]:
    """By kind; what names another one in its definition comes after it."""
    by_place = sorted(changes, key=lambda change: (PLACE.get(change.kind, len(PLACE)), _rank(change), change.name))
    found: dict[ObjectKey, Change] = {}
    under_way: set[ObjectKey] = set()
    texts = {(each.kind, each.name): _text(each, each.have if backwards else each.wanted) for each in by_place}

    def visit(change: Change) -> None:
        key = (change.kind, change.name)
        if key in found or key in under_way:
            return  # two that name each other: by kind
        under_way.add(key)
        for other in by_place:
            if other is not change and other.kind in NAMED and _names(texts[key], other):
                visit(other)
        found[key] = change

    for change in by_place:
        visit(change)
    return list(reversed(found.values())) if backwards else list(found.values())


# Whose names stand in the definitions of others.
NAMED = (*RELATIONS, "enum", "domain", "composite-type", "range-type", "function", "procedure", "schema")


def _names(text: str, other: Change) -> bool:
    name = other.name.partition("(")[0] + "(" if other.kind in ("function", "procedure") else other.name
    return name in text


def _text(change: Change, properties: Mapping[str, str]) -> str:
    """What an object is made of, where it may name another."""
    texts = [value for name, value in properties.items() if name not in ("comment", "owned by")]
    if change.kind in ("table", "foreign-table", "partition"):
        snapshot = change.sides.wanted if properties is change.wanted else change.sides.have
        table = (change.kind, change.name)
        texts += [
            " ".join(column.values())
            for key, column in snapshot.objects.items()
            if key[0] == "column" and snapshot.parents.get(key) == table
        ]
    return "" if change.kind == "sequence" else "\n".join([*texts, change.parent[1]])


def _rank(change: Change) -> int:
    """Keys before what refers to them, columns before what is computed from them, a part's index before its whole's."""
    definition = (change.wanted or change.have).get("definition", "")
    if change.kind == "constraint":
        return 1 if definition.startswith("FOREIGN KEY") else 0
    if change.kind == "column":
        return 1 if "generated" in change.wanted else 0
    if change.kind == "grant":
        return 1 if change.parent[0] == "column" else 0
    if change.kind == "index":
        return 1 if "attached to" in (change.wanted or change.have) else 0
    return 0


def is_remark(line: str) -> bool:
    """Whether a line is for whoever reads it, and not for the server."""
    return line.startswith(REMARK)
