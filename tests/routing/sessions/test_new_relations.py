"""What was made since the catalogs were read: the primary's, until they have been read again."""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from erm_alembic.routing import Cluster, replica_read
from tests.routing.applications import Application
from tests.routing.servers import EAST, WEST, until
from tests.routing.sessions.asking import where


def test_a_new_relation_is_asked_about(app: Application, cluster: Cluster) -> None:
    """Where somebody names it; a table can then be read from a replica, a view that locks cannot."""
    name = f"t_{uuid.uuid4().hex[:8]}"
    app.on_primary(f"CREATE TABLE {name} (id int)")
    app.on_primary(f"CREATE VIEW {name}_locks AS SELECT pg_try_advisory_lock(1) AS id")
    app.servers.catch_up()
    table, view = (sa.select(sa.column("id")).select_from(sa.table(each)) for each in (name, f"{name}_locks"))
    try:
        with replica_read():
            assert where(cluster, view) == where(cluster, table) == "primary"
            until(lambda: where(cluster, table) in (EAST, WEST))
            assert where(cluster, view) == "primary"
            as_text = sa.select(sa.text("id")).select_from(sa.text(f"{name}_LOCKS"))
            assert where(cluster, as_text) == "primary"
    finally:
        app.on_primary(f"DROP TABLE {name}; DROP VIEW {name}_locks")
