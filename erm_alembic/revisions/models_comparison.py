"""What of the project's models is otherwise in a database, as Alembic's own autogenerate sees it.

`RevisionContext` is what `alembic check` itself uses: filters, comparison options, hooks and plugins of env.py hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import AddConstraint, CreateIndex

from erm_alembic.errors import ProjectError
from erm_alembic.revisions.autogenerate import NoModels, revision_context

__all__ = ["ModelDifference", "comparing", "differences_of"]

# Autogenerate takes each table of another schema for missing then, whether it is there or not.
NOT_LOOKED_FOR = (
    "not looked for: env.py compares the default schema only; context.configure(include_schemas=True) compares all"
)
Compared = Callable[[tuple["ModelDifference", ...]], None]


@dataclass(frozen=True)
class ModelDifference:
    """One thing in which models and database differ.

    Args:
        kind: what it is: `table`, `column`, `index`, ...; for a plugin's operation, what that calls itself.
        object: its name with its schema.
        expected: what the models say; None where they do not have it.
        found: what the revisions make; None where they do not make it.
    """

    kind: str
    object: str
    expected: str | None
    found: str | None


def comparing(
    config: Any, scripts: ScriptDirectory, compared: Compared
) -> tuple[Callable[[tuple[str, ...], MigrationContext], Iterable[RevisionStep]], dict[str, Any]]:
    """What to do within env.py to compare its models with the database that it is connected to.

    Args:
        config: Alembic's configuration of this run.
        scripts: the revision graph.
        compared: told what differs.

    Returns:
        The work, and the options that the EnvironmentContext needs besides for it.
    """
    context = revision_context(config, scripts, "models", None, None)

    def work(heads: tuple[str, ...], migration_context: MigrationContext) -> Iterable[RevisionStep]:
        if migration_context.opts.get("target_metadata") is None:
            raise NoModels(
                f"{scripts.env_py_location} sets no target_metadata.",
                effect="Models and revisions were not compared.",
                cure="Set target_metadata in env.py, or `migrations: {metadata: package:Base.metadata}` in erm.yaml.",
            )
        try:
            context.run_autogenerate(heads, migration_context)
        except CommandError as error:
            raise ProjectError(
                f"Models and revisions cannot be compared: {error}",
                effect="Whether they agree is not known.",
                cure="Run `alembic check` with -v: it fails in the same way.",
            ) from error
        found = context.generated_revisions[-1].upgrade_ops_list
        compared(differences_of(found, migration_context))
        return ()

    return work, {"template_args": context.template_args, "revision_context": context}


def differences_of(
    upgrades: Iterable[ops.UpgradeOps], migration_context: MigrationContext
) -> tuple[ModelDifference, ...]:
    """The operations that would bring the database to the models, as differences: one an object and property.

    Args:
        upgrades: what autogenerate made.
        migration_context: Alembic's context; its dialect quotes names.
    """
    words = _Words(migration_context)
    found: dict[tuple[str, str], ModelDifference] = {}
    for upgrade in upgrades:
        for operation in _flat(upgrade.ops):
            for each in words.of(operation):
                key = (each.kind, each.object)
                before = found.get(key)
                # Dropped and made again: one object that is otherwise.
                found[key] = each if before is None else _joined(before, each)
    return tuple(found.values())


def _flat(operations: Iterable[Any]) -> Iterator[Any]:
    for operation in operations:
        if isinstance(operation, ops.OpContainer):
            yield from _flat(operation.ops)
        else:
            yield operation


def _joined(before: ModelDifference, after: ModelDifference) -> ModelDifference:
    def both(one: str | None, other: str | None) -> str | None:
        return "; ".join(part for part in (one, other) if part is not None) or None

    return ModelDifference(
        before.kind, before.object, both(before.expected, after.expected), both(before.found, after.found)
    )


class _Words:
    """Says what an operation is about, by PostgreSQL's names."""

    def __init__(self, context: MigrationContext) -> None:
        self._context = context
        self._dialect = context.dialect
        self._preparer = context.dialect.identifier_preparer
        self._quote = self._preparer.quote
        self._default_schema = getattr(context.dialect, "default_schema_name", None) or "public"

    def of(self, operation: Any) -> Iterator[ModelDifference]:
        """The differences that an operation would take away."""
        for kind, describe in KNOWN:
            if isinstance(operation, kind):
                yield from describe(self, operation)
                return
        yield self.plugin(operation)

    def name(self, schema: str | None, *parts: Any) -> str:
        """A name with its schema, quoted where it must be; a part that is not named is left out."""
        return ".".join(self._quote(str(part)) for part in (schema or self._default_schema, *parts) if part)

    def table(self, operation: ops.CreateTableOp) -> Iterator[ModelDifference]:
        table = operation.to_table(self._context)
        columns = ", ".join(self._column(column) for column in table.columns)
        name = self.name(operation.schema, operation.table_name)
        is_elsewhere = operation.schema not in (None, self._default_schema)
        found = NOT_LOOKED_FOR if is_elsewhere and not self._context.opts.get("include_schemas") else None
        yield ModelDifference("table", name, f"a table of {columns}" if columns else "a table", found)

    def table_too_many(self, operation: ops.DropTableOp) -> Iterator[ModelDifference]:
        yield ModelDifference("table", self.name(operation.schema, operation.table_name), None, "a table")

    def column(self, operation: ops.AddColumnOp) -> Iterator[ModelDifference]:
        name = self.name(operation.schema, operation.table_name, operation.column.name)
        yield ModelDifference("column", name, self._column(operation.column, named=False), None)

    def column_too_many(self, operation: ops.DropColumnOp) -> Iterator[ModelDifference]:
        name = self.name(operation.schema, operation.table_name, operation.column_name)
        found = "a column"
        reverse = operation._reverse
        if reverse is not None and reverse.column is not None:
            found = self._column(reverse.column, named=False)
        yield ModelDifference("column", name, None, found)

    def altered(self, operation: ops.AlterColumnOp) -> Iterator[ModelDifference]:
        name = self.name(operation.schema, operation.table_name, operation.column_name)
        expected, found = [], []
        if operation.modify_type is not None:
            expected.append(f"type: {self._type(operation.modify_type)}")
            found.append(f"type: {self._type(operation.existing_type)}")
        if operation.modify_nullable is not None:
            expected.append("NULL allowed" if operation.modify_nullable else "NOT NULL")
            found.append("NULL allowed" if operation.existing_nullable else "NOT NULL")
        if operation.modify_server_default is not False:
            expected.append(f"default: {self._default(operation.modify_server_default)}")
            found.append(f"default: {self._default(operation.existing_server_default)}")
        if operation.modify_comment is not False:
            expected.append(f"comment: {operation.modify_comment or 'none'}")
            found.append(f"comment: {operation.existing_comment or 'none'}")
        if operation.modify_name is not None:
            expected.append(f"name: {operation.modify_name}")
            found.append(f"name: {operation.column_name}")
        yield ModelDifference("column", name, "; ".join(expected) or "other", "; ".join(found) or "as it is")

    def index(self, operation: ops.CreateIndexOp) -> Iterator[ModelDifference]:
        index = operation.to_index(self._context)
        yield ModelDifference("index", self.name(operation.schema, operation.index_name), self._ddl(index), None)

    def index_too_many(self, operation: ops.DropIndexOp) -> Iterator[ModelDifference]:
        found = "an index"
        if operation._reverse is not None:
            found = self._ddl(operation.to_index(self._context))
        yield ModelDifference("index", self.name(operation.schema, operation.index_name), None, found)

    def constraint(self, operation: Any) -> Iterator[ModelDifference]:
        constraint = operation.to_constraint(self._context)
        yield ModelDifference("constraint", *self._constraint(constraint), None)

    def constraint_too_many(self, operation: ops.DropConstraintOp) -> Iterator[ModelDifference]:
        found = f"a {operation.constraint_type or ''} constraint".replace("  ", " ")
        if operation._reverse is not None:
            found = self._constraint(operation.to_constraint())[1]
        name = self.name(operation.schema, operation.table_name, operation.constraint_name)
        yield ModelDifference("constraint", name, None, found)

    def comment(self, operation: ops.CreateTableCommentOp | ops.DropTableCommentOp) -> Iterator[ModelDifference]:
        dropped = isinstance(operation, ops.DropTableCommentOp)
        expected = None if dropped else operation.comment  # type: ignore[union-attr]  # told apart above
        name = self.name(operation.schema, operation.table_name)
        found = f"comment: {operation.existing_comment or 'none'}"
        yield ModelDifference("table", name, f"comment: {expected or 'none'}", found)

    def plugin(self, operation: Any) -> ModelDifference:
        """An operation of a plugin: what it calls itself and what it is about, as far as it says so."""
        try:
            what, *about = operation.to_diff_tuple()
        except Exception:  # whatever a plugin's own code makes of it, its difference is told
            what, about = type(operation).__name__, []
        target = getattr(operation, "target", operation)
        schema = getattr(target, "schema", None)
        signature, name = getattr(target, "signature", None), getattr(target, "name", None)
        kind = getattr(getattr(target, "type_", None), "value", None) or _entity_kind(target, str(what))
        told = "; ".join(str(each) for each in about) or str(what)
        where = self.name(str(schema) if schema else None, str(name)) if name else told
        if signature:  # with its parameters, as the plugin writes it
            where = f"{self.name(str(schema) if schema else None)}.{signature}"
        if str(what).startswith("drop"):
            return ModelDifference(kind, where, None, told)
        found = None if str(what).startswith("create") else "otherwise"
        return ModelDifference(kind, where, told, found)

    def _column(self, column: Any, *, named: bool = True) -> str:
        words = [self._quote(column.name)] if named else []
        words.append(self._type(column.type))
        if column.server_default is not None:
            words.append(f"default {self._default(column.server_default)}")
        if not column.nullable:
            words.append("NOT NULL")
        return " ".join(words)

    def _type(self, type_: Any) -> str:
        if type_ is None:
            return "not known"
        try:
            return str(type_.compile(dialect=self._dialect))
        except CompileError:
            return repr(type_)

    def _default(self, default: Any) -> str:
        if default is None or default is False:
            return "none"
        argument = getattr(default, "arg", None)
        if argument is None:
            argument = getattr(default, "sqltext", default)
        if isinstance(argument, str):
            return repr(argument)
        try:
            dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy
            return str(argument.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        except (AttributeError, CompileError):
            return type(argument).__name__.lower()

    def _ddl(self, index: Any) -> str:
        try:
            return " ".join(str(CreateIndex(index).compile(dialect=self._dialect)).replace("%%", "%").split())
        except CompileError:
            return f"an index on {', '.join(str(each) for each in index.expressions)}"

    def _constraint(self, constraint: Any) -> tuple[str, str]:
        """The name of a constraint, and what it is."""
        table = constraint.table
        try:
            compiler = self._dialect.ddl_compiler(self._dialect, AddConstraint(constraint))
            text = " ".join(str(compiler.process(constraint)).replace("%%", "%").split())
        except Exception:  # a constraint of a plugin's own kind
            text = f"a {type(constraint).__name__}"
        name = constraint.name
        columns = ", ".join(column.name for column in getattr(constraint, "columns", ()))
        return self.name(table.schema, table.name, str(name) if name else f"({columns})"), text


def _entity_kind(target: Any, what: str) -> str:
    """The kind of a plugin's entity, after its class: `PGFunction` is a function."""
    name = type(target).__name__
    if name.startswith("PG"):
        words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name[2:])
        return words.strip("-")
    return "enum" if "enum" in what else what.replace("_", "-")


Describe = Callable[[_Words, Any], Iterator[ModelDifference]]

KNOWN: tuple[tuple[type[Any], Describe], ...] = (
    (ops.CreateTableOp, _Words.table),
    (ops.DropTableOp, _Words.table_too_many),
    (ops.AddColumnOp, _Words.column),
    (ops.DropColumnOp, _Words.column_too_many),
    (ops.AlterColumnOp, _Words.altered),
    (ops.CreateIndexOp, _Words.index),
    (ops.DropIndexOp, _Words.index_too_many),
    (ops.AddConstraintOp, _Words.constraint),
    (ops.DropConstraintOp, _Words.constraint_too_many),
    (ops.CreateTableCommentOp, _Words.comment),
    (ops.DropTableCommentOp, _Words.comment),
)
