"""What an error on a server means for the read that met it, told by SQLSTATE: drivers name their classes apart."""

from __future__ import annotations

from sqlalchemy import exc

from erm_alembic.errors import TargetError

__all__ = [
    "NOT_SUPPORTED",
    "READ_ONLY",
    "OtherServer",
    "blames_the_server",
    "is_in_recovery",
    "is_of_an_ended_transaction",
    "sqlstate_of",
    "worth_another_server",
]

READ_ONLY = "25006"
NOT_SUPPORTED = "0A000"  # on a standby: unlogged tables, SERIALIZABLE
_FAILED_TRANSACTION = "25P02"
# A query that stood in the way of the replay; as a deadlock over buffers it is 40P01.
_CONFLICTS = frozenset({"40001", "40P01"})

# A recovery conflict, a server that ends or begins (57P01 to 57P05), no connection left (53300), none had or lost
# (class 08), a write that nobody recognised, what no standby can do, a snapshot that is gone.
_PASSING = _CONFLICTS | frozenset({"57P01", "57P02", "57P03", "57P05", "53300", READ_ONLY, NOT_SUPPORTED, "72000"})


class OtherServer(TargetError):
    """A connection has led to another server than the one that was judged."""


# Of those who may not connect, whatever the reason: no such role, another password, a database that is not there.
_REFUSALS = frozenset({"28", "3D"})


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE of an error of SQLAlchemy's or a driver's, whichever; None where it has none.

    Example:
        >>> sqlstate_of(ValueError()) is None
        True
    """
    original = error if _is_a_drivers(error) else getattr(error, "orig", None)
    while original is not None:
        state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
        if state:
            return str(state)
        original = original.__cause__
    return None


def worth_another_server(error: BaseException) -> bool:
    """Whether a read that failed on a replica may succeed elsewhere."""
    # No connection of the pool became free, or none led to the server that is known; asyncpg's connect.
    if isinstance(error, exc.TimeoutError | OSError | OtherServer):
        return True
    if not isinstance(error, exc.DBAPIError) and not _is_a_drivers(error):
        return False
    state = sqlstate_of(error)
    if getattr(error, "connection_invalidated", False) or (state is None and _is_about_the_connection(error)):
        return True
    if isinstance(error, exc.DBAPIError) and error.statement is None:
        return True  # nothing was sent yet: whatever the server says, it accepts no connection of this role's
    return state is not None and (state in _PASSING or state.startswith("08") or state[:2] in _REFUSALS)


def blames_the_server(error: BaseException) -> bool:
    """Whether an error that is worth another server says that others would fail on this one too.

    A pool that is full here says nothing of the server; a conflict, a refused write and what no standby can do say
    nothing of the next read.

    Example:
        >>> blames_the_server(exc.TimeoutError("QueuePool limit of size 1 overflow 0 reached"))
        False
    """
    state = sqlstate_of(error)
    if isinstance(error, exc.TimeoutError | OtherServer):
        return False
    return state not in (READ_ONLY, NOT_SUPPORTED) and state not in _CONFLICTS


def is_of_an_ended_transaction(error: BaseException) -> bool:
    """Whether a statement was not carried out because an earlier one had ended its transaction, or its connection.

    Example:
        >>> is_of_an_ended_transaction(exc.PendingRollbackError("Can't reconnect"))
        True
    """
    return isinstance(error, exc.PendingRollbackError) or sqlstate_of(error) == _FAILED_TRANSACTION


def _is_a_drivers(error: BaseException) -> bool:
    """Whether a driver's own error came through: SQLAlchemy wraps what statements raise, but not what connecting to
    asyncpg does, nor setting the isolation of a connection that was lost."""
    return type(error).__module__.partition(".")[0] in ("psycopg2", "psycopg", "asyncpg")


def _is_about_the_connection(error: BaseException) -> bool:
    """Whether an error without SQLSTATE is one of those that the DB-API has for it, in any library's name."""
    return any(kind.__name__ in ("OperationalError", "InterfaceError") for kind in type(error).__mro__)


def is_in_recovery(connection: object) -> bool | None:
    """Whether a driver's connection is one to a standby, as the server said by itself; None where it does not say.

    PostgreSQL 14 and newer tells its clients (`in_hot_standby`) without being asked, also when it changes.
    """
    said: object = None
    if hasattr(connection, "pgconn"):  # psycopg
        said = connection.pgconn.parameter_status(b"in_hot_standby")
        said = said.decode("ascii") if isinstance(said, bytes) else None
    elif hasattr(connection, "get_settings"):  # asyncpg
        said = getattr(connection.get_settings(), "in_hot_standby", None)
    elif hasattr(connection, "get_parameter_status"):  # psycopg2
        said = connection.get_parameter_status("in_hot_standby")
    return None if said is None else said == "on"
