"""Fixtures for the tests of applications: a replica that lags on demand, and a real standby.

pytest finds them by itself where erm-alembic is installed; where plugins are not found by themselves,
`pytest_plugins = ["erm_alembic.testing"]` in the top conftest.py, or `-p erm_alembic.testing`, names them. A run that
uses none of them imports this and nothing else. docs/testing.md shows them.
"""

from __future__ import annotations

from erm_alembic.testing.plugin import (
    erm_driver,
    erm_private_servers,
    erm_replica,
    erm_replica_url,
    erm_schema,
    erm_standby,
)

__all__ = ["erm_driver", "erm_private_servers", "erm_replica", "erm_replica_url", "erm_schema", "erm_standby"]
