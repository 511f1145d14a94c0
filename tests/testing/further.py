"""Tests of an application beyond those of docs/testing-replicas.md, for the same run: its servers are started once."""

FURTHER = """
import asyncio

import psycopg2
import pytest
from sqlalchemy import select, text

from conftest import Order
from erm_alembic.errors import ServerError
from erm_alembic.testing.servers import with_driver

MADE = []


def count(session):
    return len(session.scalars(select(Order)).all()), session.last_route.name


def test_a_standby_that_is_paused_is_not_waited_for(erm_standby):
    erm_standby.pause()
    with pytest.raises(ServerError, match="replays nothing while it is paused"):
        erm_standby.wait()


def test_the_next_test_has_one_that_replays_and_an_empty_database(erm_standby):
    with erm_standby.cluster.sessionmaker(read=True)() as session:
        assert count(session) == (0, "standby")
        session.add(Order(id=1))
        session.commit()
        erm_standby.wait()
        assert count(session) == (1, "standby")


def test_a_standby_comes_back(erm_standby):
    with erm_standby.cluster.sessionmaker(read=True)() as session:
        erm_standby.pause()
        erm_standby.stop()
        session.add(Order(id=1))
        session.commit()
        assert count(session) == (1, "primary")
        session.rollback()
        erm_standby.start()
        assert count(session) == (1, "standby")


class TestOfEachDriver:
    @pytest.fixture
    def erm_driver(self, request):
        return request.param

    @pytest.mark.parametrize("erm_driver", ["psycopg", "asyncpg"], indirect=True)
    def test_a_standby_serves_asynchronous_sessions(self, erm_standby):
        async def scenario():
            erm_standby.pause()
            make = erm_standby.cluster.async_sessionmaker(read=True)
            async with make() as session:
                session.add(Order(id=1))
                await session.commit()
                assert (await session.scalars(select(Order))).all() and session.last_route.name == "primary"
            async with make() as session:
                assert not (await session.scalars(select(Order))).all() and session.last_route.name == "standby"
                erm_standby.resume()
                await asyncio.to_thread(erm_standby.wait)
                assert (await session.scalars(select(Order))).all() and session.last_route.name == "standby"
            await erm_standby.cluster.aclose()

        asyncio.run(scenario())


class TestWithADatabaseOfOnesOwn:
    @pytest.fixture
    def erm_replica_url(self, erm_private_servers):
        with erm_private_servers.database() as name:
            MADE.append(name)
            yield with_driver(erm_private_servers.primary.dsn(name), "psycopg")

    def test_the_replica_is_that_database(self, erm_replica):
        with erm_replica.cluster.writer().begin() as connection:
            assert connection.dialect.driver == "psycopg"
            assert connection.scalar(text("SELECT current_database()")) == MADE[0]

    def test_it_was_removed(self, erm_private_servers):
        with pytest.raises(psycopg2.OperationalError, match="does not exist"):
            psycopg2.connect(erm_private_servers.primary.dsn(MADE[0]))
"""
