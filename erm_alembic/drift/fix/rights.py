"""SQL of owners, grants, default privileges and publications."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.drift.fix.change import Change, Properties, Writer, remark, words_of
from erm_alembic.drift.fix.relations import comment_on
from erm_alembic.drift.fix.splitting import split_outside_quotes

__all__ = ["DEFAULT_PRIVILEGES", "GRANT", "OWNER", "PUBLICATION", "PUBLISHED_SCHEMA", "PUBLISHED_TABLE"]

OPTION = " with grant option"
# What everybody may do with a new object of a kind.
USUAL_OF_PUBLIC = {
    "function": "EXECUTE",
    "procedure": "EXECUTE",
    "aggregate": "EXECUTE",
    "language": "USAGE",
    "enum": "USAGE",
    "domain": "USAGE",
    "composite-type": "USAGE",
    "range-type": "USAGE",
    "base-type": "USAGE",
}
# GRANT knows one word for all of these.
AS_TABLE = ("table", "partition", "foreign-table", "view", "materialized-view")


def _owner(change: Change) -> Iterator[str]:
    kind, name = change.parent
    owner = change.wanted.get("owner")
    if owner is None:
        return
    if owner == "pg_database_owner" and change.sides.major < 14:
        yield remark(f"{kind} {name} shall belong to the first superuser, as in a new database.")
        return
    word = "ROUTINE" if kind == "aggregate" and change.sides.major < 11 else words_of(kind)
    if kind in ("operator-class", "operator-family"):
        name = name.replace(" using ", " USING ")
    yield f"ALTER {word} {name} OWNER TO {owner}"


def _nothing(change: Change) -> Iterator[str]:
    """An owner goes with the object."""
    yield from ()


def _grant(change: Change) -> Iterator[str]:
    kind, name = change.parent
    who = change.name.rpartition(" to ")[2]
    if kind == "database":
        yield remark(f"{change.name}: {change.wanted.get('privileges', 'as usual')}. Write it by hand.")
        return
    if kind == "column":
        yield from _of_column(change, who)
        return
    target = f"{_in_grant(kind)} {name}"
    owner = who == "its owner"
    to = _owner_of(change) if owner else who
    if to is None:
        yield remark(f"{change.name}: {change.wanted.get('privileges', 'as usual')}; its owner is not known.")
        return
    yield f"REVOKE ALL ON {target} FROM {to}"
    privileges = change.wanted.get("privileges")
    if privileges is None:
        if owner:
            yield f"GRANT ALL ON {target} TO {to}"
        elif who == "PUBLIC" and kind in USUAL_OF_PUBLIC:
            yield f"GRANT {USUAL_OF_PUBLIC[kind]} ON {target} TO PUBLIC"
    else:
        yield from _given(privileges, "", target, to)
    if kind in AS_TABLE:
        yield from _columns_again(change, who)


def _columns_again(change: Change, who: str) -> Iterator[str]:
    """What is revoked of a table is revoked of its columns too."""
    snapshot = change.sides.wanted
    for key, properties in snapshot.objects.items():
        if key[0] != "grant" or not key[1].endswith(f" to {who}"):
            continue
        column = snapshot.parents[key]
        if column[0] == "column" and snapshot.parents.get(column) == change.parent:
            yield from _of_column(Change(*key, properties, {}, change.sides), who)


def _in_grant(kind: str) -> str:
    if kind in AS_TABLE:
        return "TABLE"
    return {"foreign-server": "FOREIGN SERVER", "aggregate": "FUNCTION"}.get(kind, words_of(kind))


def _owner_of(change: Change) -> str | None:
    for snapshot in (change.sides.wanted, change.sides.have):
        for (kind, name), properties in snapshot.objects.items():
            if kind == "owner" and snapshot.parents.get((kind, name)) == change.parent:
                return properties["owner"]
    return None


def _given(privileges: str, columns: str, target: str, to: str) -> Iterator[str]:
    if privileges == "nothing":
        return
    for each in privileges.split(", "):
        words, _, grantor = each.partition(" by ")
        option = words.endswith(OPTION)
        if grantor:
            yield remark(f"It was granted by {grantor}; here it is by whoever runs this.")
        yield f"GRANT {words.removesuffix(OPTION)}{columns} ON {target} TO {to}{' WITH GRANT OPTION' if option else ''}"


def _of_column(change: Change, who: str) -> Iterator[str]:
    column = change.parent
    parents = {**change.sides.have.parents, **change.sides.wanted.parents}
    table = parents[column][1]
    own = column[1].removeprefix(f"{table}.")
    if who == "its owner":
        yield remark(f"{change.name}: {change.wanted.get('privileges', 'as usual')}")
        return
    yield f"REVOKE ALL ({own}) ON TABLE {table} FROM {who}"
    if "privileges" in change.wanted:
        yield from _given(change.wanted["privileges"], f" ({own})", f"TABLE {table}", who)


def _defaults(change: Change) -> Iterator[str]:
    words = split_outside_quotes(change.name, " ")
    role, who, what = words[1], words[-1], words[words.index("on") + 1].upper()
    if change.name.endswith(" to its owner"):
        who = role
    if words[-4:-3] == ["on"] or "large" in words:
        what = "LARGE OBJECTS" if "large" in words else what
    inside = f" IN SCHEMA {words[words.index('in') + 1]}" if words[2] == "in" else ""
    alter = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role}{inside}"
    yield f"{alter} REVOKE ALL ON {what} FROM {who}"
    privileges = change.wanted.get("privileges")
    if privileges is None:
        if who == role and not inside:
            yield f"{alter} GRANT ALL ON {what} TO {who}"
        elif who == "PUBLIC" and not inside and what in ("FUNCTIONS", "TYPES"):
            yield f"{alter} GRANT {'EXECUTE' if what == 'FUNCTIONS' else 'USAGE'} ON {what} TO PUBLIC"
        return
    for each in privileges.split(", ") if privileges != "nothing" else ():
        option = " WITH GRANT OPTION" if each.endswith(OPTION) else ""
        yield f"{alter} GRANT {each.removesuffix(OPTION)} ON {what} TO {who}{option}"


def _publishing(properties: Properties) -> str:
    options = [f"publish = '{properties.get('operations', '')}'"]
    options.append(
        f"publish_via_partition_root = {'true' if properties.get('via partition root') == 'yes' else 'false'}"
    )
    if "generated columns" in properties:
        options.append(f"publish_generated_columns = {properties['generated columns']}")
    return ", ".join(options)


def _create_publication(change: Change) -> Iterator[str]:
    everything = " FOR ALL TABLES" if change.wanted.get("all tables") == "yes" else ""
    yield from _drop_publication(change)
    yield f"CREATE PUBLICATION {change.name}{everything} WITH ({_publishing(change.wanted)})"
    yield from comment_on(change, f"PUBLICATION {change.name}", change.wanted)


def _drop_publication(change: Change) -> Iterator[str]:
    yield f"DROP PUBLICATION IF EXISTS {change.name}"


def _alter_publication(change: Change) -> Iterator[str]:
    if change.differs("all tables"):
        yield remark(f"{change.name}: whether it publishes all tables cannot be changed: make it anew.")
    if any(change.differs(each) for each in ("operations", "via partition root", "generated columns")):
        yield f"ALTER PUBLICATION {change.name} SET ({_publishing(change.wanted)})"
    if change.differs("comment"):
        yield from comment_on(change, f"PUBLICATION {change.name}", change.wanted)


def _publish_table(change: Change) -> Iterator[str]:
    publication = change.parent[1]
    table = change.name.removeprefix(f"{publication}: ")
    if change.have:
        yield f"ALTER PUBLICATION {publication} DROP TABLE {table}"
    columns = f" ({change.wanted['columns']})" if "columns" in change.wanted else ""
    where = f" WHERE ({change.wanted['filter']})" if "filter" in change.wanted else ""
    yield f"ALTER PUBLICATION {publication} ADD TABLE {table}{columns}{where}"


def _unpublish_table(change: Change) -> Iterator[str]:
    publication = change.parent[1]
    yield f"ALTER PUBLICATION {publication} DROP TABLE {change.name.removeprefix(f'{publication}: ')}"


def _publish_schema(change: Change) -> Iterator[str]:
    publication = change.parent[1]
    yield f"ALTER PUBLICATION {publication} ADD TABLES IN SCHEMA {change.name.removeprefix(f'{publication}: ')}"


def _unpublish_schema(change: Change) -> Iterator[str]:
    publication = change.parent[1]
    yield f"ALTER PUBLICATION {publication} DROP TABLES IN SCHEMA {change.name.removeprefix(f'{publication}: ')}"


OWNER = Writer(_owner, _nothing, _owner)
GRANT = Writer(_grant, _grant, _grant)
DEFAULT_PRIVILEGES = Writer(_defaults, _defaults, _defaults)
PUBLICATION = Writer(_create_publication, _drop_publication, _alter_publication)
PUBLISHED_TABLE = Writer(_publish_table, _unpublish_table, _publish_table)
PUBLISHED_SCHEMA = Writer(_publish_schema, _unpublish_schema, _publish_schema)
