"""What routing of reads gets wrong elsewhere, in depth, on a primary with two standbys whose replay is held.

Each pitfall as a scenario, which others are run through too, stands in peers/scenarios.py. Lags (21) stand in
test_monitor.py, blocks (17) in test_policy.py, asyncio (16) in test_asynchronous.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from erm_alembic.routing import (
    Cluster,
    ReplicaConfig,
    RoutingSession,
    StaleReplicaWrite,
    connect_cluster,
    primary,
    replica_read,
)
from erm_alembic.routing.failures import sqlstate_of
from tests.routing.applications import Application, Post, User, on_replica, route
from tests.routing.servers import EAST, WEST


@pytest.fixture
def session(cluster: Cluster) -> Iterator[RoutingSession]:
    """A session that reads from any replica."""
    with cluster.sessionmaker(read=True)() as session:
        yield session


def test_1_once_a_replica_has_replayed_the_commit_it_is_read_from_again(
    app: Application, cluster: Cluster, session: RoutingSession
) -> None:
    """Stickiness ends with the reason for it, not with a time."""
    session.add(User(id=2, name="Grace"))
    session.commit()
    app.settle(cluster)
    assert session.scalar(sa.select(sa.func.count()).select_from(User)) == 2
    assert on_replica(session)


def test_2_reads_before_a_write_may_come_from_a_replica_and_those_after_it_not(session: RoutingSession) -> None:
    """The transaction moves to the primary and stays there, savepoints included."""
    session.scalars(sa.select(User)).all()
    assert on_replica(session)
    with session.begin_nested():
        session.execute(sa.insert(User).values(id=2, name="Grace"))
    assert session.scalar(sa.select(sa.func.count()).select_from(User)) == 2
    session.commit()


def test_3_a_change_of_what_was_read_stale_is_not_written(app: Application, session: RoutingSession) -> None:
    """Somebody else's write would be undone; the cure names the way."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    app.on_primary("UPDATE users SET score = 100")
    ada = session.get_one(User, 1)
    assert (ada.score, on_replica(session)) == (1, True)
    ada.score += 1
    with pytest.raises(StaleReplicaWrite, match=r"User \(1,\) was loaded from a replica .* it differs in score"):
        session.commit()
    session.rollback()
    assert app.on_primary("SELECT score FROM users") == [(100,)]


def test_3_a_change_of_what_is_the_same_on_the_primary_is_written(app: Application, session: RoutingSession) -> None:
    """A busy primary alone is no reason to refuse."""
    ada = session.get_one(User, 1)
    assert on_replica(session)
    app.on_primary("INSERT INTO users VALUES (2, 'Grace', 0)")
    ada.score += 1
    session.commit()
    assert app.on_primary("SELECT score FROM users WHERE id = 1") == [(2,)]


@pytest.mark.parametrize("how", ["UPDATE users SET score = 7", "DELETE FROM posts; DELETE FROM users"])
def test_3_a_delete_of_what_was_read_stale_is_not_written(how: str, app: Application, cluster: Cluster) -> None:
    """What is deleted was meant to be what was read."""
    with cluster.sessionmaker(read=True, on_stale="raise")() as session:
        app.servers.pause(EAST)
        app.servers.pause(WEST)
        app.on_primary(how)
        session.delete(session.get_one(User, 1))
        with pytest.raises(StaleReplicaWrite):
            session.flush()


