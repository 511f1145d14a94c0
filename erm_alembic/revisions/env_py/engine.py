"""An engine on erm's connection that does what the engine of env.py does: its listeners, options and serializers.

A connection can be given to env.py's engine only where both speak through one driver, and erm's must go on living when
env.py closes its own. So a second engine is made after the first one: it shares the listeners, has a copy of the
dialect, and its only connection is erm's.

`dispatch` and `_has_events` of engines, connections and pools, and the attributes in which a dialect keeps what
create_engine() was told, are private names of SQLAlchemy; tests/env_py/test_sqlalchemy_names.py watches them.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, Pool

from erm_alembic.postgres.intercept import tell_cursors

__all__ = ["begun_again", "connection_like", "go_on_like", "listens_to_statements"]

STATEMENT_EVENTS = ("before_execute", "after_execute", "before_cursor_execute", "after_cursor_execute")
CURSOR_EVENTS = ("do_execute", "do_executemany", "do_execute_no_params", "do_setinputsizes")
# Where SQLAlchemy itself makes what it hangs on each engine's pool.
SQLALCHEMYS_OWN = ("sqlalchemy.engine.create", "sqlalchemy.engine.default", "sqlalchemy.util.langhelpers")
# What is told by the session itself, or belongs to the wire.
NOT_COPIED = frozenset({"_on_connect_isolation_level", "client_encoding", "paramstyle", "positional"})


def connection_like(theirs: Connection, ours: Connection, not_called: Callable[[str], None]) -> Connection:
    """A connection on erm's session that listens, translates and serializes as env.py's own does.

    Args:
        theirs: the connection that env.py hands to context.configure().
        ours: erm's, on an engine that nothing listens to; not in a transaction.
        not_called: told each listener that cannot be called on erm's connection, for it is one for another driver.
    """
    dialect = _dialect_like(theirs.dialect, ours.dialect)
    tell_cursors(dialect)
    pool = NullPool(_creator(ours), reset_on_return=None, dialect=dialect)
    set_up = dialect.on_connect_url(ours.engine.url)
    if set_up is not None:
        event.listen(pool, "connect", lambda connection, _entry: set_up(connection))
    same_driver = isinstance(theirs.dialect, PGDialect_psycopg2)
    for name, listener in _listeners_of(theirs.engine.pool, pool):
        event.listen(pool, name, listener if same_driver else _forgiving(listener, not_called))
    engine = Engine(pool, dialect, ours.engine.url)
    _listen_like(theirs.engine, engine)
    if options := _options_of(theirs.engine):
        engine.update_execution_options(**options)
    connection = engine.connect()
    go_on_like(theirs, connection)
    return connection


def go_on_like(theirs: Connection, connection: Connection) -> None:
    """Take over what env.py has said of its connection until now: options, and listeners on it alone.

    Args:
        theirs: env.py's connection.
        connection: what `connection_like` has made of it.
    """
    _listen_like(theirs.engine, connection.engine)
    _listen_like(theirs, connection)
    options = _options_of(theirs)
    if options != _options_of(connection):
        connection.execution_options(**options)


def begun_again(connection: Connection) -> None:
    """Tell who listens that a transaction was rolled back below SQLAlchemy and goes on as a new one.

    Args:
        connection: the connection that revisions run on.
    """
    if connection.in_transaction():
        heard: Any = connection.dispatch
        heard.rollback(connection)
        heard.begin(connection)


def _options_of(connectable: Connection | Engine) -> dict[str, Any]:
    """The execution options of env.py's connection or engine; the isolation level is told by its session."""
    return {name: value for name, value in connectable.get_execution_options().items() if name != "isolation_level"}


def listens_to_statements(connection: Connection) -> bool:
    """Whether anything of the project listens to statements, and so may change them, or send more.

    Args:
        connection: the connection that revisions run on.
    """
    seen: Any = connection.dispatch
    below: Any = connection.dialect.dispatch
    listeners = [each for name in STATEMENT_EVENTS for each in getattr(seen, name)]
    listeners += [each for name in CURSOR_EVENTS for each in getattr(below, name)]
    return any(not _module(listener).startswith("erm_alembic.") for listener in listeners)


def _listen_like(theirs: Any, ours: Any) -> None:
    """Let the same listeners hear of both, also those that are added later."""
    ours.dispatch = theirs.dispatch
    if theirs._has_events:
        ours._has_events = True


def _creator(ours: Connection) -> Callable[[], Any]:
    """Gives erm's own connection first, and then further ones of the same kind."""
    waiting = [ours.connection.dbapi_connection]

    def create() -> Any:
        if waiting:
            return waiting.pop()
        another = ours.engine.pool.connect()
        raw = another.dbapi_connection
        another.detach()
        return raw

    return create


def _dialect_like(theirs: Dialect, ours: Dialect) -> Dialect:
    """A dialect for erm's connection that compiles and converts as env.py's does."""
    source: Any = theirs
    if isinstance(theirs, PGDialect_psycopg2):
        dialect: Any = copy.copy(source)
    else:
        dialect = copy.copy(ours)
        for name, value in _told(source).items():
            if hasattr(dialect, name):
                setattr(dialect, name, value)
        dialect.max_identifier_length = source.max_identifier_length
        dialect.dispatch = source.dispatch
        if source._has_events:
            dialect._has_events = True
    dialect.do_close = ours.do_close
    found: Dialect = dialect
    return found


def _told(dialect: Any) -> dict[str, Any]:
    """What create_engine() was told of a dialect: where it differs from a fresh one."""
    with contextlib.suppress(SQLAlchemyError, TypeError):
        fresh = vars(create_engine(URL.create(f"{dialect.name}+{dialect.driver}")).dialect)
        return {
            name: value
            for name, value in vars(dialect).items()
            if name in fresh and name not in NOT_COPIED and _differs(value, fresh[name])
        }
    return {}


def _differs(value: Any, fresh: Any) -> bool:
    plain = (str, int, float, bool, type(None))
    return value is not fresh and (isinstance(value, plain) or callable(value)) and bool(value != fresh)


def _listeners_of(theirs: Pool, ours: Pool) -> Iterator[tuple[str, Callable[..., Any]]]:
    """What the project hung on its engine's pool, by event; those on all pools hear of ours by themselves."""
    seen: Any = theirs.dispatch
    heard: Any = ours.dispatch
    for name in sorted(seen._event_names):
        already = list(getattr(heard, name))
        for listener in getattr(seen, name):
            if listener not in already and not _module(listener).startswith(SQLALCHEMYS_OWN):
                yield name, listener


def _forgiving(listener: Callable[..., Any], not_called: Callable[[str], None]) -> Callable[..., None]:
    """A listener that was written for the connections of another driver; many are content with any."""

    def call(connection: Any, *args: Any) -> None:
        try:
            listener(connection, *args)
        except Exception:  # whatever it asks of a connection that is none of its driver's
            with contextlib.suppress(psycopg2.Error):
                connection.rollback()
            not_called(_name(listener))

    return call


def _module(listener: Any) -> str:
    return str(getattr(listener, "__module__", None) or "")


def _name(listener: Any) -> str:
    return f"{_module(listener)}.{getattr(listener, '__qualname__', type(listener).__name__)}"
