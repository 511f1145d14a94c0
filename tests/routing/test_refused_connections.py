"""A replica that accepts no connection of the application's, though the monitor's goes on: others answer its reads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from erm_alembic.routing import Cluster, ReplicaConfig
from tests.routing.applications import ASYNCHRONOUS, User, application, route
from tests.routing.servers import EAST, Servers

REFUSALS = {"no such role": {"user": "nobody_here"}, "no such database": {"database": "nowhere", "dbname": "nowhere"}}


def refuse(cluster: Cluster, refusal: str) -> None:
    """Let a replica refuse whoever connects from now on."""
    engine = cluster.replicas[0].engine(asynchronous=True)

    def otherwise(_dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]) -> None:
        parameters.update({key: value for key, value in REFUSALS[refusal].items() if key in parameters})

    sa.event.listen(engine, "do_connect", otherwise)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("driver", ASYNCHRONOUS)
def test_a_task_is_answered_elsewhere(driver: str, refusal: str, newest_servers: Servers) -> None:
    """Whatever the driver makes of the refusal; the replica is left alone for a while."""

    async def read(cluster: Cluster) -> tuple[int, str]:
        refuse(cluster, refusal)
        async with cluster.async_sessionmaker(read=True)() as session:
            found = len((await session.scalars(sa.select(User))).all())
            where = route(session.sync_session)
        await cluster.aclose()
        return found, where

    with application(newest_servers, driver) as app:
        replicas = [ReplicaConfig(EAST, app.url(app.servers.east))]
        with app.cluster(replicas=replicas) as cluster:
            assert asyncio.run(read(cluster)) == (1, "primary")
            assert cluster.replicas[0].failed_at > 0
