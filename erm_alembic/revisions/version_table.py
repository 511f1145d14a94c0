"""Alembic's own version table, for a script that is run without Alembic: created first, or found as it must be.

`MigrationContext._version` and `_has_version_table` are private; tests/revisions/test_alembic_names.py watches them.
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic.runtime.migration import MigrationContext
from psycopg2.extensions import QuotedString
from sqlalchemy.schema import CreateTable

__all__ = ["has_version_table", "script_start", "version_table"]


def has_version_table(context: MigrationContext) -> bool:
    """Whether the version table that env.py names is there.

    Args:
        context: Alembic's context as env.py configured it.
    """
    return context._has_version_table()


def version_table(context: MigrationContext) -> str:
    """The version table that env.py names, quoted for SQL where it must be; without a schema where env.py names none.

    Args:
        context: Alembic's context as env.py configured it.
    """
    return _halved(context.dialect.identifier_preparer.format_table(context._version))


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
        return _halved(str(CreateTable(context._version).compile(dialect=context.dialect)).strip())
    table = _halved(context.dialect.identifier_preparer.format_table(context._version))
    expected = ", ".join(sorted(heads)) or "no revision"
    recorded = f"(SELECT coalesce(array_agg(version_num::text ORDER BY version_num::text), '{{}}') FROM {table})"  # noqa: S608 - quoted
    wanted = f"ARRAY[{', '.join(_quoted(head) for head in sorted(heads))}]::text[]"
    message = _quoted(f"this script starts at {expected}; the database does not".replace("%", "%%"))
    body = f"BEGIN IF {recorded} IS DISTINCT FROM {wanted} THEN RAISE EXCEPTION {message}; END IF; END"
    return f"DO {_quoted(body)}"


def _halved(text: str) -> str:
    """SQLAlchemy doubles each percent sign for the driver; a script is run without one."""
    return text.replace("%%", "%")


def _quoted(text: str) -> str:
    """A text as an SQL literal, quoted by the driver."""
    quoted = QuotedString(text)
    quoted.encoding = "utf8"
    return quoted.getquoted().decode()