def test_3_refetch_takes_over_what_was_not_changed_here(app: Application, cluster: Cluster) -> None:
    """A change of another column goes through, a change of the same one does not."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    app.on_primary("UPDATE users SET score = 100")
    with cluster.sessionmaker(read=True, on_stale="refetch")() as session:
        ada = session.get_one(User, 1)
        ada.name = "Ada L."
        session.flush()
        assert (ada.score, ada.name) == (100, "Ada L.")
    with cluster.sessionmaker(read=True, on_stale="refetch")() as session:
        ada = session.get_one(User, 1)
        ada.score = 2
        with pytest.raises(StaleReplicaWrite):
            session.flush()


def test_3_warn_writes_and_warns(app: Application, cluster: Cluster) -> None:
    """For those who want to see first how often it happens."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    app.on_primary("UPDATE users SET score = 100")
    with cluster.sessionmaker(read=True, on_stale="warn")() as session:
        session.get_one(User, 1).score = 2
        with pytest.warns(UserWarning, match="loaded from a replica"):
            session.commit()
    assert app.on_primary("SELECT score FROM users") == [(2,)]


def test_4_what_was_on_the_primary_does_not_go_to_a_replica_later(session: RoutingSession) -> None:
    """Nor does a transaction go back in time."""
    with primary():
        session.get_one(User, 1)
    session.scalars(sa.select(Post)).all()
    assert route(session) == "primary"


def test_6_a_bare_connection_is_the_primarys(session: RoutingSession) -> None:
    """Nobody knows what follows."""
    assert session.connection().scalar(sa.text("SELECT pg_is_in_recovery()")) is False
    session.scalars(sa.select(User)).all()
    assert route(session) == "primary"


def test_7_what_is_not_known_to_be_a_read_goes_to_the_primary(session: RoutingSession) -> None:
    """Text, sequences, statements of text; and it stays there."""
    for statement in (
        sa.text("UPDATE users SET score = 2"),
        sa.text("SELECT 1"),
        sa.select(User).from_statement(sa.text("SELECT * FROM users")),
        sa.insert(User.__table__).values(id=9, name="x"),  # type: ignore[arg-type] # a table by its declaration
        sa.DDL("COMMENT ON TABLE users IS 'x'"),
    ):
        session.execute(statement)  # type: ignore[call-overload] # a mixture
        assert route(session) == "primary"
        session.rollback()


def test_9_what_lies_about_itself_is_run_on_the_primary_after_all(app: Application, cluster: Cluster) -> None:
    """A function that is called stable and writes is refused by the standby; the session never learns of it."""
    app.on_primary(
        "CREATE OR REPLACE FUNCTION liar() RETURNS int LANGUAGE plpgsql STABLE AS"
        " $$ BEGIN PERFORM nextval('users_id_seq'); RETURN 5; END $$"
    )
    app.settle(cluster)
    learned = cluster.monitor.volatility
    cluster.monitor.read_catalogs()
    cluster.monitor.wait_for(lambda: cluster.monitor.volatility is not learned or None, 30.0)
    with cluster.sessionmaker(read=True)() as session:
        assert session.scalar(sa.select(sa.func.liar())) == 5
        assert session.last_route is not None and "refused it as a write" in session.last_route.reason
        session.commit()


def test_10_what_was_begun_explicitly_is_the_primarys(cluster: Cluster, session: RoutingSession) -> None:
    """Who says `begin` means a transaction; a read that begins one by itself does not."""
    with session.begin():
        session.scalars(sa.select(User)).all()
        assert route(session) == "primary"
    session.scalars(sa.select(User)).all()
    assert on_replica(session)
    with cluster.sessionmaker(read=True).begin() as other:
        other.scalars(sa.select(User)).all()
        assert route(other) == "primary"


def test_12_errors_are_told_apart_alike(app: Application) -> None:
    """By SQLSTATE, which every driver has, and not by classes, which differ."""
    app.servers.catch_up()
    engine = sa.create_engine(app.url(app.servers.east))
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as refused:
        connection.execute(sa.text("DELETE FROM users"))
    assert sqlstate_of(refused.value) == "25006"
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as ended:
        connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert sqlstate_of(ended.value) == "57P01" or ended.value.connection_invalidated
    engine.dispose()


