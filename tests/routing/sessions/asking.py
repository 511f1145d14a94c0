"""Where a read goes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from erm_alembic.routing import (
    Cluster,
)
from tests.routing.applications import User, route

USERS = sa.select(User)


def where(cluster: Cluster, statement: Any = USERS, **options: Any) -> str:
    """Where a new session's read goes."""
    with cluster.sessionmaker()() as session:
        session.execute(statement, **options).all()
        return route(session)
