"""What an application's tests find in the template besides its revisions: SQL, or what a function of theirs makes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import psycopg2
from sqlalchemy import Engine

from erm_alembic.config.redaction import first_line
from erm_alembic.errors import ProjectError
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.shadow.child.shared_objects import SharedObjects
from erm_alembic.shadow.recipe import told_apart
from erm_alembic.shadow.server import connected
from erm_alembic.testing.sandbox.serving import refuse_lacking

__all__ = ["Making", "made_in", "what_makes"]

Making = str | Callable[[Engine], object] | None


def what_makes(making: Making, run: str) -> str | None:
    """What decides what comes out: the text, or this very run, since nobody knows what a function depends on.

    Args:
        making: what is made.
        run: the name of this run of tests.

    Example:
        >>> what_makes("SELECT 1", "a") == what_makes("SELECT 1", "b"), what_makes(print, "a") == what_makes(print, "b")
        (True, False)
    """
    if making is None:
        return None
    return told_apart(["text", making] if isinstance(making, str) else ["run", run])


def made_in(fixture: str, making: Making, address: str, engine: Engine) -> None:
    """Make it in a database.

    Args:
        fixture: the fixture that told it, for messages.
        making: what is made: SQL, whose roles are stood in for where they are missing, or a function of the engine.
        address: the database, as a libpq URI.
        engine: leads there too.

    Raises:
        ProjectError: the server refuses the SQL.
        Exception: whatever the function raises.
    """
    try:
        if isinstance(making, str):
            _run(fixture, making, address)
        elif making is not None:
            making(engine)
    finally:
        engine.dispose()


def _run(fixture: str, text: str, address: str) -> None:
    def connect() -> GatedConnection:
        connection = connected(address)
        connection.autocommit = True
        return connection

    lacking: list[str] = []
    with contextlib.closing(connect()) as connection:
        # Roles belong to the server, where an earlier run may have made them.
        connection.gate = SharedObjects(connect, {}, _look_away, lacking=lacking.append)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
        except psycopg2.Error as error:
            raise ProjectError(
                f"The SQL of {fixture} fails: {first_line(error.diag.message_primary or error)}",
                effect="No test database was made.",
                cure=f"Correct the fixture {fixture}.",
            ) from error
    refuse_lacking(lacking, fixture)


def _look_away(_note: str, _nothing: Any = None) -> None:
    """Whoever prepares a database knows what stands in it."""
