"""Fixtures for tests of applications: databases with every revision applied, sessions that are rolled back, replicas.

pytest finds them by itself where erm-alembic is installed; where plugins are not found by themselves,
`pytest_plugins = ["erm_alembic.testing"]` in the top conftest.py, or `-p erm_alembic.testing`, names them. A run that
uses none of them imports this and nothing else. docs/testing.md shows them; `erm_alembic.testing.migrations` has
ready-made tests of a project's migrations.
"""

from __future__ import annotations

from erm_alembic.testing.asynchronous import (
    erm_async_connection,
    erm_async_outer_transaction,
    erm_async_session,
    erm_async_sessionmaker,
    in_anyio_loop,
)
from erm_alembic.testing.committing import pytest_runtest_call
from erm_alembic.testing.databases import (
    erm_async_driver,
    erm_async_engine,
    erm_database,
    erm_database_factory,
    erm_engine,
    erm_prepare,
    erm_reports,
    erm_sandbox,
    erm_seed,
    erm_template,
)
from erm_alembic.testing.hooks import pytest_configure, pytest_generate_tests
from erm_alembic.testing.options import pytest_addoption
from erm_alembic.testing.replicas import (
    erm_driver,
    erm_private_servers,
    erm_replica,
    erm_replica_url,
    erm_schema,
    erm_standby,
)
from erm_alembic.testing.sessions import (
    erm_connection,
    erm_outer_transaction,
    erm_session,
    erm_session_options,
    erm_sessionmaker,
    erm_shared_database,
)
from erm_alembic.testing.smoke.marks import (
    erm_smoke_async_engine,
    erm_smoke_async_session,
    erm_smoke_async_sessionmaker,
    erm_smoke_connection,
    erm_smoke_engine,
    erm_smoke_session,
    erm_smoke_sessionmaker,
    pytest_collection_modifyitems,
)

__all__ = [
    "erm_async_connection",
    "erm_async_driver",
    "erm_async_engine",
    "erm_async_outer_transaction",
    "erm_async_session",
    "erm_async_sessionmaker",
    "erm_connection",
    "erm_database",
    "erm_database_factory",
    "erm_driver",
    "erm_engine",
    "erm_outer_transaction",
    "erm_prepare",
    "erm_private_servers",
    "erm_replica",
    "erm_replica_url",
    "erm_reports",
    "erm_sandbox",
    "erm_schema",
    "erm_seed",
    "erm_session",
    "erm_session_options",
    "erm_sessionmaker",
    "erm_shared_database",
    "erm_smoke_async_engine",
    "erm_smoke_async_session",
    "erm_smoke_async_sessionmaker",
    "erm_smoke_connection",
    "erm_smoke_engine",
    "erm_smoke_session",
    "erm_smoke_sessionmaker",
    "erm_standby",
    "erm_template",
    "in_anyio_loop",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_runtest_call",
]
