"""Sessions of Flask-SQLAlchemy that read from replicas; the application's models and `db.session` stay as they are."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import Connection, Engine

from erm_alembic.routing.sessions.session import RoutingSession

__all__ = ["FlaskRoutingSession"]


class FlaskRoutingSession(RoutingSession, FlaskSession):
    """The session class for `SQLAlchemy(session_options=...)`.

    Models with a `__bind_key__` go to the engine of that key, as ever; all others to the cluster, whose primary is the
    database of `SQLALCHEMY_DATABASE_URI`.

    Args:
        options: what `RoutingSession` takes, and what Flask-SQLAlchemy passes on.

    Example:
        >>> from flask_sqlalchemy import SQLAlchemy
        >>> from erm_alembic.routing import connect_cluster
        >>> cluster = connect_cluster("postgresql://app@db/shop")
        >>> db = SQLAlchemy(session_options={"class_": FlaskRoutingSession, "cluster": cluster, "read": True})
    """

    def get_bind(self, mapper: Any = None, clause: Any = None, bind: Any = None, **others: Any) -> Engine | Connection:
        """The engine of a model's bind key where it has one, else that of the routing."""
        if bind is None and _bind_key(mapper, clause) is not None:
            bind = FlaskSession.get_bind(self, mapper, clause, **others)
        return super().get_bind(mapper, clause=clause, bind=bind, **others)


def _bind_key(mapper: Any, clause: Any) -> Any:
    table = sa.inspect(mapper).local_table if mapper is not None else clause
    if isinstance(table, sa.UpdateBase):
        table = table.table
    return table.metadata.info.get("bind_key") if isinstance(table, sa.Table) else None
