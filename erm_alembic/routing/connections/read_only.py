"""What a session sends to the primary within a block that prevents writes: carried out so that nothing can be written.

What is known to write is refused before it is sent. Whatever else is not known to be a pure read runs in a savepoint
whose transaction is READ ONLY, so that the server refuses what writes. When the savepoint is released the rest of the
transaction is as it was: it may have been begun before the block, and may write after it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.sql.elements import ReleaseSavepointClause, RollbackToSavepointClause, SavepointClause

from erm_alembic.errors import WritePrevented
from erm_alembic.routing.connections.prevented_text import objection
from erm_alembic.routing.deciding.classify import is_known_write
from erm_alembic.routing.failures import READ_ONLY, sqlstate_of
from erm_alembic.routing.options import ReadMode

__all__ = ["Guard", "commits_by_itself", "is_held", "is_prevented", "prevented", "refuse_writes", "told", "watch"]

_SAVEPOINT = "erm_reads_only"
# Of what is sent: whether it runs in that savepoint.
_HELD = "_erm_reads_only"
# The execution option of what is sent for the block itself.
_OWN = "erm_sent_for_a_block"
_SAVEPOINTS = (SavepointClause, RollbackToSavepointClause, ReleaseSavepointClause)


class Guard(Protocol):
    """Who says what may be sent for a session."""

    def prevents_writes(self, execution_options: Mapping[str, Any]) -> bool:
        """Whether something with these execution options may only read."""

    def is_read(self, compiled: Any) -> bool:
        """Whether what is about to be sent is known to be a pure read."""


# Whose session a connection is used by.
_guards: weakref.WeakKeyDictionary[Connection, Guard] = weakref.WeakKeyDictionary()


def watch(connection: Connection, guard: Guard) -> None:
    """Look from now on at what is sent over a connection.

    Args:
        connection: one to the primary.
        guard: of the session that uses it; another one's before does not count any more.
    """
    known = connection in _guards
    _guards[connection] = guard
    if not known:
        event.listen(connection, "before_cursor_execute", _hold)
        event.listen(connection, "after_cursor_execute", _release)


def prevented(effect: str = "It was not sent.", cure: str = "") -> WritePrevented:
    """What is raised where something is written within such a block.

    Args:
        effect: what became of it.
        cure: what to do instead; empty for writing elsewhere.
    """
    return WritePrevented(
        "Something is written within a block that prevents writes.",
        effect=effect,
        cure=cure or "Write outside of replica_read(prevent_writes=True).",
    )


def is_prevented(mode: ReadMode, mapper: Any, clause: Any) -> bool:
    """Whether something would be written where only reads are meant.

    Args:
        mode: what holds for the statement.
        mapper: what is mapped, where the ORM knows it.
        clause: the statement; None where nothing is known of what follows.
    """
    return mode.prevent_writes and (is_known_write(clause) or (clause is None and mapper is not None))


def refuse_writes(mode: ReadMode, mapper: Any, clause: Any) -> None:
    """Refuse what is known to write where somebody asked for that.

    Args:
        mode: what holds for it.
        mapper: what is mapped, where the ORM knows it.
        clause: the statement; None where a connection is asked for.

    Raises:
        WritePrevented: it writes.
    """
    if is_prevented(mode, mapper, clause):
        raise prevented()


def commits_by_itself(connection: Connection) -> bool:
    """Whether a connection commits each statement; where its driver does not say, it may."""
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", True))


def is_held(context: Any) -> bool:
    """Whether something that was sent may not write because a block says so.

    Args:
        context: what SQLAlchemy knows of its execution.
    """
    return bool(getattr(context, _HELD, False))


def told(context: ExceptionContext) -> WritePrevented | None:
    """What an engine's error says where a server refused to write for a block; None where it says something else.

    Args:
        context: the error, as the engine's `handle_error` tells it.
    """
    refused = context.sqlalchemy_exception or context.original_exception
    if context.connection is None or not is_held(context.execution_context) or sqlstate_of(refused) != READ_ONLY:
        return None
    if not context.is_disconnect:
        _send(context.connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
    return prevented("The server refused it; what the transaction did before is as it was.")


def _hold(connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    guard = _guards.get(connection)
    if guard is None or context.execution_options.get(_OWN) or not guard.prevents_writes(context.execution_options):
        return
    if context.isinsert or context.isupdate or context.isdelete or context.isddl:
        raise prevented()
    if guard.is_read(context.compiled) or _is_of_a_savepoint(context.compiled):
        return
    if commits_by_itself(connection):
        raise prevented(
            cure="Over a connection in AUTOCOMMIT only what is known to be a pure read can be sent there: nothing else "
            "can be held to it. Send it outside of replica_read(prevent_writes=True)."
        )
    if (why := objection(statement, connection.dialect.server_version_info or ())) is not None:
        raise prevented(cure=why)
    _send(connection, f"SAVEPOINT {_SAVEPOINT}")
    _send(connection, "SET TRANSACTION READ ONLY")
    setattr(context, _HELD, True)


def _release(
    connection: Connection, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
) -> None:
    if is_held(context):
        _send(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")


def _send(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={_OWN: True})


def _is_of_a_savepoint(compiled: Any) -> bool:
    """Whether SQLAlchemy makes, leaves or goes back to a savepoint of the session's, which writes nothing by itself."""
    return compiled is not None and isinstance(compiled.statement, _SAVEPOINTS)
