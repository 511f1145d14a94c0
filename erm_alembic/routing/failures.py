"""What an error on a server means for the read that met it, told by SQLSTATE: drivers name their classes apart."""

from __future__ import annotations

from sqlalchemy import exc

__all__ = ["CONFLICTS", "READ_ONLY", "is_in_recovery", "sqlstate_of", "worth_another_server"]

READ_ONLY = "25006"
# A query that stood in the way of the replay; as a deadlock over buffers it is 40P01.
CONFLICTS = frozenset({"40001", "40P01"})

# A recovery conflict, a server that ends or begins (57P01 to 57P05), no connection left (53300), none had or lost
# (class 08), a write that nobody recognised, a snapshot that is gone.
_PASSING = CONFLICTS | frozenset({"57P01", "57P02", "57P03", "57P05", "53300", READ_ONLY, "72000"})


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE of an error of SQLAlchemy's, whatever the driver; None where it has none.

    Example:
        >>> sqlstate_of(ValueError()) is None
        True
    """
    original = getattr(error, "orig", None)
    while original is not None:
        state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
        if state:
            return str(state)
        original = original.__cause__
    return None


def worth_another_server(error: BaseException) -> bool:
    """Whether a read that failed on a replica may succeed elsewhere."""
    if isinstance(error, exc.TimeoutError):  # no connection of the pool became free
        return True
    if not isinstance(error, exc.DBAPIError):
        return isinstance(error, OSError)  # asyncpg's connect
    state = sqlstate_of(error)
    if error.connection_invalidated or (state is None and isinstance(error, exc.OperationalError | exc.InterfaceError)):
        return True
    return state is not None and (state in _PASSING or state.startswith("08"))


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
