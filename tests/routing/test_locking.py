"""Objects that were read stale are locked in one order, whatever the plan of the query that looks at them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from enum import Enum

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from erm_alembic.routing.sessions.locking import classes_in_order, keys_in_order
from erm_alembic.testing.lagging import LaggingReplica
from tests.routing.applications import Base, Post, User
from tests.routing.servers import until
from tests.support.databases import Database

WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


class Size(Enum):
    """Sizes, from small to large."""

    SMALL = "s"
    LARGE = "l"


class Own(DeclarativeBase):
    """The models of these tests."""


class Box(Own):
    """A class with two kinds of keys."""

    __tablename__ = "box"
    size: Mapped[Size] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def replica(one_database: Database) -> Iterator[LaggingReplica]:
    """A replica of a database whose rows lie in the reverse order of their keys, and are found as they lie."""
    with LaggingReplica(one_database.url) as replica:
        writer = replica.cluster.writer()
        Base.metadata.create_all(writer)
        with writer.begin() as connection:
            name = connection.scalar(sa.text("SELECT quote_ident(current_database())"))
            for setting in ("enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan"):
                connection.execute(sa.text(f"ALTER DATABASE {name} SET {setting} = off"))
            for key in (3, 2, 1):
                connection.execute(sa.insert(User).values(id=key, name=str(key)))
        writer.dispose()
        replica.advance()
        yield replica


def test_rows_are_locked_by_their_keys(replica: LaggingReplica) -> None:
    """Who waits for the second of three holds the first, and not the third."""
    writer = replica.cluster.writer()
    with replica.cluster.sessionmaker(read=True)() as session, writer.connect() as other, writer.connect() as third:
        for user in session.scalars(sa.select(User)):
            user.score += 1
        other.execute(sa.select(User.id).where(User.id == 2).with_for_update())
        flushing = threading.Thread(target=session.commit)
        flushing.start()
        try:
            until(lambda: _waiting(third))
            free = sa.select(User.id).order_by(User.id).with_for_update(skip_locked=True)
            assert third.scalars(free).all() == [3]
        finally:
            third.rollback()
            other.rollback()
            flushing.join()
        assert third.scalars(sa.select(User.score)).all() == [1, 1, 1]


def _waiting(connection: sa.Connection) -> int:
    connection.rollback()
    return int(connection.scalar(WAITING) or 0)


def test_classes_are_locked_as_their_tables_depend_on_each_other() -> None:
    """Those that are referred to first, by way of others too, whatever the order that they come in."""

    class Family(DeclarativeBase):
        pass

    class A(Family):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(sa.ForeignKey("b.id"), primary_key=True)

    class B(Family):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(sa.ForeignKey("c.id"), primary_key=True)

    class C(Family):
        __tablename__ = "c"
        id: Mapped[int] = mapped_column(sa.ForeignKey("c.id"), primary_key=True)

    class Narrow(C):
        pass

    a, c, narrow = (sa.inspect(kind) for kind in (A, C, Narrow))
    for mappers in ([a, c, narrow], [narrow, c, a], [c, a, narrow]):
        assert classes_in_order(mappers) == [c, narrow, a]
    assert classes_in_order([sa.inspect(Post), sa.inspect(User)]) == [sa.inspect(User), sa.inspect(Post)]


def test_keys_are_sorted_as_a_flush_sorts_them() -> None:
    """Numbers as numbers; members of an enumeration by their names; what cannot be compared is left to the flush."""

    keys = [(Size.LARGE, 10), (Size.LARGE, 9), (Size.SMALL, 100)]
    assert keys_in_order(sa.inspect(Box), keys) == [(Size.LARGE, 9), (Size.LARGE, 10), (Size.SMALL, 100)]
    assert keys_in_order(sa.inspect(User), [(10,), (9,)]) == [(9,), (10,)]
    assert keys_in_order(sa.inspect(User), [(10,), (None,)]) == [(10,), (None,)]
