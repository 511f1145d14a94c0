"""Code without sessions: the engines of a cluster see what the blocks around have to, and their commits count."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from erm_alembic.errors import NoReplicaAvailable
from erm_alembic.routing import Cluster, ReplicaReadOptions, causal, primary, replica_read
from erm_alembic.routing.scope import CausalScope, token_to_pass_on
from tests.routing.applications import Application, User, route
from tests.routing.servers import EAST, WEST

COUNT = sa.select(sa.func.count()).select_from(User)
STANDBY = sa.text("SELECT pg_is_in_recovery()")
GRACE = sa.insert(User).values(id=2, name="Grace")


@pytest.fixture
def held(app: Application, cluster: Cluster) -> Application:
    """An application whose replicas are fresh, and see nothing of what is committed from now on."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    cluster.monitor.refresh()
    return app


def reads(cluster: Cluster) -> object:
    """What code without sessions counts."""
    with cluster.reader().connect() as connection:
        return connection.scalar(COUNT)


@pytest.mark.usefixtures("held")
def test_a_reader_sees_what_a_token_stands_for(cluster: Cluster) -> None:
    """As a session does; and one that cannot be read is the primary's."""
    with cluster.sessionmaker()() as session:
        session.execute(GRACE)
        session.commit()
        token = session.causal_token
    assert reads(cluster) == 1
    for brought in (token, "garbage"):
        with causal(brought):
            assert reads(cluster) == 2
            with pytest.raises(NoReplicaAvailable):
                cluster.reader(ReplicaReadOptions(disable_fallback=True))


def test_a_reader_goes_where_the_innermost_block_says(cluster: Cluster) -> None:
    """Unless it is told otherwise itself."""
    for block, chosen, replica in (
        (primary(), None, False),
        (replica_read(), None, True),
        (nullcontext(), None, True),
        (primary(), ReplicaReadOptions(), True),
    ):
        assert isinstance(block, AbstractContextManager)
        with block, cluster.reader(chosen).connect() as connection:
            assert connection.scalar(STANDBY) is replica


def _core(cluster: Cluster) -> None:
    with cluster.writer().begin() as connection:
        connection.execute(GRACE)


def _text(cluster: Cluster) -> None:
    with cluster.writer().connect() as connection:
        connection.execute(sa.text("INSERT INTO users VALUES (2, 'Grace', 1)"))
        connection.commit()


def _autocommit(cluster: Cluster) -> None:
    with cluster.writer().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(GRACE)


def _plain_session(cluster: Cluster) -> None:
    with Session(cluster.writer()) as session:
        session.add(User(id=2, name="Grace"))
        session.commit()


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("write", [_core, _text, _autocommit, _plain_session])
def test_what_is_written_without_a_session_of_the_cluster_counts(
    cluster: Cluster, write: Callable[[Cluster], None]
) -> None:
    """For the unit of work that it was done in: its reads see it, and its token stands for it."""
    with CausalScope(cluster) as scope:
        write(cluster)
        assert scope.token() is not None
        assert token_to_pass_on(cluster) is not None
        assert reads(cluster) == 2
        with cluster.sessionmaker(read=True)() as session:
            assert session.scalar(COUNT) == 2


@pytest.mark.usefixtures("held")
def test_a_commit_counts_before_its_connection_is_closed(cluster: Cluster) -> None:
    """A session beside it reads from the primary; when it is closed, from what has replayed that."""
    with CausalScope(cluster), cluster.writer().connect() as connection:
        connection.execute(GRACE)
        connection.commit()
        with cluster.sessionmaker(read=True)() as session:
            assert session.scalar(COUNT) == 2


def test_sessions_that_only_read_from_the_primary_count_nothing(app: Application, cluster: Cluster) -> None:
    """A commit of nothing sends no reader to the primary; a write does until replicas have it."""
    with CausalScope(cluster) as scope:
        with cluster.sessionmaker()() as session:
            session.scalar(COUNT)
            session.commit()
        assert scope.token() is None
        _core(cluster)
        app.servers.catch_up()
        cluster.monitor.refresh()
        with cluster.sessionmaker(read=True)() as session:
            assert session.scalar(COUNT) == 2
            assert route(session) in (EAST, WEST)
