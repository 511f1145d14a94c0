"""SQL of tables, views and sequences."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.drift.fix.change import Change, Properties, Writer, guarded, only_if, remark, words_of
from erm_alembic.drift.fix.columns import column_in_words, sequence_options
from erm_alembic.postgres.existence import relation_is
from erm_alembic.postgres.snapshot import ObjectKey
from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["MATERIALIZED_VIEW", "SEQUENCE", "TABLE", "VIEW", "comment_on", "parent_of"]


def comment_on(change: Change, what: str, properties: Properties) -> Iterator[str]:
    """The statement that sets a comment, where there is one to set or to take away.

    Args:
        change: the object.
        what: the object as COMMENT ON calls it.
        properties: as they shall be.
    """
    comment = properties.get("comment")
    if comment is not None or change.have.get("comment") is not None:
        yield f"COMMENT ON {what} IS {'NULL' if comment is None else sql_literal(comment)}"


def _create_table(change: Change) -> Iterator[str]:
    wanted, name = change.wanted, change.name
    if "(not read)" in wanted.get("foreign options", ""):
        yield remark(f"{name}: its options may hold secrets and were not read; complete them.")
    foreign = "FOREIGN " if change.kind == "foreign-table" or "server" in wanted else ""
    unlogged = "UNLOGGED " if wanted.get("persistence") == "unlogged" else ""
    yield f"CREATE {unlogged}{foreign}TABLE IF NOT EXISTS {name} {_body(change)}{_tail(wanted)}"
    yield from comment_on(change, f"{foreign}TABLE {name}", wanted)
    yield from _of_table(change)


def _body(change: Change) -> str:
    wanted = change.wanted
    if "partition of" in wanted:
        return f"PARTITION OF {wanted['partition of']}"
    if "row type" in wanted:
        return f"OF {wanted['row type']}"
    columns = ", ".join(column_in_words(each) for each in _columns(change))
    inherits = f" INHERITS ({wanted['parents']})" if "parents" in wanted else ""
    return f"({columns}){inherits}"


def _columns(change: Change) -> list[Change]:
    snapshot, table = change.sides.wanted, (change.kind, change.name)
    found = [
        Change(kind, name, properties, {}, change.sides)
        for (kind, name), properties in snapshot.objects.items()
        if kind == "column" and snapshot.parents.get((kind, name)) == table and properties.get("inherited") != "only"
    ]
    return sorted(found, key=lambda column: int(column.wanted.get("position", "0")))


def _tail(wanted: Properties) -> str:
    tail = ""
    if "partition key" in wanted:
        tail += f" PARTITION BY {wanted['partition key']}"
    if "server" in wanted:
        tail += f" SERVER {wanted['server']}"
        if options := wanted.get("foreign options"):
            tail += f" OPTIONS ({_foreign_options(options)})"
    if wanted.get("access method", "heap") != "heap":
        tail += f" USING {wanted['access method']}"
    parameters = [*_listed(wanted.get("options")), *(f"toast.{each}" for each in _listed(wanted.get("toast options")))]
    if parameters:
        tail += f" WITH ({', '.join(parameters)})"
    if "tablespace" in wanted:
        tail += f" TABLESPACE {wanted['tablespace']}"
    return tail


def _foreign_options(options: str) -> str:
    pairs = (each.partition("=") for each in options.split(", "))
    return ", ".join(f"{name} {sql_literal(value)}" for name, _, value in pairs)


def _listed(options: str | None) -> list[str]:
    return options.split(", ") if options else []


def _of_table(change: Change) -> Iterator[str]:
    """What is no part of CREATE TABLE."""
    name, wanted, have = change.name, change.wanted, change.have
    security, before = wanted.get("row security", "disabled"), have.get("row security", "disabled")
    if security != before:
        yield f"ALTER TABLE {name} {'ENABLE' if security.startswith('enabled') else 'DISABLE'} ROW LEVEL SECURITY"
        yield f"ALTER TABLE {name} {'' if security.endswith('forced') else 'NO '}FORCE ROW LEVEL SECURITY"
    yield from _replica_identity(change)


def _replica_identity(change: Change) -> Iterator[str]:
    name, identity = change.name, change.wanted.get("replica identity", "default")
    if identity != change.have.get("replica identity", "default"):
        said = identity.replace("index ", "USING INDEX ", 1) if identity.startswith("index ") else identity.upper()
        yield (
            f"ALTER {words_of(change.kind)} {name} REPLICA IDENTITY {said}"
            if identity != "a dropped index"
            else remark(f"{name}: its replica identity is an index that was dropped; that cannot be made.")
        )


def _alter_table(change: Change) -> Iterator[str]:
    name, wanted = change.name, change.wanted
    alter = f"ALTER {'FOREIGN ' if 'server' in wanted else ''}TABLE {name}"
    if change.differs("persistence"):
        yield f"{alter} SET {wanted['persistence'].upper()}"
    if change.differs("access method"):
        method = wanted.get("access method", "heap")
        yield (
            f"{alter} SET ACCESS METHOD {method}"
            if change.sides.major >= 15
            else remark(f"{name}: its access method shall be {method}; before PostgreSQL 15 it must be made anew.")
        )
    if change.differs("tablespace"):
        yield f"{alter} SET TABLESPACE {wanted.get('tablespace', 'pg_default')}"
    yield from options_set(alter, change, "options", "")
    yield from options_set(alter, change, "toast options", "toast.")
    yield from _of_table(change)
    if change.differs("parents"):
        was, shall = _listed(change.have.get("parents")), _listed(wanted.get("parents"))
        yield from (f"{alter} NO INHERIT {parent}" for parent in was if parent not in shall)
        yield from (f"{alter} INHERIT {parent}" for parent in shall if parent not in was)
    if change.differs("partition of"):
        yield from _attached(change)
    for what in ("partition key", "row type", "server", "foreign options"):
        if change.differs(what):
            yield remark(f"{name}: {what} shall be {wanted.get(what, 'none')}; that cannot be changed by a statement.")
    if change.differs("comment"):
        yield from comment_on(change, f"{'FOREIGN ' if 'server' in wanted else ''}TABLE {name}", wanted)


def _attached(change: Change) -> Iterator[str]:
    """A partition is of another parent, or has other bounds."""
    name = change.name
    if before := change.have.get("partition of"):
        yield f"ALTER TABLE {parent_of(before)} DETACH PARTITION {name}"
    if after := change.wanted.get("partition of"):
        parent = parent_of(after)
        yield f"ALTER TABLE {parent} ATTACH PARTITION {name} {after.removeprefix(parent).strip()}"


def parent_of(bound: str) -> str:
    """The parent's name: what stands before FOR VALUES or DEFAULT.

    Args:
        bound: the parent and the bounds of a partition.
    """
    for word in (" FOR VALUES ", " DEFAULT"):
        if word in bound:
            return bound[: bound.rindex(word)] if word == " DEFAULT" else bound[: bound.index(word)]
    return bound


def options_set(alter: str, change: Change, name: str, prefix: str) -> Iterator[str]:
    """Set and reset storage parameters.

    Args:
        alter: the beginning of the statement.
        change: the object.
        name: the property that holds them.
        prefix: what stands before each of them.
    """
    if not change.differs(name):
        return
    shall, was = _listed(change.wanted.get(name)), _listed(change.have.get(name))
    names = {option.partition("=")[0] for option in shall}
    if gone := [option.partition("=")[0] for option in was if option.partition("=")[0] not in names]:
        yield f"{alter} RESET ({', '.join(prefix + each for each in gone)})"
    if new := [option for option in shall if option not in was]:
        yield f"{alter} SET ({', '.join(prefix + each for each in new)})"


def _drop(change: Change) -> Iterator[str]:
    if change.kind in ("table", "partition"):
        yield remark(f"This loses what is in {change.name}.")
    yield f"DROP {words_of(change.kind)} IF EXISTS {change.name}"


def _create_view(change: Change) -> Iterator[str]:
    wanted, name = change.wanted, change.name
    options = f" WITH ({wanted['options']})" if "options" in wanted else ""
    definition = wanted["definition"].rstrip().removesuffix(";")
    replace = f"CREATE OR REPLACE VIEW {name}{options} AS {definition}"
    # Where columns are other ones, or fewer, it cannot be replaced.
    yield guarded(
        f"BEGIN {replace}; EXCEPTION WHEN invalid_table_definition THEN DROP VIEW {name}; {replace}; END"
        if change.have
        else f"BEGIN {replace}; END"
    )
    yield from comment_on(change, f"VIEW {name}", wanted)


def _alter_view(change: Change) -> Iterator[str]:
    if change.differs("definition"):
        yield from _create_view(change)
        return
    yield from options_set(f"ALTER VIEW {change.name}", change, "options", "")
    if change.differs("comment"):
        yield from comment_on(change, f"VIEW {change.name}", change.wanted)


def _create_materialized(change: Change) -> Iterator[str]:
    wanted, name = change.wanted, change.name
    definition = wanted["definition"].rstrip().removesuffix(";")
    data = "WITH NO DATA" if wanted.get("populated") == "no" else "WITH DATA"
    parameters = [*_listed(wanted.get("options")), *(f"toast.{each}" for each in _listed(wanted.get("toast options")))]
    tail = f" WITH ({', '.join(parameters)})" if parameters else ""
    tail += f" TABLESPACE {wanted['tablespace']}" if "tablespace" in wanted else ""
    method = f" USING {wanted['access method']}" if wanted.get("access method", "heap") != "heap" else ""
    yield f"CREATE MATERIALIZED VIEW IF NOT EXISTS {name}{method}{tail} AS {definition} {data}"
    yield from comment_on(change, f"MATERIALIZED VIEW {name}", wanted)
    yield from _replica_identity(change)


def _alter_materialized(change: Change) -> Iterator[str]:
    alter = f"ALTER MATERIALIZED VIEW {change.name}"
    if change.differs("tablespace"):
        yield f"{alter} SET TABLESPACE {change.wanted.get('tablespace', 'pg_default')}"
    yield from options_set(alter, change, "options", "")
    yield from options_set(alter, change, "toast options", "toast.")
    yield from _replica_identity(change)
    if change.differs("populated"):
        yield f"REFRESH MATERIALIZED VIEW {change.name}{' WITH NO DATA' if change.wanted['populated'] == 'no' else ''}"
    if change.differs("access method"):
        yield remark(f"{change.name}: its access method shall be {change.wanted.get('access method')}; make it anew.")
    if change.differs("comment"):
        yield from comment_on(change, f"MATERIALIZED VIEW {change.name}", change.wanted)


def _is_of_identity(change: Change, properties: Properties) -> bool:
    """Whether it comes and goes with the column that it counts for."""
    column: ObjectKey = ("column", properties.get("owned by", ""))
    snapshot = change.sides.wanted if properties is change.wanted else change.sides.have
    return "identity" in snapshot.objects.get(column, {})


def _create_sequence(change: Change) -> Iterator[str]:
    wanted = change.wanted
    if _is_of_identity(change, wanted):
        return
    unlogged = "UNLOGGED " if wanted.get("persistence") == "unlogged" else ""
    yield f"CREATE {unlogged}SEQUENCE IF NOT EXISTS {change.name} AS {wanted['type']} {sequence_options(wanted)}"
    yield from comment_on(change, f"SEQUENCE {change.name}", wanted)


def _alter_sequence(change: Change) -> Iterator[str]:
    name, wanted = change.name, change.wanted
    alter = f"ALTER SEQUENCE {name}"
    if any(change.differs(each) for each in ("type", "start", "increment", "minimum", "maximum", "cache", "cycle")):
        yield f"{alter} AS {wanted['type']} {sequence_options(wanted)}"
    if change.differs("persistence"):
        yield f"{alter} SET {wanted.get('persistence', 'logged').upper()}"
    if change.differs("owned by") and not _is_of_identity(change, wanted):
        yield f"{alter} OWNED BY {wanted.get('owned by', 'NONE')}"
    if change.differs("comment"):
        yield from comment_on(change, f"SEQUENCE {name}", wanted)


def _drop_sequence(change: Change) -> Iterator[str]:
    if not _is_of_identity(change, change.have):
        # The default of the column that it counts for may have gone, or not yet.
        yield only_if(relation_is(change.name, "S"), f"DROP SEQUENCE {change.name}")


TABLE = Writer(_create_table, _drop, _alter_table)
VIEW = Writer(_create_view, _drop, _alter_view)
MATERIALIZED_VIEW = Writer(_create_materialized, _drop, _alter_materialized)
SEQUENCE = Writer(_create_sequence, _drop_sequence, _alter_sequence)
