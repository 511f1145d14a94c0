"""What depends on an object that is dropped or changed, and stands in the way: gone before, and made again after."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from erm_alembic.drift.fix.change import Change, Sides
from erm_alembic.drift.fix.columns import of_other_type
from erm_alembic.drift.fix.types import labels_lost, labels_otherwise
from erm_alembic.postgres.existence import definition_of_view, result_of
from erm_alembic.postgres.snapshot import ObjectKey
from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["Obstacle", "obstacles", "remade"]

VIEWS = ("view", "materialized-view")
# What the server lets nobody drop or change the type of a column under. Indexes and constraints follow by themselves.
ON_COLUMNS = (*VIEWS, "rule", "policy", "trigger", "column")
# What goes with a column that is dropped, and must be made again where that is.
WITH_COLUMNS = ("index", "constraint", "statistics")
# A condition under which what stands in the way is dropped; None for always.
Obstacle = tuple[ObjectKey, str | None]


def obstacles(
    changed: Collection[Change],
    dropped: Collection[Change],
    sides: Sides,
    conditions: Mapping[ObjectKey, Sequence[str]] | None = None,
) -> Iterator[Obstacle]:
    """What stands in the way, each with the condition under which it does.

    Args:
        changed: the objects that are altered.
        dropped: those that are dropped.
        sides: both schemas.
        conditions: under which of them which is dropped; those that are not named are dropped always.
    """
    seen: set[tuple[ObjectKey, str | None]] = set()
    ahead = [*_touched_by(changed, sides), *_dropped(dropped, conditions or {})]
    while ahead:
        key, condition, kinds = ahead.pop()
        for other in sorted(_dependents(key, sides)):
            if other[0] not in kinds or (other[0] == "column" and not _is_computed(other, sides)):
                continue
            if (other, condition) not in seen and other in sides.have.objects:
                seen.add((other, condition))
                yield other, condition
                ahead.append((other, condition, _kinds_on(other[0])))


def remade(key: ObjectKey, sides: Sides) -> Iterator[ObjectKey]:
    """What goes with an object that is dropped and made again, and is made again too.

    Args:
        key: the object.
        sides: both schemas.
    """
    if key[0] == "column":
        for other in sorted(_dependents(key, sides)):
            if other[0] in WITH_COLUMNS and other in sides.wanted.objects:
                yield other


Touched = tuple[ObjectKey, str | None, tuple[str, ...]]


def _touched_by(changed: Collection[Change], sides: Sides) -> Iterator[Touched]:
    for change in changed:
        key = (change.kind, change.name)
        if change.kind == "column" and change.parent[0] not in VIEWS:
            if change.differs("generated") and "generated" in change.wanted:
                yield key, None, ON_COLUMNS
            elif change.differs("type") or change.differs("collation"):
                yield key, of_other_type(change), ON_COLUMNS
        elif change.kind == "enum" and labels_lost(change):
            condition = labels_otherwise(change)
            yield key, condition, (*VIEWS, "rule", "policy", "trigger", "constraint", "index")
            for column in _dependents(key, sides):
                if column[0] == "column":
                    yield column, condition, ON_COLUMNS
        elif change.kind in VIEWS and change.differs("definition"):
            yield key, _of_other_definition(change), _kinds_on(change.kind)
        elif change.kind == "function" and (returns := _of_other_result(change)) is not None:
            yield key, returns, ON_COLUMNS


def _dropped(dropped: Collection[Change], conditions: Mapping[ObjectKey, Sequence[str]]) -> Iterator[Touched]:
    for change in dropped:
        key = (change.kind, change.name)
        yield key, " OR ".join(conditions.get(key, ())) or None, _kinds_on(change.kind)


def _kinds_on(kind: str) -> tuple[str, ...]:
    if kind == "constraint":
        return ("constraint",)
    return ON_COLUMNS if kind in (*VIEWS, "column", "table", "partition", "function") else ()


def _dependents(key: ObjectKey, sides: Sides) -> set[ObjectKey]:
    found = set(sides.dependents.get(key, ()))
    if key[0] == "constraint":  # what refers to a key hangs on its index
        for part, whole in sides.have.parents.items():
            if whole == key:
                found |= sides.dependents.get(part, frozenset())
    return found - {key}


def _is_computed(column: ObjectKey, sides: Sides) -> bool:
    return "generated" in sides.have.objects.get(column, {})


def _of_other_result(change: Change) -> str | None:
    """Whether a function does not return yet what it shall return, for which it must be dropped; None where it does."""
    wanted, have = (_result(properties.get("definition", "")) for properties in (change.wanted, change.have))
    if wanted == have:
        return None
    return f"{result_of(change.name)} IS DISTINCT FROM {sql_literal(wanted)}"


def _result(definition: str) -> str:
    return definition.partition("\n RETURNS ")[2].partition("\n")[0]


def _of_other_definition(change: Change) -> str | None:
    """Whether a view does not show yet what it shall show."""
    if change.kind != "view":
        return None
    return f"{definition_of_view(change.name)} IS DISTINCT FROM {sql_literal(change.wanted['definition'])}"
