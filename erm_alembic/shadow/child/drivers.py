"""The database drivers of the child, which ask a guard before they connect.

psycopg2 and psycopg connect within libpq, where no hook of Python's sees them. Their names that are not public stand
here; tests/shadow/test_isolation.py fails when a new version moves them. A driver that is not loaded yet is guarded
when it is: loading it for nothing would cost more than all the rest of the child's start.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

import psycopg2
from psycopg2 import extensions

__all__ = ["guard_drivers"]

PLACES = ("host", "port", "database")


class Guarding(Protocol):
    """What is asked before a driver connects."""

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Raise unless libpq's keywords lead to the shadow."""

    def check_address(self, text: str, over: Mapping[str, Any]) -> None:
        """Raise unless the text, with some of its keywords replaced, leads to the shadow."""


Install = Callable[[ModuleType, Guarding], None]


def guard_drivers(guard: Guarding) -> None:
    """Have each driver ask before it connects.

    Args:
        guard: raises where a connection leads elsewhere.
    """
    _guard_psycopg2(guard)
    waiting: dict[str, Install] = {"psycopg.generators": _guard_psycopg, "asyncpg.connection": _guard_asyncpg}
    for name in list(waiting):
        if name in sys.modules:
            waiting.pop(name)(sys.modules[name], guard)
    sys.meta_path.insert(0, _WhenLoaded(waiting, guard))


def _guard_psycopg2(guard: Guarding) -> None:
    connect = psycopg2._connect  # type: ignore[attr-defined]  # which its stubs leave out

    def guarded(dsn: Any, *args: Any, **kw: Any) -> Any:
        guard.check(extensions.parse_dsn(dsn))
        return connect(dsn, *args, **kw)

    psycopg2._connect = guarded  # type: ignore[attr-defined]  # likewise


def _guard_psycopg(module: ModuleType, guard: Guarding) -> None:
    connect = module.connect

    def guarded(conninfo: str, *args: Any, **kw: Any) -> Generator[Any, Any, Any]:
        guard.check(extensions.parse_dsn(conninfo))
        return (yield from connect(conninfo, *args, **kw))

    module.connect = guarded  # type: ignore[attr-defined]  # of any module


def _guard_asyncpg(module: ModuleType, guard: Guarding) -> None:
    connect = module.connect

    async def guarded(dsn: Any = None, **kw: Any) -> Any:
        guard.check_address(str(dsn or ""), {key: _listed(kw[key]) for key in PLACES if kw.get(key)})
        return await connect(dsn, **kw)

    module.connect = guarded  # type: ignore[attr-defined]  # of any module


def _listed(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


class _WhenLoaded(importlib.abc.MetaPathFinder):
    """Guards a module right after it has been loaded."""

    def __init__(self, waiting: dict[str, Install], guard: Guarding) -> None:
        self._waiting = waiting
        self._guard = guard

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        install = self._waiting.pop(fullname, None)  # at once: the search below comes by here again
        if install is None:
            return None
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            install(module, self._guard)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this loader alone
        return spec
