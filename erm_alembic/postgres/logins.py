"""Connections that were opened with a login that ends: who may still have one, and what to do when a login is refused.

PostgreSQL does not end a session when its role's `VALID UNTIL` passes, but a secret manager may drop the role, or end
its sessions. So a pool's connection makes room for one with the next login before that.
"""

from __future__ import annotations

import asyncio
import random
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn
from sqlalchemy import Dialect, Engine, event, exc
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from erm_alembic.config.credentials import Credential, was_refused
from erm_alembic.config.dsn import DatabaseUrl

__all__ = ["connect_as_of_now", "is_ending", "log_in_at_each_connection", "tell_refusal", "without_login"]

Connection = TypeVar("Connection")

# A connection that is younger, in seconds, is handed out whatever comes next: its login may have been replaced while it
# was opened, and a pool that opens another one each time gives up.
_JUST_OPENED = 2.0


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a connection was opened with, and by how much its end is put apart from the others'."""

    credential: Credential
    spread: float
    at: float = field(default_factory=lambda: time.monotonic())

    @property
    def is_ending(self) -> bool:
        """Whether it should make room for another one."""
        if time.monotonic() - self.at < _JUST_OPENED and not self.credential.is_over and not self.credential.is_revoked:
            return False
        return self.credential.ends_session(self.spread)


_opened: weakref.WeakKeyDictionary[Any, _Opened] = weakref.WeakKeyDictionary()


def connect_as_of_now(url: DatabaseUrl, connect: Callable[[DatabaseUrl], Connection]) -> Connection:
    """Connect with the login that is good at this moment; where the server refuses it, once more with another one.

    Args:
        url: the address.
        connect: opens a connection to an address that holds its password.

    Raises:
        ConfigurationError: there is no login to be had.
        Exception: what `connect` raises.
    """
    opened, credential = url.with_credential()
    try:
        connection = connect(opened)
    except Exception as error:
        found = _another(url, opened, credential, error)
        if found is None:
            raise
        opened, credential = found
        connection = connect(opened)
    _remember(connection, credential)
    return connection


def is_ending(connection: Any) -> bool:
    """Whether the login that a connection was opened with is about to end, and there is another one.

    Args:
        connection: a driver's, or what SQLAlchemy has around it.
    """
    if not _opened:
        return False
    known = _opened.get(getattr(connection, "driver_connection", connection))
    return known is not None and known.is_ending


def log_in_at_each_connection(engine: Engine, locate: Callable[[], DatabaseUrl]) -> None:
    """Let an engine connect with the login of the moment, and replace connections whose login is about to end.

    Args:
        engine: one that was just made, also within an asynchronous one; its own address has no password.
        locate: gives the address, whose login is asked for.
    """

    def connect(dialect: Dialect, _record: Any, arguments: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
        def once(found: DatabaseUrl) -> Any:
            login = {name: found.parameters[name] for name in ("user", "password") if name in found.parameters}
            return dialect.connect(*arguments, **{**parameters, **login})

        if not dialect.is_async:
            return connect_as_of_now(locate(), once)
        # A provider may take its time, and nobody else of the loop is to wait for it.
        opened, credential = await_only(asyncio.to_thread(lambda: locate().with_credential()))
        try:
            connection = once(opened)
        except Exception as error:
            refused = error
            found = await_only(asyncio.to_thread(lambda: _another(locate(), opened, credential, refused)))
            if found is None:
                raise
            credential = found[1]
            connection = once(found[0])
        _remember(connection, credential)
        return connection

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "checkout", _taken)
    event.listen(engine, "checkin", _given_back)


def without_login(url: DatabaseUrl) -> DatabaseUrl:
    """An address without the login that is asked for at each connection; any other as it is.

    Args:
        url: the address.
    """
    return url if url.logins is None else url.with_parameters(password="")


def tell_refusal(dsn: str, error: Exception) -> None:
    """Hear that a connection could not be opened: where that is about its login, the next one gets another.

    Args:
        dsn: the address, as libpq takes it.
        error: what was raised.
    """
    try:
        parameters = parse_dsn(dsn)
    except ProgrammingError:
        return
    user, password = parameters.get("user"), parameters.get("password")
    if user and password and _is_about_login(error, user):
        was_refused(user, password)


def _another(
    url: DatabaseUrl, opened: DatabaseUrl, credential: Credential | None, error: Exception
) -> tuple[DatabaseUrl, Credential] | None:
    """The address with another login, where the first was refused and there is one."""
    user = opened.parameters.get("user")
    if url.logins is None or credential is None or user is None or not _is_about_login(error, user):
        return None
    found = url.logins.after_refusal(url.parameters, credential)
    return None if found is None else (url.with_login(found), found)


def _is_about_login(error: Exception, user: str) -> bool:
    """Whether a server has spoken of the role: by its quoted name, since its words are of any language."""
    return f'"{user}"' in str(error)


def _remember(connection: Any, credential: Credential | None) -> None:
    if credential is not None and credential.secret.ends_sessions:
        driver = getattr(connection, "driver_connection", connection)
        _opened[driver] = _Opened(credential, random.random())


def _taken(connection: Any, _entry: ConnectionPoolEntry, _fairy: Any) -> None:
    if is_ending(connection):
        raise exc.DisconnectionError("the login that it was opened with is about to end")


def _given_back(connection: Any, entry: ConnectionPoolEntry) -> None:
    if connection is not None and is_ending(connection):
        entry.invalidate()
