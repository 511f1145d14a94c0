"""How long a server may take to accept a connection: drivers wait forever, or not long enough for the next host."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from erm_alembic.config.dsn import DatabaseUrl

__all__ = ["connect_by_host", "connect_timeout", "with_connect_timeout"]

# Seconds for each host, where neither the address nor PGCONNECT_TIMEOUT says otherwise.
_PATIENCE = 5
_KEYWORD = "connect_timeout"


def connect_timeout(url: DatabaseUrl) -> float | None:
    """How long one host may take, in seconds; None sets no bound, as libpq's zero.

    Args:
        url: the server's address.
    """
    asked = url.parameters.get(_KEYWORD) or os.environ.get("PGCONNECT_TIMEOUT") or ""
    try:
        seconds = int(asked) if asked else _PATIENCE
    except ValueError:
        seconds = _PATIENCE  # libpq refuses it in its own words
    return seconds if seconds > 0 else None


def with_connect_timeout(url: DatabaseUrl) -> DatabaseUrl:
    """The address with the bound in libpq's words, unless it or the environment has one.

    Args:
        url: the server's address.

    Example:
        >>> with_connect_timeout(DatabaseUrl.parse("postgresql://db/shop?connect_timeout=9")).dsn()
        'postgresql://db/shop?connect_timeout=9'
    """
    if _KEYWORD in url.parameters or os.environ.get("PGCONNECT_TIMEOUT"):
        return url
    return url.with_parameters(**{_KEYWORD: str(_PATIENCE)})


def connect_by_host(timeout: float | None) -> Callable[..., Awaitable[Any]]:
    """Connects by asyncpg to the first of several hosts that will do, each with a time of its own.

    asyncpg's own timeout is one for all hosts: where the first of them does not answer, it never comes to the second.

    Args:
        timeout: how long each host may take, in seconds; None sets no bound.
    """

    async def connect(*arguments: Any, **keywords: Any) -> Any:
        import asyncpg

        keywords = {"timeout": timeout, **keywords}
        hosts, ports = keywords.get("host"), keywords.get("port")
        if not isinstance(hosts, list) or keywords.get("target_session_attrs") == "prefer-standby":
            return await asyncpg.connect(*arguments, **keywords)
        if not isinstance(ports, list):
            ports = [ports] * len(hosts)
        last: Exception | None = None
        for host, port in zip(hosts, ports, strict=True):
            try:
                return await asyncpg.connect(*arguments, **{**keywords, "host": host, "port": port})
            except _next_host(asyncpg) as error:
                last = error
        raise last or ValueError("an address without a host")

    return connect


def _next_host(asyncpg: Any) -> tuple[type[Exception], ...]:
    """What says that a host will not do, and nothing about the next one."""
    return (
        OSError,
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        asyncpg.TargetServerAttributeNotMatched,
    )
