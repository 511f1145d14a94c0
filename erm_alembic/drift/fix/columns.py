"""SQL of columns."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.drift.fix.change import Change, Properties, Writer, only_if, only_if_steadily, remark
from erm_alembic.postgres.existence import attribute_exists
from erm_alembic.postgres.snapshot import Snapshot
from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["COLUMN", "column_in_words", "column_settings", "of_other_type", "renamed", "sequence_options"]

USERS = ("view", "materialized-view", "rule", "policy", "trigger")


def column_in_words(column: Change) -> str:
    """A column as it stands in CREATE TABLE and ADD COLUMN.

    Args:
        column: the column, as it shall be.
    """
    wanted = column.wanted
    words = [column.own_name, wanted["type"]]
    if "collation" in wanted:
        words.append(f"COLLATE {wanted['collation']}")
    if "generated" in wanted:
        expression, _, how = wanted["generated"].rpartition(" ")
        words.append(f"GENERATED ALWAYS AS ({expression}) {how}")
    if "identity" in wanted:
        words.append(f"GENERATED {wanted['identity']} AS IDENTITY{_counting(column)}")
    if "default" in wanted:
        words.append(f"DEFAULT {wanted['default']}")
    if "not null" in wanted:
        words.append(_not_null(wanted["not null"]))
    return " ".join(words)


def _not_null(text: str) -> str:
    """As a constraint of the column: since PostgreSQL 18 the text names the column, which stands before it here."""
    if text == "NOT NULL":
        return text
    before, _, after = text.partition(" NOT NULL ")
    # NO INHERIT may follow; NOT VALID may not, and is made valid.
    return f"{before} NOT NULL{' NO INHERIT' if after.endswith(' NO INHERIT') else ''}"


def _counting(column: Change) -> str:
    """The options of the sequence behind an identity column."""
    name, properties = _sequence_of(column, column.sides.wanted)
    return f" (SEQUENCE NAME {name} {sequence_options(properties)})" if name is not None else ""


def sequence_options(properties: Properties) -> str:
    """How a sequence counts, as CREATE SEQUENCE and AS IDENTITY take it.

    Args:
        properties: those of the sequence.
    """
    cycle = "CYCLE" if properties.get("cycle") == "yes" else "NO CYCLE"
    return (
        f"INCREMENT BY {properties['increment']} MINVALUE {properties['minimum']} MAXVALUE {properties['maximum']}"
        f" START WITH {properties['start']} CACHE {properties['cache']} {cycle}"
    )


def _create(column: Change) -> Iterator[str]:
    kind, table = column.parent
    if column.wanted.get("inherited") == "only":
        return  # it comes with the parent's
    if kind in ("view", "materialized-view"):
        yield from _alter_of_view(column)
        return
    if "not null" in column.wanted and not {"default", "generated", "identity"} & column.wanted.keys():
        yield remark(f"{column.name} is NOT NULL and has no default: where there are rows, this fails.")
    yield f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column_in_words(column)}"
    yield from column_settings(column)


def _drop(column: Change) -> Iterator[str]:
    kind, table = column.parent
    if kind in ("view", "materialized-view"):
        yield from _alter_of_view(column)
    elif column.have.get("inherited") != "only":
        yield remark(f"This loses what is in {column.name}.")
        yield f"ALTER TABLE {table} DROP COLUMN IF EXISTS {column.own_name}"


def _alter(column: Change) -> Iterator[str]:
    kind, table = column.parent
    if kind in ("view", "materialized-view"):
        yield from _alter_of_view(column)
        return
    alter, wanted, have = f"ALTER TABLE {table} ALTER COLUMN {column.own_name}", column.wanted, column.have
    if column.differs("generated") and "generated" in wanted and "generated" not in have:
        yield remark(f"{column.name} shall be computed: it is made anew, and stands behind the other columns then.")
        yield f"ALTER TABLE {table} DROP COLUMN {column.own_name}"
        yield from _create(column)
        return
    if "generated" in have and "generated" not in wanted:
        if have["generated"].endswith("VIRTUAL"):
            yield remark(f"{column.name} is computed when it is read, and shall hold values: it is made anew.")
            yield f"ALTER TABLE {table} DROP COLUMN {column.own_name}"
            yield from _create(column)
            return
        yield f"{alter} DROP EXPRESSION IF EXISTS"
    if "identity" in have and "identity" not in wanted:
        yield from _identity_gone(column, table, alter)
    yield from _type(column, alter)
    if "default" in wanted and (column.differs("default") or _retyped(column)):
        yield f"{alter} SET DEFAULT {wanted['default']}"
    elif "default" in have and "default" not in wanted and "identity" not in wanted:
        yield f"{alter} DROP DEFAULT"
    if column.differs("generated") and "generated" in wanted:
        yield from _expression(column, alter)
    yield from _null(column, table, alter)
    if "identity" in wanted and column.differs("identity"):
        if "identity" in have:
            yield f"{alter} SET GENERATED {wanted['identity']}"
        else:
            yield from _identity_come(column, table, alter)
    if column.differs("inherited"):
        yield remark(f"{column.name}: whether it is the table's own beside its parent's cannot be changed.")
    yield from column_settings(column)


def _identity_gone(column: Change, table: str, alter: str) -> Iterator[str]:
    """Its sequence goes with it; where another one counts on, it begins after what is there."""
    name, properties = _sequence_of(column, column.sides.wanted)
    if name is None:
        yield f"{alter} DROP IDENTITY IF EXISTS"
        return
    yield only_if(
        attribute_exists(table, column.own_name, " AND attidentity <> ''"),
        f"{alter} DROP IDENTITY",
        f"CREATE SEQUENCE IF NOT EXISTS {name} AS {properties['type']} {sequence_options(properties)}",
        f"ALTER SEQUENCE {name} OWNED BY {column.name}",
        _counted(column, name, properties),
    )


def _identity_come(column: Change, table: str, alter: str) -> Iterator[str]:
    """A sequence that counted for it goes with the default; the identity begins after what is there."""
    name, properties = _sequence_of(column, column.sides.wanted)
    before, _ = _sequence_of(column, column.sides.have)
    lines = [f"{alter} DROP DEFAULT"] if "default" in column.have else []
    if before is not None and before == name:
        lines.append(f"DROP SEQUENCE {before}")
    lines.append(f"{alter} ADD GENERATED {column.wanted['identity']} AS IDENTITY{_counting(column)}")
    if name is not None:
        lines.append(_counted(column, name, properties))
    yield only_if(attribute_exists(table, column.own_name, " AND attidentity = ''"), *lines)


def _counted(column: Change, sequence: str, properties: Properties) -> str:
    """The statement of a block that has a sequence go on after the values of a column."""
    own, down = column.own_name, properties["increment"].startswith("-")
    return (
        f"PERFORM pg_catalog.setval({sql_literal(sequence)}, of.last)"  # noqa: S608 - quoted names
        f" FROM (SELECT {'min' if down else 'max'}({own})::bigint AS last FROM {column.parent[1]}) of"
        f" WHERE of.last BETWEEN {properties['minimum']} AND {properties['maximum']}"
    )


def _sequence_of(column: Change, snapshot: Snapshot) -> tuple[str | None, Properties]:
    """The sequence that counts for a column."""
    for (kind, name), properties in snapshot.objects.items():
        if kind == "sequence" and properties.get("owned by") == column.name:
            return name, properties
    return None, {}


def _retyped(column: Change) -> bool:
    return column.differs("type") or column.differs("collation")


def _type(column: Change, alter: str) -> Iterator[str]:
    if not _retyped(column):
        return
    wanted, have = column.wanted, column.have
    if "default" in have:
        yield f"{alter} DROP DEFAULT"  # it may not be one of the other type
    collate = f" COLLATE {wanted['collation']}" if "collation" in wanted else ""
    using = "" if "generated" in have or "generated" in wanted else f" USING {column.own_name}::{wanted['type']}"
    statement = f"{alter} TYPE {wanted['type']}{collate}{using}"
    condition = of_other_type(column)
    # Where it has the type already, what depends on it stays, and the server would refuse even this.
    depended_on = column.sides.dependents.get((column.kind, column.name)) or _more_depend(column)
    yield only_if_steadily(condition, statement) if condition is not None and depended_on else statement


def _more_depend(column: Change) -> bool:
    """Whether something is made that may depend on the column then, and stands in the way of a second run."""
    sides = column.sides
    return any(key[0] in USERS and key not in sides.have.objects for key in sides.wanted.objects)


def of_other_type(column: Change) -> str | None:
    """The condition that a column has not the type yet that it shall have; None where that cannot be said.

    Args:
        column: the column.
    """
    if column.differs("collation"):
        return None
    has = f" AND pg_catalog.format_type(atttypid, atttypmod) = {sql_literal(column.wanted['type'])}"
    return f"NOT {attribute_exists(column.parent[1], column.own_name, has)}"


def _expression(column: Change, alter: str) -> Iterator[str]:
    expression, _, how = column.wanted["generated"].rpartition(" ")
    if column.sides.major >= 17 and column.have["generated"].endswith(how):
        yield f"{alter} SET EXPRESSION AS ({expression})"
        return
    table = column.parent[1]
    yield remark(f"{column.name} is made anew, and stands behind the other columns then.")
    yield f"ALTER TABLE {table} DROP COLUMN {column.own_name}"
    yield from _create(column)


def _null(column: Change, table: str, alter: str) -> Iterator[str]:
    wanted, have = column.wanted.get("not null"), column.have.get("not null")
    if wanted == have:
        return
    if have is not None:
        yield f"{alter} DROP NOT NULL"
    if wanted is not None:
        # With its name, where it has one.
        yield f"{alter} SET NOT NULL" if wanted == "NOT NULL" else f"ALTER TABLE {table} ADD {wanted}"


def column_settings(column: Change) -> Iterator[str]:
    """What neither CREATE TABLE nor ADD COLUMN sets.

    Args:
        column: the column, as it shall be, and as it is.
    """
    alter, wanted = f"ALTER TABLE {column.parent[1]} ALTER COLUMN {column.own_name}", column.wanted
    if column.differs("storage"):
        if "storage" in wanted:
            yield f"{alter} SET STORAGE {wanted['storage'].upper()}"
        elif column.sides.major >= 16:
            yield f"{alter} SET STORAGE DEFAULT"
        else:
            yield from _usual_storage(column, alter)
    if column.differs("compression"):
        yield f"{alter} SET COMPRESSION {wanted.get('compression', 'default')}"
    if column.differs("statistics target"):
        yield f"{alter} SET STATISTICS {wanted.get('statistics target', '-1')}"
    yield from _options(column, alter)
    if column.differs("comment"):
        yield _comment(column, wanted)
    if column.differs("comment of not null"):
        yield remark(f"{column.name}: comment of its not-null constraint: {wanted.get('comment of not null', 'none')}")


def _usual_storage(column: Change, alter: str) -> Iterator[str]:
    """Before PostgreSQL 16 there is no word for it."""
    usual = "MAIN" if column.wanted["type"].startswith(("numeric", "inet", "cidr")) else "EXTENDED"
    yield f"{alter} SET STORAGE {usual}"


def _options(column: Change, alter: str) -> Iterator[str]:
    if not column.differs("options"):
        return
    shall, was = (
        [option for option in (properties.get("options") or "").split(", ") if option]
        for properties in (column.wanted, column.have)
    )
    names = {option.partition("=")[0] for option in shall}
    if gone := [option.partition("=")[0] for option in was if option.partition("=")[0] not in names]:
        yield f"{alter} RESET ({', '.join(gone)})"
    if new := [option for option in shall if option not in was]:
        yield f"{alter} SET ({', '.join(new)})"


def _alter_of_view(column: Change) -> Iterator[str]:
    """A view's column has a default and a comment of its own, nothing else."""
    kind, view = column.parent
    if column.differs("default"):
        default = f"SET DEFAULT {column.wanted['default']}" if "default" in column.wanted else "DROP DEFAULT"
        yield f"ALTER VIEW {view} ALTER COLUMN {column.own_name} {default}"
    if kind == "materialized-view":
        alter = f"ALTER MATERIALIZED VIEW {view} ALTER COLUMN {column.own_name}"
        if column.differs("statistics target"):
            yield f"{alter} SET STATISTICS {column.wanted.get('statistics target', '-1')}"
        yield from _options(column, alter)
    if column.differs("comment"):
        yield _comment(column, column.wanted)


def _comment(column: Change, properties: Properties) -> str:
    comment = properties.get("comment")
    return f"COMMENT ON COLUMN {column.name} IS {'NULL' if comment is None else sql_literal(comment)}"


def renamed(wanted: Change, have: Change) -> str | None:
    """The statement that gives a column its name back; None where the two are not the same column.

    Args:
        wanted: a column that is missing.
        have: one that is too much.
    """
    if wanted.parent != have.parent or not {"type", "position"} <= wanted.wanted.keys():
        return None
    one, other = ({**each, "not null": "not null" in each} for each in (wanted.wanted, have.have))
    if one != other:
        return None
    table = wanted.parent[1]
    there = attribute_exists(table, have.own_name)
    return only_if(there, f"ALTER TABLE {table} RENAME COLUMN {have.own_name} TO {wanted.own_name}")


COLUMN = Writer(_create, _drop, _alter)
