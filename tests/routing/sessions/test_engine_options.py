"""Options that any engine takes: replicas are read from all the same."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from erm_alembic.routing import replica_read
from tests.routing.applications import SYNCHRONOUS, User, application, on_replica, route
from tests.routing.servers import Servers

SERIALIZABLE = {"connect_args": {"options": "-c default_transaction_isolation=serializable"}}
IDLE = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state LIKE 'idle in%%'"


@pytest.mark.parametrize("driver", SYNCHRONOUS)
@pytest.mark.parametrize(
    ("options", "idles"),
    [
        ({"isolation_level": "SERIALIZABLE"}, 0),
        ({"isolation_level": "REPEATABLE READ"}, 0),
        ({"stream_results": True}, 1),
    ],
)
def test_what_each_execution_is_told_is_no_hindrance(
    options: dict[str, Any], idles: int, driver: str, newest_servers: Servers
) -> None:
    """The isolation is a replica's own, and no transaction is left open there, but for a cursor."""
    with (
        application(newest_servers, driver) as app,
        app.cluster(engine_options={"execution_options": options}) as cluster,
        cluster.sessionmaker(read=True)() as session,
    ):
        for _ in range(2):
            assert session.scalars(sa.select(User.name)).all() == ["Ada"]
            assert on_replica(session)
        assert newest_servers.standbys[route(session)].execute(IDLE, app.dbname) == [(idles,)]
        session.execute(sa.text("SELECT 1"))
        assert route(session) == "primary"
        session.commit()


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_what_no_standby_can_do_the_primary_does(driver: str, newest_servers: Servers) -> None:
    """As a transaction that is SERIALIZABLE because the address says so: nobody is blamed, and nothing is written."""
    with application(newest_servers, driver) as app, app.cluster(engine_options=SERIALIZABLE) as cluster:
        for _ in range(2):
            with cluster.sessionmaker()() as session, replica_read():
                assert session.scalar(sa.select(User.name)) == "Ada"
                assert route(session) == "primary"
                session.commit()
                assert session.causal_token is None
        assert set(cluster.objections(cluster.router.policies.default.need).values()) == {""}
