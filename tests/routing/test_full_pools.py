"""A pool that is full here says nothing of the server there."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa

from erm_alembic.routing import ReplicaConfig
from erm_alembic.routing.need import NOTHING_NEEDED
from tests.routing.applications import SYNCHRONOUS, User, application, route
from tests.routing.servers import EAST, Servers


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_a_read_that_finds_the_pool_full_goes_elsewhere_and_blames_nobody(
    driver: str, newest_servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    """The replica stays in the choice, for whoever comes when a connection is free."""
    with application(newest_servers, driver) as app:
        replicas = [ReplicaConfig(EAST, app.url(app.servers.east))]
        options = {"max_conns": 1, "engine_options": {"pool_timeout": 0.01}}
        with app.cluster(replicas=replicas, **options) as cluster, caplog.at_level(logging.WARNING):
            (node,) = cluster.replicas
            with node.engine().connect(), cluster.sessionmaker(read=True)() as session:
                assert len(session.scalars(sa.select(User)).all()) == 1
                assert route(session) == "primary"
                assert cluster.objections(NOTHING_NEEDED) == {EAST: ""}
            with cluster.sessionmaker(read=True)() as session:
                session.scalars(sa.select(User)).all()
                assert route(session) == EAST
    assert "failed a read" not in caplog.text
