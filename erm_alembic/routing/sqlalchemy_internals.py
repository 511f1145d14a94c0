"""What SQLAlchemy has no public name for: each is tested, so that a version that moves one is noticed."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session
from sqlalchemy.sql import ClauseElement, Select
from sqlalchemy.sql.elements import BindParameter, Cast, TextClause, TryCast
from sqlalchemy.sql.selectable import Join, ScalarValues, Values

__all__ = [
    "compiled_alone",
    "final_statement",
    "forget_connection",
    "has_text_around",
    "in_greenlet",
    "is_flushing",
    "is_of_the_orm",
    "renders_types",
    "shape_of",
    "texts_in_from",
    "values_within",
]

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's


def in_greenlet() -> bool:
    """Whether this is called by an asynchronous session, so that its loop must not be held up."""
    greenlet = sys.modules.get("greenlet")  # which SQLAlchemy imports where it is installed
    if greenlet is None:
        return False
    # What SQLAlchemy calls `in_greenlet` itself, from 2.0.26 on; long before, only its own greenlets had a driver.
    current = greenlet.getcurrent()
    return bool(getattr(current, "__sqlalchemy_greenlet_provider__", hasattr(current, "driver")))


def shape_of(statement: ClauseElement) -> Any:
    """A statement without its parameters, as SQLAlchemy's own cache knows it; None where it does not cache it."""
    key = statement._generate_cache_key()
    return None if key is None else key.key


def final_statement(compiled: Any) -> ClauseElement:
    """What the ORM made of a statement: with the columns, joins and criteria of mapping, options and events."""
    state = compiled.compile_state
    statement: ClauseElement = compiled.statement if state is None else state.statement
    return statement


def is_of_the_orm(statement: Select[Any]) -> bool:
    """Whether the ORM adds to a statement when it is compiled."""
    return statement._propagate_attrs.get("compile_state_plugin") == "orm"


def compiled_alone(statement: Select[Any]) -> Any:
    """A statement compiled by itself, for what the ORM makes of it."""
    return statement.compile(dialect=_DIALECT)


def has_text_around(statement: Select[Any]) -> bool:
    """Whether somebody added words of SQL to a SELECT: hints, prefixes, suffixes."""
    return bool(statement._statement_hints or statement._hints or statement._prefixes or statement._suffixes)


def texts_in_from(element: Any) -> list[TextClause]:
    """What a SELECT or a join reads from that somebody wrote as text."""
    if isinstance(element, Select):
        parts = [*element._from_obj, *(joined[0] for joined in element._setup_joins)]
    else:
        parts = [element.left, element.right] if isinstance(element, Join) else []
    return [part for part in parts if isinstance(part, TextClause)]


def values_within(element: Any) -> list[ClauseElement]:
    """The expressions among the rows of a VALUES, into which SQLAlchemy's own traversal does not look."""
    if not isinstance(element, Values | ScalarValues):
        return []
    found = []
    for rows in element._data:
        for row in rows:
            for value in row:
                expression = value.__clause_element__() if hasattr(value, "__clause_element__") else value
                if isinstance(expression, ClauseElement):
                    found.append(expression)
    return found


def renders_types(element: Any) -> bool:
    """Whether the SQL of an element names its type, which then is the server's to look up."""
    return (
        isinstance(element, Cast | TryCast | postgresql.array)
        or bool(getattr(element, "_render_derived_w_types", False))
        or (isinstance(element, BindParameter) and element.type.render_bind_cast)
    )


def is_flushing(session: Session) -> bool:
    """Whether a session sends what it has collected, or objects in bulk: nothing but its own INSERT, UPDATE, DELETE."""
    return session._flushing


def forget_connection(session: Session, engine: Engine, *, lost: bool = True) -> None:
    """Take the connection to a server out of a session's transaction, which goes on without it.

    One that was lost would otherwise let the commit fail, of which it is no part.

    Args:
        session: the session.
        engine: the server's engine.
        lost: whether the connection is of no use any more; else it goes back to its pool.
    """
    transaction = session._transaction
    while transaction is not None:
        enlisted = transaction._connections.pop(engine, None)
        if enlisted is not None:
            connection = enlisted[0]
            transaction._connections.pop(connection, None)
            _let_go(connection, lost)
        transaction = transaction._parent


def _let_go(connection: Connection, lost: bool) -> None:
    try:
        if lost:
            connection.invalidate()
        connection.close()
    except Exception:  # it was lost meanwhile: whatever the driver says, nobody waits for it
        with contextlib.suppress(Exception):
            connection.invalidate()
            connection.close()
