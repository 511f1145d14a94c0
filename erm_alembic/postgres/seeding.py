"""What must be known of tables to write rows into them that they accept: read from the catalogs, in five queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "ForeignKey",
    "Rule",
    "SqlType",
    "TableColumn",
    "TableFacts",
    "table_facts",
]

# Roots of the named tables, and what their foreign keys refer to, however far away.
TABLES = """
    WITH RECURSIVE named AS (
        SELECT DISTINCT coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)::oid AS oid
          FROM pg_catalog.pg_class c
         WHERE c.relkind IN ('r', 'p')
           AND (c.oid = ANY(%(oids)s::oid[])
                OR c.oid IN (SELECT pg_catalog.to_regclass(n) FROM pg_catalog.unnest(%(names)s::text[]) AS n))
    ), wanted(oid) AS (
        SELECT oid FROM named
        UNION
        SELECT coalesce(pg_catalog.pg_partition_root(k.confrelid), k.confrelid)::oid
          FROM wanted w
          JOIN pg_catalog.pg_constraint k ON k.conrelid = w.oid
         WHERE k.contype = 'f' AND k.conparentid = 0
    )
    SELECT c.oid, pg_catalog.format('%%I.%%I', n.nspname, c.relname), c.relkind = 'p', c.oid IN (SELECT oid FROM named),
           p.partattrs::int2[],
           ARRAY(SELECT pg_catalog.pg_get_partition_constraintdef(t.relid)
                   FROM pg_catalog.pg_partition_tree(c.oid) t WHERE t.isleaf AND c.relkind = 'p' LIMIT 50)
      FROM wanted w
      JOIN pg_catalog.pg_class c ON c.oid = w.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     ORDER BY 2
"""

COLUMNS = """
    SELECT a.attrelid, a.attnum, a.attname, pg_catalog.quote_ident(a.attname), a.atttypid, a.atttypmod, a.attnotnull,
           a.attgenerated::text,
           a.attidentity::text, d.oid IS NOT NULL,
           coalesce(pg_catalog.strpos(pg_catalog.pg_get_expr(d.adbin, d.adrelid), 'nextval(') > 0, false)
      FROM pg_catalog.pg_attribute a
      LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attrelid, a.attnum
"""

# A check, a foreign key, an exclusion constraint; a unique index, whether a constraint stands behind it or not.
RULES = """
    SELECT k.conrelid, k.conname, k.contype::text, k.conkey::int2[],
           CASE k.contype WHEN 'c' THEN pg_catalog.pg_get_expr(k.conbin, k.conrelid) END,
           coalesce(pg_catalog.pg_partition_root(k.confrelid), k.confrelid)::oid, k.confkey::int2[], k.condeferrable,
           false, false
      FROM pg_catalog.pg_constraint k
     WHERE k.conrelid = ANY(%(oids)s::oid[]) AND k.contype IN ('c', 'f', 'x') AND k.conparentid = 0
     UNION ALL
    SELECT i.indrelid, c.relname, 'u', (i.indkey::int2[])[0:i.indnkeyatts - 1], NULL, NULL, NULL, false, i.indisprimary,
           i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid
      FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid = ANY(%(oids)s::oid[]) AND i.indisunique
     ORDER BY 1, 2
