"""Objects by their addresses, which mean the same in two databases: found by name, or by what a schema has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg2

from erm_alembic.postgres.rights.kinds import KINDS, RELATION, Kind, kind_of_word

__all__ = ["Address", "Found", "find_named", "find_object", "own_relations", "table_of"]

# As `pg_identify_object_as_address` tells it, and with the identity that statements take.
FIND = """
    SELECT o.oid, a.type, a.object_names, a.object_args, i.identity
      FROM (SELECT oid FROM pg_catalog.{catalog} WHERE ({name} = %(name)s {or_whole}) {besides}) o,
           LATERAL pg_catalog.pg_identify_object_as_address('pg_catalog.{catalog}'::regclass, o.oid, 0) a,
           LATERAL pg_catalog.pg_identify_object('pg_catalog.{catalog}'::regclass, o.oid, 0) i
     ORDER BY o.oid
"""
# A message names a type as it would have to be written, with its schema where the search path does not find it.
WHOLE_TYPE = "OR pg_catalog.format_type(oid, NULL) = %(name)s"
# Row types and arrays have no rights of their own.
OWN_TYPE = """
    AND (typrelid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_class r WHERE r.oid = typrelid AND r.relkind = 'c'))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = pg_type.oid)
"""

# What belongs to an extension is the extension's, and what hangs on a column is its table's.
OWN_RELATIONS = """
    SELECT a.type, a.object_names, a.object_args, i.identity
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
           LATERAL pg_catalog.pg_identify_object_as_address('pg_catalog.pg_class'::regclass, c.oid, 0) a,
           LATERAL pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, c.oid, 0) i
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                          AND (d.deptype = 'e' OR (c.relkind = 'S' AND d.deptype IN ('i') AND d.refobjsubid > 0)))
     ORDER BY c.oid
"""
# An index and a column's sequence have the owner of their table, and change it with that one only.
TABLE_OF = """
    SELECT coalesce((SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid = %(oid)s),
                    (SELECT d.refobjid FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = %(oid)s
                        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
                        AND d.deptype IN ('a', 'i')),
                    %(oid)s)::int8
"""
RESOLVE = """
    SELECT (SELECT relname FROM pg_catalog.pg_class WHERE oid = a.classid)::text, a.objid
      FROM pg_catalog.pg_get_object_address(%(type)s, %(names)s, %(args)s) a
"""


@dataclass(frozen=True)
class Address:
    """An object, as every database with the same schema knows it.

    Args:
        type: its type, such as `table`, `function`, `schema`.
        names: what `pg_get_object_address` takes as its names.
        args: what that takes as its arguments.
        identity: its name as a statement takes it, with its schema, quoted where it must be.
    """

    type: str
    names: tuple[str, ...]
    args: tuple[str, ...]
    identity: str


@dataclass(frozen=True)
class Found:
    """An object of one database.

    Args:
        kind: where it stands.
        oid: its OID there.
        address: how other databases know it.
    """

    kind: Kind
    oid: int
    address: Address


def find_named(cursor: Any, word: str, name: str) -> list[Found]:
    """The objects that a message may mean by a kind and a name.

    Args:
        cursor: a plain cursor.
        word: how the message calls the kind; one that is not known means any that has rights.
        name: the name in the message.
    """
    one = kind_of_word(word)
    kinds = (one,) if one is not None else tuple(kind for kind in KINDS if kind.keyword is not None)
    found = []
    for kind in kinds:
        whole, besides = (WHOLE_TYPE, OWN_TYPE) if kind.catalog == "pg_type" else ("", "")
        query = FIND.format(catalog=kind.catalog, name=kind.name, or_whole=whole, besides=besides)
        cursor.execute(query, {"name": name})
        for oid, type_, names, args, identity in cursor.fetchall():
            found.append(Found(kind, oid, Address(type_, tuple(names), tuple(args), identity)))
    return found


def own_relations(cursor: Any) -> list[Address]:
    """The tables, views and sequences of a database that belong to no extension, in the order in which they were made.

    Args:
        cursor: a plain cursor.
    """
    cursor.execute(OWN_RELATIONS)
    return [Address(type_, tuple(names), tuple(args), identity) for type_, names, args, identity in cursor.fetchall()]


def find_object(cursor: Any, address: Address) -> Found | None:
    """An object of this database by its address; None where there is none.

    Args:
        cursor: a plain cursor in autocommit mode, so that an error ends nothing.
        address: what another database knows it by.
    """
    try:
        cursor.execute(RESOLVE, {"type": address.type, "names": list(address.names), "args": list(address.args)})
    except psycopg2.Error:
        return None
    catalog, oid = cursor.fetchone()
    kind = next((kind for kind in KINDS if kind.catalog == catalog), RELATION)
    return Found(kind, oid, address)


def table_of(cursor: Any, oid: int) -> int:
    """The relation whose owner a relation has: itself, or its table.

    Args:
        cursor: a plain cursor.
        oid: the relation.
    """
    cursor.execute(TABLE_OF, {"oid": oid})
    return int(cursor.fetchone()[0])
