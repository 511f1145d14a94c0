"""What is held against a row: values of any type, also such as change in place, and the rows of all its tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NoReturn

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.orm.attributes import flag_modified

from erm_alembic.errors import StaleReplicaWrite
from erm_alembic.routing import Cluster, RoutingSession, replica_read
from tests.routing.applications import Application, on_replica
from tests.routing.servers import EAST, WEST, until


class Array:
    """As those of numpy, which pgvector gives: what `==` says of two is no bool, and has no truth."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> Any:
        return Several()

    __hash__ = object.__hash__


class Several:
    """An array of answers."""

    def __bool__(self) -> NoReturn:
        raise ValueError("The truth value of an array with more than one element is ambiguous.")


class Opaque:
    """A value of which two are never equal."""

    def __init__(self, text: str) -> None:
        self.text = text


class As(sa.TypeDecorator[Any]):
    """A text as an object of some class."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value.text

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return self.kind(value)


class Own(DeclarativeBase):
    """The models of these tests."""


class Thing(Own):
    """A row of odd values."""

    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    ratio: Mapped[float]
    ratios: Mapped[list[float]] = mapped_column(ARRAY(sa.Float))
    vector: Mapped[Any] = mapped_column(As(Array))
    opaque: Mapped[Any] = mapped_column(As(Opaque))
    tracked: Mapped[dict[str, Any]] = mapped_column(MutableDict.as_mutable(JSONB))
    raw: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Versioned(Own):
    """A row whose version SQLAlchemy looks at itself."""

    __tablename__ = "versioned"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    opaque: Mapped[Any] = mapped_column(As(Opaque))
    __mapper_args__: ClassVar[Any] = {"version_id_col": version}


class Animal(Own):
    """A row that may have another one in a table of its class."""

    __tablename__ = "animals"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    weight: Mapped[int]
    toys: Mapped[list[Toy]] = relationship()
    leases: Mapped[list[Lease]] = relationship(cascade="all, delete-orphan")
    __mapper_args__: ClassVar[Any] = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}


class Dog(Animal):
    """Of two tables."""

    __tablename__ = "dogs"
    id: Mapped[int] = mapped_column(sa.ForeignKey("animals.id"), primary_key=True)
    name: Mapped[str]
    __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "dog"}


class Toy(Own):
    """What an animal knows of, and that knows of none."""

    __tablename__ = "toys"
    id: Mapped[int] = mapped_column(primary_key=True)
    animal_id: Mapped[int | None] = mapped_column(sa.ForeignKey("animals.id"))


class Lease(Own):
    """What is nothing without its animal."""

    __tablename__ = "leases"
    id: Mapped[int] = mapped_column(primary_key=True)
    animal_id: Mapped[int] = mapped_column(sa.ForeignKey("animals.id"))
    paid: Mapped[int]


@pytest.fixture
def zoo(app: Application, cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with a row of each class, whose replicas stand still."""
    Own.metadata.drop_all(cluster.writer())
    Own.metadata.create_all(cluster.writer())
    app.on_primary("INSERT INTO things VALUES (1, 1, 'NaN', '{NaN, 1}', 'x', 'x', '{\"n\": 1}', '{\"n\": [1]}')")
    app.on_primary("INSERT INTO versioned VALUES (1, 1, 'x')")
    app.on_primary("INSERT INTO animals VALUES (1, 'dog', 5), (2, 'dog', 6)")
    app.on_primary("INSERT INTO dogs VALUES (1, 'Rex'), (2, 'Max')")
    app.on_primary("INSERT INTO toys VALUES (1, 1), (2, 1)")
    app.on_primary("INSERT INTO leases VALUES (1, 1, 0), (2, 1, 0)")
    app.settle(cluster)
    app.learn(cluster, sa.select(Thing))
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    cluster.monitor.refresh()
    yield cluster


def _tracked(thing: Thing) -> None:
    thing.tracked["n"] += 1


def _flagged(thing: Thing) -> None:
    thing.raw["n"].append(2)
    flag_modified(thing, "raw")


def _of_no_copy(thing: Thing) -> None:
    thing.opaque.text += "y"
    flag_modified(thing, "opaque")


@pytest.mark.parametrize(
    ("change", "elsewhere"),
    [
        (_tracked, "UPDATE things SET tracked = '{\"n\": 1000}'"),
        (_flagged, "UPDATE things SET raw = '{\"n\": [1000]}'"),
        (_of_no_copy, "UPDATE things SET opaque = 'z'"),
    ],
)
def test_a_value_that_was_changed_in_place_is_not_written_over_another(
    change: Callable[[Thing], None], elsewhere: str, app: Application, zoo: Cluster
) -> None:
    """What was read is known though SQLAlchemy does not know it any more, or nothing is written."""
    app.on_primary(elsewhere)
    with zoo.sessionmaker(read=True)() as session:
        thing = session.get_one(Thing, 1)
        assert on_replica(session)
        change(thing)
        with pytest.raises(StaleReplicaWrite):
            session.commit()


