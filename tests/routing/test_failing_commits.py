"""A commit that the primary refuses, after reads from a replica in the same transaction."""

from __future__ import annotations

import warnings

import pytest
import sqlalchemy as sa

from erm_alembic.routing import replica_read
from tests.routing.applications import User, application, on_replica
from tests.routing.servers import Servers

# Refused at the commit alone.
TWICE = sa.text("INSERT INTO once VALUES (1), (1)")


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_what_the_replica_had_is_not_rolled_back_after_it_was_committed(driver: str, newest_servers: Servers) -> None:
    """SQLAlchemy commits the connections of a session in no order, and warns where it rolls back one of them later."""
    with application(newest_servers, driver) as app:
        app.on_primary("CREATE TABLE IF NOT EXISTS once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        with app.cluster() as cluster, warnings.catch_warnings():
            warnings.simplefilter("error", sa.exc.SAWarning)
            # Often enough to meet both orders.
            for _ in range(8):
                with cluster.sessionmaker()() as session:
                    with replica_read():
                        assert session.scalars(sa.select(User.name)).all() == ["Ada"]
                    assert on_replica(session)
                    session.execute(TWICE)
                    with pytest.raises(sa.exc.IntegrityError):
                        session.commit()
                    session.rollback()
            assert [node.in_use(False) for node in cluster.replicas] == [0, 0]
        assert app.on_primary("SELECT count(*) FROM once") == [(0,)]