def test_15_what_somebody_binds_is_honoured(app: Application, cluster: Cluster) -> None:
    """bind_arguments, binds and a session bound to a connection come before all routing."""
    elsewhere = sa.create_engine(app.url(app.servers.west))
    try:
        with cluster.sessionmaker()() as session:
            asked = session.execute(
                sa.select(sa.func.pg_is_in_recovery()).select_from(User), bind_arguments={"bind": elsewhere}
            )
            assert asked.scalar() is True
        with cluster.sessionmaker(read=True, binds={User: elsewhere})() as session:
            assert session.get_bind(sa.inspect(User)) is elsewhere
            session.scalars(sa.select(Post)).all()
            assert on_replica(session)
        with (
            cluster.writer().connect() as connection,
            RoutingSession(connection, cluster=cluster, read=True) as session,
        ):
            session.scalars(sa.select(User)).all()
            assert session.connection() is connection
    finally:
        elsewhere.dispose()


def test_18_the_primary_is_kept_through_a_commit_and_no_session_sticks_for_another(
    app: Application, cluster: Cluster
) -> None:
    """A block lasts as long as its code, a commit concerns the session that made it."""
    with cluster.sessionmaker(read=True)() as one, cluster.sessionmaker(read=True)() as other:
        with primary():
            one.add(User(id=2, name="Grace"))
            one.commit()
            one.get_one(User, 1)
            assert route(one) == "primary"
        other.get_one(User, 1)
        assert on_replica(other)


def test_19_a_result_that_is_streamed_has_a_transaction_for_its_cursor(session: RoutingSession) -> None:
    """And what is read beside it comes from the same replica."""
    stream = session.scalars(sa.select(Post).order_by(Post.id).execution_options(yield_per=1))
    first = next(stream)
    streamed_from = route(session)
    assert (first.user.name, route(session), on_replica(session)) == ("Ada", streamed_from, True)
    assert [post.id for post in stream] == [2]
    session.commit()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the name of a socket, which a folder of pytest's own may not."""
    with tempfile.TemporaryDirectory(prefix="erm-", dir="/tmp") as folder:
        yield Path(folder)


def test_20_a_refused_write_replaces_the_pool_of_the_primary(app: Application, short_folder: Path) -> None:
    """An address that led to a standby leads to the primary at the next write, without anybody restarting anything."""
    address = short_folder / "primary"
    address.symlink_to(app.servers.east.socket_dir)
    url = app.url(app.servers.primary).replace(
        str(app.servers.primary.socket_dir).replace("/", "%2F"), str(address).replace("/", "%2F")
    )
    assert "primary" in url
    with connect_cluster(url, [ReplicaConfig(EAST, app.url(app.servers.east))]) as cluster:
        make: Any = cluster.sessionmaker()
        with make() as session:
            session.add(User(id=2, name="Grace"))
            with pytest.raises(sa.exc.DBAPIError) as refused:
                session.commit()
            assert sqlstate_of(refused.value) == "25006" and refused.value.connection_invalidated
        address.unlink()
        address.symlink_to(app.servers.primary.socket_dir)
        with make() as session:
            session.add(User(id=2, name="Grace"))
            session.commit()
    assert app.on_primary("SELECT count(*) FROM users") == [(2,)]


def test_20_a_transaction_that_is_read_only_on_purpose_replaces_nothing(cluster: Cluster) -> None:
    """The same error, on a healthy primary."""
    with cluster.sessionmaker()() as session:
        session.execute(sa.text("SET TRANSACTION READ ONLY"))
        with pytest.raises(sa.exc.DBAPIError) as refused:
            session.execute(sa.insert(User).values(id=2, name="Grace"))
        assert sqlstate_of(refused.value) == "25006" and not refused.value.connection_invalidated


def test_a_plain_session_is_still_a_session(cluster: Cluster) -> None:
    """Whatever takes a Session takes this one."""
    with cluster.sessionmaker()() as session:
        assert isinstance(session, Session)
        assert session.query(User).count() == 1
        assert route(session) == "primary"
        with replica_read():
            assert session.query(User).filter_by(id=1).one().name == "Ada"