"""

# Types, and those that they are made of. The column with the multirange type is newer than PostgreSQL 13.
TYPES = """
    WITH RECURSIVE wanted(oid) AS (
        SELECT pg_catalog.unnest(%(oids)s::oid[])
        UNION
        SELECT part.oid
          FROM wanted w
          JOIN pg_catalog.pg_type t ON t.oid = w.oid
         CROSS JOIN LATERAL (
               SELECT t.typelem WHERE t.typcategory = 'A' AND t.typelem <> 0
                UNION ALL
               SELECT t.typbasetype WHERE t.typtype = 'd'
                UNION ALL
               SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid
                UNION ALL
               SELECT r.rngtypid FROM pg_catalog.pg_range r
                WHERE pg_catalog.to_jsonb(r) ->> 'rngmultitypid' = t.oid::text
                UNION ALL
               SELECT a.atttypid FROM pg_catalog.pg_attribute a
                WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
         ) part(oid)
    )
    SELECT t.oid, t.typname, CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN 'a' ELSE t.typtype::text END,
           CASE WHEN t.typtype = 'd' THEN t.typbasetype
                WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem
                ELSE (SELECT CASE WHEN r.rngtypid = t.oid THEN r.rngsubtype ELSE r.rngtypid END
                        FROM pg_catalog.pg_range r
                       WHERE r.rngtypid = t.oid OR pg_catalog.to_jsonb(r) ->> 'rngmultitypid' = t.oid::text) END,
           t.typtypmod, t.typnotnull,
           ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
           ARRAY(SELECT pg_catalog.pg_get_expr(k.conbin, 0) FROM pg_catalog.pg_constraint k
                  WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname),
           ARRAY(SELECT a.atttypid::bigint FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c'
                    AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
           ARRAY(SELECT a.atttypmod FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c'
                    AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
           pg_catalog.format('%%I.%%I', n.nspname, t.typname)
      FROM wanted w
      JOIN pg_catalog.pg_type t ON t.oid = w.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
"""

TypeKind = Literal["b", "c", "d", "e", "r", "m", "a", "p"]


@dataclass(frozen=True)
class SqlType:
    """A data type, as far as it says which values it accepts.

    Args:
        name: its name with its schema, as a cast without a length needs it (`character` alone is of one character).
        internal: its name in pg_type.
        kind: as in pg_type.typtype (`b`ase, `c`omposite, `d`omain, `e`num, `r`ange, `m`ultirange); `a` for an array.
        modifier: the modifier (a length, a precision) of the column that has it; -1 for none.
        part: what an array, a domain, a range or a multirange is made of.
        labels: the values of an enum.
        fields: the types of a composite's columns.
        checks: the conditions of a domain, on `VALUE`.
        not_null: whether a domain refuses NULL.
    """

    name: str
    internal: str
    kind: TypeKind = "b"
    modifier: int = -1
    part: SqlType | None = None
    labels: tuple[str, ...] = ()
    fields: tuple[SqlType, ...] = ()
    checks: tuple[str, ...] = ()
    not_null: bool = False


@dataclass(frozen=True)
class TableColumn:
    """One column of a table.

    Args:
        number: its attribute number, which a renaming leaves as it is.
        name: its name, not quoted.
        quoted: its name, quoted where it must be.
        type: its type.
        not_null: whether it refuses NULL.
        generated: whether its value is computed from others.
        numbered: whether a sequence gives its value (identity, serial).
        has_default: whether it has any default.
    """

    number: int
    name: str
    quoted: str
    type: SqlType
    not_null: bool = False
    generated: bool = False
    numbered: bool = False
    has_default: bool = False


@dataclass(frozen=True)
class Rule:
    """What a table demands of its rows: a check, a unique index or an exclusion constraint.

    Args:
        name: its name.
        kind: `c`, `u` or `x`.
        columns: the numbers of its columns; 0 for an expression.
        condition: the condition of a check.
        primary: whether it is the primary key.
        identifies: whether a unique index covers all rows, by columns alone.
    """

    name: str
    kind: Literal["c", "u", "x"]
    columns: tuple[int, ...]
    condition: str = ""
    primary: bool = False
    identifies: bool = False


@dataclass(frozen=True)
class ForeignKey:
    """A reference to another table, or to its own.

    Args:
        name: its name.
        columns: the numbers of the columns that refer.
        parent: the table that they refer to (the root, where it is partitioned).
        parent_columns: the numbers of the columns there.
        deferrable: whether it can be checked at the end of the transaction.
    """

    name: str
    columns: tuple[int, ...]
    parent: int
    parent_columns: tuple[int, ...]
    deferrable: bool = False


@dataclass(frozen=True)
class TableFacts:
    """A table into which rows can be written; a partitioned one as a whole.

    Args:
        oid: its object id, which a renaming leaves as it is.
        name: its name with its schema, quoted where it must be.
        asked: whether it was asked for; False for one that is only referred to.
        partitioned: whether its rows stand in partitions.
        columns: its columns, in order.
        rules: its checks, unique indexes and exclusion constraints.
        foreign_keys: its references.
        routing: the numbers of the columns that choose the partition; 0 for an expression.
        bounds: what each of its partitions demands of its rows.
    """

    oid: int
    name: str
    asked: bool = True
    partitioned: bool = False
    columns: tuple[TableColumn, ...] = ()
    rules: tuple[Rule, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    routing: tuple[int, ...] = ()
    bounds: tuple[str, ...] = field(default=(), repr=False)

    @property
    def takes_rows(self) -> bool:
        """Whether a row can have a place in it: not where it has no partition."""
        return bool(self.bounds) or not self.partitioned

    @property
    def key(self) -> tuple[TableColumn, ...]:
        """The columns that tell its rows apart: the primary key, or a unique index that takes no NULL; else none."""
        columns = {column.number: column for column in self.columns}
        keys = sorted((rule for rule in self.rules if rule.identifies), key=lambda rule: not rule.primary)
        for rule in keys:
            found = [columns[number] for number in rule.columns if number in columns]
            if len(found) == len(rule.columns) and all(column.not_null for column in found):
                return tuple(found)
        return ()


def table_facts(cursor: Any, names: Collection[str], oids: Collection[int] = ()) -> tuple[TableFacts, ...]:
    """The tables behind names, and all that their foreign keys refer to, sorted by name.

    Args:
        cursor: a plain cursor.
        names: names of relations with their schemas, quoted where they must be; one that is no table, or is not
            there, is passed over, and a partition stands for the table that it is a part of.
        oids: tables by their object ids, besides.
    """
    if not names and not oids:
        return ()
    cursor.execute(TABLES, {"names": sorted(names), "oids": sorted(oids)})
    tables = cursor.fetchall()
    wanted = [row[0] for row in tables]
    if not wanted:
        return ()
    cursor.execute(COLUMNS, [wanted])
    columns = cursor.fetchall()
    types = _types(cursor, {row[4] for row in columns})
    by_table: dict[int, list[TableColumn]] = {}
    for table, number, name, quoted, type_oid, modifier, not_null, generated, identity, default, numbered in columns:
        found = _with_modifier(types, type_oid, modifier)
        by_table.setdefault(table, []).append(
            TableColumn(
                number,
                name,
                quoted,
                found,
                not_null or found.not_null,
                bool(generated),
                bool(identity) or numbered,
                default or bool(identity),
            )
        )
    rules, foreign_keys = _rules(cursor, wanted)
    return tuple(
        TableFacts(
            oid=oid,
            name=name,
            asked=asked,
            partitioned=partitioned,
            columns=tuple(by_table.get(oid, ())),
            rules=tuple(rules.get(oid, ())),
            foreign_keys=tuple(foreign_keys.get(oid, ())),
            routing=tuple(routing or ()),
            bounds=tuple(each or "true" for each in bounds),
        )
        for oid, name, partitioned, asked, routing, bounds in tables
    )


def _rules(cursor: Any, oids: list[int]) -> tuple[dict[int, list[Rule]], dict[int, list[ForeignKey]]]:
    cursor.execute(RULES, {"oids": oids})
    rules: dict[int, list[Rule]] = {}
    foreign_keys: dict[int, list[ForeignKey]] = {}
    for table, name, kind, columns, condition, parent, there, deferrable, primary, identifies in cursor.fetchall():
        if kind == "f":
            foreign = ForeignKey(name, tuple(columns), parent, tuple(there), deferrable)
            foreign_keys.setdefault(table, []).append(foreign)
        else:
            rule = Rule(name, kind, tuple(columns or ()), condition or "", primary, identifies)
            rules.setdefault(table, []).append(rule)
    return rules, foreign_keys


@dataclass(frozen=True)
class _TypeRow:
    internal: str
    kind: TypeKind
    part: int | None
    base_modifier: int
    not_null: bool
    labels: tuple[str, ...]
    checks: tuple[str, ...]
    fields: tuple[tuple[int, int], ...]
    name: str


def _types(cursor: Any, oids: Iterable[int]) -> dict[int, _TypeRow]:
    cursor.execute(TYPES, {"oids": sorted(oids)})
    return {
        oid: _TypeRow(
            internal,
            kind,
            part,
            base_modifier,
            not_null,
            tuple(labels),
            tuple(each for each in checks if each),
            tuple(zip(fields, modifiers, strict=True)),
            name,
        )
        for oid, internal, kind, part, base_modifier, not_null, labels, checks, fields, modifiers, name in cursor
    }


def _with_modifier(types: dict[int, _TypeRow], oid: int, modifier: int) -> SqlType:
    row = types[oid]
    # A domain has its own modifier; the elements of an array have that of its column.
    inner = row.base_modifier if row.kind == "d" else modifier if row.kind == "a" else -1
    part = _with_modifier(types, row.part, inner) if row.part in types and row.kind in ("a", "d", "r", "m") else None
    return SqlType(
        name=row.name,
        internal=row.internal,
        kind=row.kind,
        modifier=modifier,
        part=part,
        labels=row.labels,
        fields=tuple(_with_modifier(types, each, own) for each, own in row.fields),
        checks=row.checks,
        not_null=row.not_null,
    )
