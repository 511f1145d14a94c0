"""SQL conditions that tell whether an object is there, for statements that pass where their work is done already."""

from __future__ import annotations

from erm_alembic.postgres.text.literals import sql_literal

__all__ = [
    "attribute_exists",
    "constraint_exists",
    "definition_of_view",
    "label_exists",
    "labels_of",
    "relation_is",
    "result_of",
    "type_missing",
]


def attribute_exists(relation: str, attribute: str, further: str = "") -> str:
    """Whether a table has a column, or a composite type an attribute.

    Args:
        relation: its name with its schema, quoted where it must be.
        attribute: the column, likewise.
        further: what must hold of it besides.
    """
    return (
        f"EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = {sql_literal(relation)}::regclass"
        f" AND NOT attisdropped AND pg_catalog.quote_ident(attname) = {sql_literal(attribute)}{further})"
    )


def constraint_exists(owner: str, constraint: str, further: str = "", *, of_domain: bool = False) -> str:
    """Whether a table, or a domain, has a constraint.

    Args:
        owner: its name with its schema, quoted where it must be.
        constraint: the constraint, likewise.
        further: what must hold of it besides.
        of_domain: whether it is a domain's.
    """
    whose = f"contypid = {sql_literal(owner)}::regtype" if of_domain else f"conrelid = {sql_literal(owner)}::regclass"
    return (
        f"EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE {whose}"
        f" AND pg_catalog.quote_ident(conname) = {sql_literal(constraint)}{further})"
    )


def relation_is(name: str, *relkinds: str) -> str:
    """Whether there is a relation of a name and of certain kinds; of any kind where none is named.

    Args:
        name: its name with its schema, quoted where it must be.
        relkinds: the letters of `relkind`.
    """
    kinds = ", ".join(f"'{kind}'" for kind in relkinds)
    of_kind = f" AND relkind IN ({kinds})" if relkinds else ""
    return f"EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({sql_literal(name)}){of_kind})"


def type_missing(name: str) -> str:
    """Whether there is no type of a name.

    Args:
        name: its name with its schema, quoted where it must be.
    """
    return f"pg_catalog.to_regtype({sql_literal(name)}) IS NULL"


def labels_of(name: str) -> str:
    """The labels of an enum in their order, as literals between commas.

    Args:
        name: its name with its schema, quoted where it must be.
    """
    return (
        "(SELECT pg_catalog.string_agg(pg_catalog.quote_literal(enumlabel), ', ' ORDER BY enumsortorder)"  # noqa: S608 - a literal
        f" FROM pg_catalog.pg_enum WHERE enumtypid = pg_catalog.to_regtype({sql_literal(name)}))"
    )


def label_exists(name: str, label: str) -> str:
    """Whether an enum has a label.

    Args:
        name: its name with its schema, quoted where it must be.
        label: the label, as a literal.
    """
    return (
        f"EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = {sql_literal(name)}::regtype"
        f" AND enumlabel = {label})"
    )


def result_of(function: str) -> str:
    """What a function returns, as its definition says it.

    Args:
        function: its name with its schema and the types of its arguments.
    """
    return f"pg_catalog.pg_get_function_result(pg_catalog.to_regprocedure({sql_literal(function)}))"


def definition_of_view(name: str) -> str:
    """What a view shows.

    Args:
        name: its name with its schema, quoted where it must be.
    """
    return f"pg_catalog.pg_get_viewdef(pg_catalog.to_regclass({sql_literal(name)}))"