def test_whatever_a_value_is_it_is_known_again(app: Application, zoo: Cluster) -> None:
    """Where nothing differs, changes are written: of NaN, of arrays, of what has no equal, in place."""
    with zoo.sessionmaker(read=True)() as session:
        thing = session.get_one(Thing, 1)
        assert on_replica(session)
        thing.number += 1
        _tracked(thing)
        _flagged(thing)
        session.commit()
    assert app.on_primary("SELECT number, tracked, raw FROM things") == [(2, {"n": 2}, {"n": [1, 2]})]


@pytest.mark.parametrize("column", ["ratio", "ratios", "vector", "opaque"])
def test_and_one_that_differs_is_found(column: str, app: Application, zoo: Cluster) -> None:
    """As any other."""
    app.on_primary(f"UPDATE things SET {column} = '{'{2, 1}' if column == 'ratios' else 2}'")
    with zoo.sessionmaker(read=True)() as session:
        session.get_one(Thing, 1).number += 1
        with pytest.raises(StaleReplicaWrite, match=f"differs in {column}"):
            session.commit()


def test_a_version_that_sqlalchemy_looks_at_is_enough(zoo: Cluster) -> None:
    """What was changed in place, and is not known any more, cannot be compared; the version is."""
    with zoo.sessionmaker(read=True)() as session:
        versioned = session.get_one(Versioned, 1)
        versioned.opaque.text += "y"
        flag_modified(versioned, "opaque")
        session.commit()


def test_the_rows_of_all_tables_of_an_object_are_locked(app: Application, zoo: Cluster) -> None:
    """Nobody writes between the look at them and the flush: who tries, waits, and writes upon that."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    other = threading.Thread(target=app.on_primary, args=("UPDATE animals SET weight = weight + 1000",))

    def write_elsewhere(*_: Any) -> None:
        other.start()
        until(lambda: app.on_primary(waiting) or not other.is_alive())

    with zoo.sessionmaker(read=True)() as session:
        dog = session.get_one(Dog, 1)
        assert on_replica(session)
        dog.weight += 1
        sa.event.listen(Dog, "before_update", write_elsewhere)
        try:
            session.commit()
        finally:
            sa.event.remove(Dog, "before_update", write_elsewhere)
    other.join()
    assert app.on_primary("SELECT weight FROM animals WHERE id = 1") == [(1006,)]


def _toys_taken_away(_session: RoutingSession, dog: Dog) -> None:
    dog.toys.clear()


def _toy_given(session: RoutingSession, dog: Dog) -> None:
    other = session.get_one(Dog, 2)
    other.toys.append(dog.toys[0])
    session.flush()


def _lease_ended(_session: RoutingSession, dog: Dog) -> None:
    dog.leases.remove(next(lease for lease in dog.leases if lease.id == 1))


def _animal_deleted(session: RoutingSession, dog: Dog) -> None:
    assert len(dog.toys) == 2
    session.delete(dog)


CHANGES = [_toys_taken_away, _toy_given, _lease_ended, _animal_deleted]
ELSEWHERE = "UPDATE toys SET animal_id = 2; UPDATE leases SET paid = 1000"


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_flush_changes_or_deletes_by_itself_is_held_against_its_row(
    change: Callable[[RoutingSession, Dog], None], app: Application, zoo: Cluster
) -> None:
    """What was taken out of a collection, or put into it, and what is nothing without what it belonged to."""
    app.on_primary(ELSEWHERE)
    with zoo.sessionmaker(read=True)() as session, pytest.raises(StaleReplicaWrite, match=r"Toy|Lease"):
        change(session, session.get_one(Dog, 1))
        session.commit()


@pytest.mark.parametrize("change", CHANGES)
def test_and_is_done_where_it_is_the_same(
    change: Callable[[RoutingSession, Dog], None], app: Application, zoo: Cluster
) -> None:
    """Whatever else has changed."""
    app.on_primary("UPDATE animals SET weight = 7 WHERE id = 2")
    with zoo.sessionmaker(read=True)() as session:
        change(session, session.get_one(Dog, 1))
        session.commit()


def test_what_a_flush_loads_by_itself_comes_from_the_primary(app: Application, zoo: Cluster) -> None:
    """A toy that a replica does not know yet is let go as well."""
    app.on_primary("INSERT INTO toys VALUES (3, 1)")
    app.on_primary("DELETE FROM leases")
    with zoo.sessionmaker(expire_on_commit=False)() as session:
        dog = session.get_one(Dog, 1)
        assert dog.leases == []
        session.commit()
        with replica_read():
            assert session.scalar(sa.select(sa.func.count()).select_from(Toy)) == 2 and on_replica(session)
            session.delete(dog)
            session.commit()
    assert app.on_primary("SELECT count(*) FROM toys WHERE animal_id IS NULL") == [(3,)]
