"""Alembic's own version table: what a script without Alembic begins with, and how a step is recorded in little time.

`MigrationContext._version`, `_has_version_table`, `_ensure_version_table` and `HeadMaintainer` are private names;
tests/revisions/test_alembic_names.py watches them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence

from alembic.runtime import migration
from alembic.runtime.migration import HeadMaintainer, MigrationContext
from alembic.util import CommandError
from sqlalchemy import MetaData, Table
from sqlalchemy.schema import CreateTable

from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["has_version_table", "script_start", "set_heads", "version_table", "written_without_compiling"]


class _TextHeads(HeadMaintainer):
    """Alembic's bookkeeping, word for word, without compiling each statement anew: a tenth of a large upgrade's time.

    A version table that is more than Alembic's own column (`version_table_impl`) is left to Alembic.
    """

    note: Callable[[str], None] | None = None

    def __init__(self, context: MigrationContext, heads: Sequence[str]) -> None:
        super().__init__(context, heads)
        version = context._version
        column = version.columns[0]
        plain = len(version.columns) == 1 and not (column.default or column.onupdate or column.server_default)
        self._table = _formatted(context) if plain and not context.as_sql else ""

    def _insert_version(self, version: str) -> None:
        if not self._table:
            super()._insert_version(version)
            return
        self.heads.add(version)
        self._send(f"INSERT INTO {self._table} (version_num) VALUES ({_literal(version)})")  # noqa: S608 - quoted

    def _delete_version(self, version: str) -> None:
        if not self._table:
            super()._delete_version(version)
            return
        self.heads.remove(version)
        gone = f"DELETE FROM {self._table} WHERE {self._table}.version_num = {_literal(version)}"  # noqa: S608 - quoted
        self._expect_one(self._send(gone), f"deleting '{version}'")

    def _update_version(self, from_: str, to_: str) -> None:
        if not self._table:
            super()._update_version(from_, to_)
            return
        self.heads.remove(from_)
        self.heads.add(to_)
        table = self._table
        moved = self._send(
            f"UPDATE {table} SET version_num={_literal(to_)} WHERE {table}.version_num = {_literal(from_)}"  # noqa: S608 - quoted
        )
        self._expect_one(moved, f"updating '{from_}' to '{to_}'")

    def _send(self, statement: str) -> int:
        if self.note is not None:
            self.note(_halved(statement))
            return 1
        connection = self.context.connection
        assert connection is not None
        return connection.exec_driver_sql(statement).rowcount

    def _expect_one(self, found: int, doing: str) -> None:
        if found != 1:
            table = self.context.version_table
            raise CommandError(f"Online migration expected to match one row when {doing} in '{table}'; {found} found")


@contextlib.contextmanager
def written_without_compiling(note: Callable[[str], None] | None) -> Iterator[None]:
    """Let Alembic write its version table as text for as long as the block lasts.

    Args:
        note: told each statement, which is not sent then; None sends it.
    """
    theirs = migration.HeadMaintainer
    heads = type("_TextHeads", (_TextHeads,), {"note": staticmethod(note) if note is not None else None})
    migration.HeadMaintainer = heads  # type: ignore[misc, assignment]  # what run_migrations() makes its heads with
    try:
        yield
    finally:
        migration.HeadMaintainer = theirs  # type: ignore[misc]  # as it was


def _literal(text: str) -> str:
    """A revision's id as an SQL literal, in a text whose percent signs the driver halves."""
    return sql_literal(text).replace("%", "%%")


def _formatted(context: MigrationContext) -> str:
    """The version table's name for the driver."""
    return context.dialect.identifier_preparer.format_table(_translated(context))


def _translated(context: MigrationContext) -> Table:
    """The version table in the schema to which env.py's connection translates its own."""
    version, connection = context._version, context.connection
    schema = version.schema if connection is None else connection.schema_for_object(version)
    return version if schema is None or schema == version.schema else version.to_metadata(MetaData(), schema=schema)


def has_version_table(context: MigrationContext) -> bool:
    """Whether the version table that env.py names is there.

    Args:
        context: Alembic's context as env.py configured it.
    """
    return context._has_version_table()


def set_heads(context: MigrationContext, wanted: Collection[str]) -> None:
    """Let the version table, which is made where it is missing, record these revisions and no others.

    Args:
        context: Alembic's context as env.py configured it, with a transaction open; whoever opened it commits.
        wanted: the revisions.
    """
    context._ensure_version_table()
    rows = context.get_current_heads()
    if len(set(rows)) < len(rows):  # which Alembic cannot delete one by one
        connection = context.connection
        assert connection is not None
        connection.exec_driver_sql(f"DELETE FROM {_formatted(context)}")  # noqa: S608 - quoted
        rows = ()
    heads = migration.HeadMaintainer(context, rows)
    for gone in sorted(heads.heads - set(wanted)):
        heads._delete_version(gone)
    for new in sorted(set(wanted) - heads.heads):
        heads._insert_version(new)


def version_table(context: MigrationContext) -> str:
    """The version table that env.py names, quoted for SQL where it must be; without a schema where env.py names none.

    Args:
        context: Alembic's context as env.py configured it.
    """
    return _halved(_formatted(context))


def script_start(context: MigrationContext, heads: Sequence[str]) -> str:
    """What a script begins with, so that it goes on only in a database that stands where the plan found it.

    Args:
        context: Alembic's context as env.py configured it.
        heads: the revisions that the database records.

    Returns:
        The CREATE TABLE of the version table where there is none, else a block that raises unless the same revisions
        are recorded.
    """
    if not context._has_version_table():
        made = CreateTable(_translated(context)).compile(dialect=context.dialect)
        return _halved(str(made).strip())
    table = version_table(context)
    expected = ", ".join(sorted(heads)) or "no revision"
    recorded = f"(SELECT coalesce(array_agg(version_num::text ORDER BY version_num::text), '{{}}') FROM {table})"  # noqa: S608 - quoted
    wanted = f"ARRAY[{', '.join(sql_literal(head) for head in sorted(heads))}]::text[]"
    message = sql_literal(f"this script starts at {expected}; the database does not".replace("%", "%%"))
    body = f"BEGIN IF {recorded} IS DISTINCT FROM {wanted} THEN RAISE EXCEPTION {message}; END IF; END"
    return f"DO {sql_literal(body)}"


def _halved(text: str) -> str:
    """SQLAlchemy doubles each percent sign for the driver; a script is run without one."""
    return text.replace("%%", "%")
