"""SQL of types, functions, schemas and extensions."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.drift.fix.change import Change, Writer, guarded, only_if, remark, words_of
from erm_alembic.drift.fix.relations import comment_on
from erm_alembic.drift.fix.splitting import split_outside_quotes
from erm_alembic.drift.scope import schema_of
from erm_alembic.postgres.existence import attribute_exists, label_exists, labels_of, type_missing
from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["COMPOSITE", "DOMAIN", "ENUM", "EXTENSION", "RANGE", "ROUTINE", "SCHEMA", "labels_lost", "labels_otherwise"]


def _drop_type(change: Change) -> Iterator[str]:
    yield f"DROP {words_of(change.kind)} IF EXISTS {change.name}"


def _create_enum(change: Change) -> Iterator[str]:
    yield only_if(type_missing(change.name), f"CREATE TYPE {change.name} AS ENUM ({change.wanted.get('labels', '')})")
    yield from comment_on(change, f"TYPE {change.name}", change.wanted)


def _alter_enum(change: Change) -> Iterator[str]:
    if change.differs("labels"):
        shall = split_outside_quotes(change.wanted.get("labels", ""), ", ")
        was = split_outside_quotes(change.have.get("labels", ""), ", ")
        if [label for label in shall if label in was] == was:
            yield from _new_labels(change, shall, was)
        elif not labels_lost(change):
            yield from _renamed_labels(change, shall, was)
        else:
            yield from _other_labels(change)
    if change.differs("comment"):
        yield from comment_on(change, f"TYPE {change.name}", change.wanted)


def _new_labels(change: Change, shall: list[str], was: list[str]) -> Iterator[str]:
    for number, label in enumerate(shall):
        if label not in was:
            place = f" AFTER {shall[number - 1]}" if number else f" BEFORE {was[0]}" if was else ""
            yield f"ALTER TYPE {change.name} ADD VALUE IF NOT EXISTS {label}{place}"


def labels_lost(change: Change) -> bool:
    """Whether an enum shall lose labels, or have them in another order, which it can only where it is made anew.

    Args:
        change: the enum.
    """
    shall = split_outside_quotes(change.wanted.get("labels", ""), ", ")
    was = split_outside_quotes(change.have.get("labels", ""), ", ")
    if [label for label in shall if label in was] == was:
        return False
    return len(shall) != len(was) or any(
        one != other and (one in was or other in shall) for one, other in zip(shall, was, strict=True)
    )


def labels_otherwise(change: Change) -> str:
    """The condition that an enum has not the labels yet that it shall have.

    Args:
        change: the enum.
    """
    return f"{labels_of(change.name)} IS DISTINCT FROM {sql_literal(change.wanted.get('labels', ''))}"


def _renamed_labels(change: Change, shall: list[str], was: list[str]) -> Iterator[str]:
    """Rows that have the one have the other then."""
    for label, before in zip(shall, was, strict=True):
        if label != before:
            yield only_if(
                label_exists(change.name, before), f"ALTER TYPE {change.name} RENAME VALUE {before} TO {label}"
            )


def _other_labels(change: Change) -> Iterator[str]:
    """A label cannot be taken away: the type is made anew, and the columns that have it are moved to it."""
    name = change.name
    schema = schema_of(name)
    old = f"{name[len(schema) + 1 :].strip(chr(34))[:50]}_before"
    quoted = '"' + old.replace('"', '""') + '"'
    yield remark(
        f"{name} loses labels: it is made anew. Rows that hold one of them make this fail, and so do"
        " functions that use it: drop them before, and make them again after."
    )
    made = [
        f"ALTER TYPE {name} RENAME TO {quoted}",
        f"CREATE TYPE {name} AS ENUM ({change.wanted.get('labels', '')})",
        *_moved(change),
        f"DROP TYPE {schema}.{quoted}",
    ]
    yield only_if(labels_otherwise(change), *made)


def _moved(change: Change) -> Iterator[str]:
    """The columns that have it are moved to the new one."""
    name = change.name
    for (kind, column), properties in change.sides.have.objects.items():
        array = properties.get("type") == f"{name}[]"
        if kind != "column" or not (array or properties.get("type") == name):
            continue
        owner = change.sides.have.parents["column", column]
        own = column.removeprefix(f"{owner[1]}.")
        if owner[0] not in ("table", "partition") or properties.get("inherited") == "only":
            continue
        alter = f"ALTER TABLE {owner[1]} ALTER COLUMN {own}"
        brackets = "[]" if array else ""
        if "default" in properties:
            yield f"{alter} DROP DEFAULT"
        yield f"{alter} TYPE {name}{brackets} USING {own}::text{brackets}::{name}{brackets}"
        if "default" in properties:
            yield f"{alter} SET DEFAULT {properties['default']}"


def _create_domain(change: Change) -> Iterator[str]:
    wanted = change.wanted
    text = f"CREATE DOMAIN {change.name} AS {wanted['type']}"
    text += f" COLLATE {wanted['collation']}" if "collation" in wanted else ""
    text += f" DEFAULT {wanted['default']}" if "default" in wanted else ""
    text += f" {wanted['not null']}" if "not null" in wanted else ""
    yield only_if(type_missing(change.name), text)
    yield from comment_on(change, f"DOMAIN {change.name}", wanted)


def _alter_domain(change: Change) -> Iterator[str]:
    name, wanted = change.name, change.wanted
    if change.differs("type") or change.differs("collation"):
        yield remark(f"{name} shall be a domain over {wanted['type']}; that cannot be changed: make it anew.")
    if change.differs("default"):
        default = f"SET DEFAULT {wanted['default']}" if "default" in wanted else "DROP DEFAULT"
        yield f"ALTER DOMAIN {name} {default}"
    if change.differs("not null"):
        if "not null" in change.have:
            yield f"ALTER DOMAIN {name} DROP NOT NULL"
        if "not null" in wanted:
            said = wanted["not null"]
            yield f"ALTER DOMAIN {name} {'SET' if said == 'NOT NULL' else 'ADD'} {said}"
    if change.differs("comment of not null"):
        yield remark(f"{name}: comment of its not-null constraint: {wanted.get('comment of not null', 'none')}")
    if change.differs("comment"):
        yield from comment_on(change, f"DOMAIN {name}", wanted)


def _create_composite(change: Change) -> Iterator[str]:
    yield only_if(type_missing(change.name), f"CREATE TYPE {change.name} AS ({change.wanted.get('attributes', '')})")
    if "attribute comments" in change.wanted:
        yield remark(f"{change.name}: comments of its attributes: {change.wanted['attribute comments']}")
    yield from comment_on(change, f"TYPE {change.name}", change.wanted)


def _alter_composite(change: Change) -> Iterator[str]:
    alter = f"ALTER TYPE {change.name}"
    shall, was = (
        {split_outside_quotes(each, " ")[0]: each for each in split_outside_quotes(text, ", ") if each}
        for text in (change.wanted.get("attributes", ""), change.have.get("attributes", ""))
    )
    yield from (f"{alter} DROP ATTRIBUTE IF EXISTS {name}" for name in was if name not in shall)
    for name, text in shall.items():
        if name not in was:
            yield only_if(f"NOT {attribute_exists(change.name, name)}", f"{alter} ADD ATTRIBUTE {text}")
        elif was[name] != text:
            yield f"{alter} ALTER ATTRIBUTE {name} TYPE {text.removeprefix(name).strip()}"
    if change.differs("attribute comments"):
        yield remark(f"{change.name}: comments of its attributes: {change.wanted.get('attribute comments', 'none')}")
    if change.differs("comment"):
        yield from comment_on(change, f"TYPE {change.name}", change.wanted)


def _create_range(change: Change) -> Iterator[str]:
    wanted = change.wanted
    names = {
        "subtype": "SUBTYPE",
        "operator class": "SUBTYPE_OPCLASS",
        "collation": "COLLATION",
        "canonical": "CANONICAL",
        "subtype difference": "SUBTYPE_DIFF",
        "multirange": "MULTIRANGE_TYPE_NAME",
    }
    options = ", ".join(f"{word} = {wanted[name]}" for name, word in names.items() if name in wanted)
    yield only_if(type_missing(change.name), f"CREATE TYPE {change.name} AS RANGE ({options})")
    yield from comment_on(change, f"TYPE {change.name}", wanted)


def _alter_range(change: Change) -> Iterator[str]:
    if any(change.differs(name) for name in {*change.wanted, *change.have} - {"comment"}):
        yield remark(f"{change.name} shall be another range; that cannot be changed: make it anew.")
    if change.differs("comment"):
        yield from comment_on(change, f"TYPE {change.name}", change.wanted)


def _create_routine(change: Change) -> Iterator[str]:
    definition = change.wanted["definition"].strip()
    if change.have:
        # Where it returns something else, it cannot be replaced.
        drop = f"DROP {words_of(change.kind)} {change.name}"
        yield guarded(f"BEGIN {definition}; EXCEPTION WHEN invalid_function_definition THEN {drop}; {definition}; END")
    else:
        yield definition
    yield from comment_on(change, f"{words_of(change.kind)} {change.name}", change.wanted)


def _drop_routine(change: Change) -> Iterator[str]:
    yield f"DROP {words_of(change.kind)} IF EXISTS {change.name}"


def _alter_routine(change: Change) -> Iterator[str]:
    if change.differs("definition"):
        yield from _create_routine(change)
    elif change.differs("comment"):
        yield from comment_on(change, f"{words_of(change.kind)} {change.name}", change.wanted)


def _create_schema(change: Change) -> Iterator[str]:
    yield f"CREATE SCHEMA IF NOT EXISTS {change.name}"
    yield from comment_on(change, f"SCHEMA {change.name}", change.wanted)


def _drop_schema(change: Change) -> Iterator[str]:
    yield f"DROP SCHEMA IF EXISTS {change.name}"


def _alter_schema(change: Change) -> Iterator[str]:
    yield from comment_on(change, f"SCHEMA {change.name}", change.wanted)


def _create_extension(change: Change) -> Iterator[str]:
    yield f"CREATE EXTENSION IF NOT EXISTS {change.name} SCHEMA {change.wanted['schema']}"


def _drop_extension(change: Change) -> Iterator[str]:
    yield f"DROP EXTENSION IF EXISTS {change.name}"


def _alter_extension(change: Change) -> Iterator[str]:
    if change.differs("version"):
        yield f"ALTER EXTENSION {change.name} UPDATE TO {sql_literal(change.wanted['version'])}"
    if change.differs("schema"):
        yield f"ALTER EXTENSION {change.name} SET SCHEMA {change.wanted['schema']}"
    if change.differs("comment"):
        yield from comment_on(change, f"EXTENSION {change.name}", change.wanted)


ENUM = Writer(_create_enum, _drop_type, _alter_enum)
DOMAIN = Writer(_create_domain, _drop_type, _alter_domain)
COMPOSITE = Writer(_create_composite, _drop_type, _alter_composite)
RANGE = Writer(_create_range, _drop_type, _alter_range)
ROUTINE = Writer(_create_routine, _drop_routine, _alter_routine)
SCHEMA = Writer(_create_schema, _drop_schema, _alter_schema)
EXTENSION = Writer(_create_extension, _drop_extension, _alter_extension)
