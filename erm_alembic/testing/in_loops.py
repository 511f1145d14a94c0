"""The transaction around `erm_async_session` in each of pytest-asyncio's loops; registered only where that is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest_asyncio

from erm_alembic.testing.asynchronous import LOOPS, in_asyncio_loop, outer_in_loop

if TYPE_CHECKING:
    from erm_alembic.testing.sandbox.outer import Outer, SharedDatabase


def _in_loop(scope: Any) -> Any:
    async def outer_transaction(
        erm_shared_database: SharedDatabase, erm_async_driver: str, erm_session_options: Mapping[str, Any]
    ) -> AsyncIterator[Outer]:
        async for outer in outer_in_loop(erm_shared_database, erm_async_driver, erm_session_options):
            yield outer

    return pytest_asyncio.fixture(loop_scope=scope, name=in_asyncio_loop(scope))(outer_transaction)


in_function_loop, in_class_loop, in_module_loop, in_package_loop, in_session_loop = map(_in_loop, LOOPS)
