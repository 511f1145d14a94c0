"""The calls that change nothing in a database: what a revision may do and still not have done anything.

Everything that is not listed here is taken to do something, so that an unknown helper is never a false alarm.
"""

from __future__ import annotations

__all__ = ["INERT_BUILTINS", "always_exits", "is_inert"]

INERT_BUILTINS = frozenset(
    [
        "abs",
        "all",
        "any",
        "bool",
        "bytes",
        "callable",
        "chr",
        "dict",
        "dir",
        "divmod",
        "enumerate",
        "float",
        "format",
        "frozenset",
        "getattr",
        "globals",
        "hasattr",
        "hash",
        "hex",
        "id",
        "int",
        "isinstance",
        "issubclass",
        "iter",
        "len",
        "list",
        "locals",
        "max",
        "min",
        "next",
        "object",
        "oct",
        "ord",
        "pow",
        "print",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "slice",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "vars",
        "zip",
    ]
)

_EXITS = frozenset({"exit", "quit", "sys.exit", "os._exit", "os.abort"})

# Modules that compute, speak or wait, and cannot reach a database.
_INERT_MODULES = frozenset(
    [
        "click",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "itertools",
        "json",
        "logging",
        "loguru",
        "math",
        "random",
        "re",
        "rich",
        "string",
        "structlog",
        "textwrap",
        "time",
        "traceback",
        "typer",
        "typing",
        "uuid",
        "warnings",
    ]
)

_INERT_CALLS = frozenset(
    {
        "alembic.op.batch_alter_table",  # an empty batch runs nothing
        "alembic.op.f",
        "alembic.op.get_bind",
        "alembic.op.get_bind().begin",
        "alembic.op.get_bind().begin_nested",
        "alembic.op.get_context",
        "alembic.context.get_context().autocommit_block",
        "alembic.op.get_context().autocommit_block",
        "alembic.context.get_context().begin_transaction",
        "alembic.op.get_context().begin_transaction",
        "functools.cache",
        "functools.lru_cache",
        "functools.partial",
        "functools.wraps",
        "os.environ.get",
        "os.getenv",
        "sys.stderr.flush",
        "sys.stderr.write",
        "sys.stdout.flush",
        "sys.stdout.write",
    }
)

_ACTING_METHODS = frozenset(
    [
        "configure",
        "create",
        "create_all",
        "drop",
        "drop_all",
        "execute",
        "listen",
        "run_migrations",
    ]
)
# What these begin stays a value, however many methods are called on it: `sa.table(...).delete().where(...)`.
_SQL_BUILDERS = tuple(
    f"sqlalchemy.{name}()"
    for name in [
        "and_",
        "bindparam",
        "case",
        "cast",
        "column",
        "delete",
        "insert",
        "literal",
        "or_",
        "select",
        "table",
        "text",
        "tuple_",
        "update",
    ]
)
_LOGGER_NAMES = frozenset({"log", "logger"})
_LOGGER_METHODS = frozenset(
    [
        "critical",
        "debug",
        "error",
        "exception",
        "fatal",
        "info",
        "log",
        "notice",
        "success",
        "trace",
        "warn",
        "warning",
    ]
)


def is_inert(origin: str) -> bool:
    """Whether calling the thing with this dotted origin changes nothing in a database.

    Args:
        origin: the dotted path of what is called, `()` standing for a call on the way.

    Example:
        >>> [is_inert(name) for name in ("alembic.op.get_bind", "alembic.op.drop_table", "app.logger.info")]
        [True, False, True]
    """
    if origin in _INERT_CALLS:
        return True
    root, _, rest = origin.partition(".")
    path, _, method = origin.rpartition(".")
    if root in _INERT_MODULES:
        return True
    if rest and method in _LOGGER_METHODS and path.rpartition(".")[2].strip("_").lower() in _LOGGER_NAMES:
        return True
    if origin.startswith(("alembic.context.", "alembic.util.")):
        # What `context.get_bind()` or `context.get_context().impl` offers may act.
        return "()" not in origin and method not in _ACTING_METHODS
    # `sa.Table(...)` builds a value; what is then called on the value may act.
    if origin.startswith(_SQL_BUILDERS):
        return method not in _ACTING_METHODS
    return root == "sqlalchemy" and "()" not in origin and method not in _ACTING_METHODS


def always_exits(origin: str) -> bool:
    """Whether calling it ends the process, which for a down script is the same as raising.

    Example:
        >>> always_exits("sys.exit")
        True
    """
    return origin in _EXITS
