"""The words for what failed: one line, without values, passwords and what no database can keep."""

from __future__ import annotations

import contextlib

import psycopg2
import pytest

from erm_alembic.config.redaction import register_secret
from erm_alembic.execute.endings.failure import describe_failure
from tests.support.databases import Database


def test_the_first_line_only() -> None:
    """Further lines of an exception quote rows and statements; a NUL cannot be kept in a ledger."""
    assert describe_failure(ValueError("odd\x00 value\nDETAIL: Failing row contains (ann)")) == "ValueError: odd value"
    assert describe_failure(KeyError()) == "KeyError: (no message)"


def test_values_are_masked_wherever_they_stand() -> None:
    """The values of parameters are masked, nested ones too and the longer ones first."""
    parameters = [{"name": "ann", "rows": [("ann@example.org", 12345), None, True]}]
    error = ValueError("ann@example.org, ann, 12345, None and True")
    assert describe_failure(error, parameters) == "ValueError: ?, ?, ?, None and True"


def test_values_that_the_server_quotes_are_hidden(one_database: Database) -> None:
    """A value of a row that does not fit, however it is written, is not in the words; names of tables are."""
    with (
        contextlib.closing(psycopg2.connect(one_database.url)) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.DataError) as refused,
    ):
        cursor.execute("""SELECT concat('TOP"SEC"', 'RET')::int""")
    said = describe_failure(refused.value)
    assert said == 'invalid input syntax for type integer: "?" (SQLSTATE 22P02)'


def test_secrets_are_masked() -> None:
    """A password that this process knows is never in the words."""
    register_secret("correct-horse-7")
    assert (
        describe_failure(RuntimeError("postgresql://app:correct-horse-7@db")) == "RuntimeError: postgresql://app:***@db"
    )
