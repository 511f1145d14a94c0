"""Applications of Flask-SQLAlchemy, SQLModel and scoped sessions read from replicas with their models as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import flask_sqlalchemy
import pytest
import sqlalchemy as sa
import sqlmodel
from flask import Flask
from sqlalchemy.orm import Mapped, mapped_column, scoped_session

from erm_alembic.errors import StaleReplicaWrite
from erm_alembic.routing import RoutingSession, primary, replica_read
from erm_alembic.routing.integrations.flask_sqlalchemy import FlaskRoutingSession
from erm_alembic.routing.integrations.sqlmodel import AsyncSQLModelRoutingSession, SQLModelRoutingSession
from erm_alembic.testing.lagging import LaggingReplica
from tests.routing.applications import Base, User
from tests.support.databases import Database


class Hero(sqlmodel.SQLModel, table=True):
    """A model of SQLModel's tutorial."""

    id: int | None = sqlmodel.Field(default=None, primary_key=True)
    name: str
    age: int = 0


@pytest.fixture
def replica(one_database: Database) -> Iterator[LaggingReplica]:
    """A replica without any tables yet."""
    with LaggingReplica(one_database.url) as replica:
        yield replica


def _where(session: Any) -> str:
    return str(session.last_route.name)


def test_sqlmodel_reads_by_exec(replica: LaggingReplica) -> None:
    """Its `exec` and its `select`, sessions of a request each, a stale change that is refused."""
    sqlmodel.SQLModel.metadata.create_all(replica.cluster.writer())
    make = replica.cluster.sessionmaker(class_=SQLModelRoutingSession, read=True)
    with make() as session:
        session.add(Hero(id=1, name="Deadpond"))
        session.commit()
        assert (session.exec(sqlmodel.select(Hero)).one().name, _where(session)) == ("Deadpond", "primary")
    replica.advance()
    with make() as session:
        assert isinstance(session, sqlmodel.Session)
        young = sqlmodel.select(Hero).where(Hero.age < 30).order_by(sqlmodel.col(Hero.name))
        assert ([hero.name for hero in session.exec(young)], _where(session)) == (["Deadpond"], "replica")
        pair = session.exec(sqlmodel.select(Hero.id, Hero.name)).one()
        assert (tuple(pair), _where(session)) == ((1, "Deadpond"), "replica")
        session.rollback()
        with primary():
            session.exec(young).all()
        assert _where(session) == "primary"
    with replica.cluster.writer().begin() as connection:
        connection.execute(sa.text("UPDATE hero SET age = 40"))
    with make() as session:
        hero = session.exec(sqlmodel.select(Hero)).one()
        hero.age += 1
        session.add(hero)
        with pytest.raises(StaleReplicaWrite):
            session.commit()


def test_sqlmodel_reads_by_exec_for_asyncio(replica: LaggingReplica) -> None:
    """The same."""
    sqlmodel.SQLModel.metadata.create_all(replica.cluster.writer())

    async def scenario() -> None:
        make = replica.cluster.async_sessionmaker(class_=AsyncSQLModelRoutingSession, read=True)
        async with make() as session:
            session.add(Hero(id=1, name="Deadpond"))
            await session.commit()
            assert (await session.exec(sqlmodel.select(Hero))).one().name == "Deadpond"
            assert _where(session) == "primary" and await session.causal_token()
        replica.advance()
        async with make() as session:
            assert (await session.exec(sqlmodel.select(Hero))).one().name == "Deadpond"
            assert _where(session) == "replica"
        await replica.cluster.aclose()

    asyncio.run(scenario())


def test_a_session_of_sqlmodel_asks_another_server_too(replica: LaggingReplica) -> None:
    """What the ORM finds to be no read once it is compiled goes to the primary, through `exec` as through `execute`."""
    sqlmodel.SQLModel.metadata.create_all(replica.cluster.writer())
    with replica.cluster.writer().begin() as connection:
        connection.execute(
            sa.text(
                "CREATE FUNCTION liar() RETURNS int LANGUAGE plpgsql STABLE AS"
                " $$ BEGIN PERFORM nextval('hero_id_seq'); RETURN 5; END $$"
            )
        )
    replica.advance()
    with replica.cluster.sessionmaker(class_=SQLModelRoutingSession, read=True)() as session:
        assert session.exec(sqlmodel.select(sa.func.liar())).one() == 5
        assert session.last_route is not None and "refused it as a write" in session.last_route.reason


@pytest.fixture
def flask_app(replica: LaggingReplica, one_database: Database) -> Iterator[tuple[Flask, Any, Any, Any]]:
    """An application with a model, and one of another database (`__bind_key__`)."""
    options = {"class_": FlaskRoutingSession, "cluster": replica.cluster, "read": True}
    db = flask_sqlalchemy.SQLAlchemy(session_options=options)

    class Note(db.Model):  # type: ignore[name-defined, misc] # made at run time
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str]

    class Visit(db.Model):  # type: ignore[name-defined, misc]
        __bind_key__ = "visits"
        id: Mapped[int] = mapped_column(primary_key=True)

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = one_database.url.replace("postgresql:", "postgresql+psycopg2:", 1)
    app.config["SQLALCHEMY_BINDS"] = {"visits": "sqlite://"}
    db.init_app(app)
    with app.app_context():
        db.create_all()
    yield app, db, Note, Visit
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


def test_flask_sqlalchemy_reads_from_replicas(replica: LaggingReplica, flask_app: tuple[Flask, Any, Any, Any]) -> None:
    """By db.session, a legacy query, and what paginates; each application context has a session of its own."""
    app, db, note, _ = flask_app
    with app.app_context():
        db.session.add(note(id=1, text="hello"))
        db.session.commit()
        assert (db.session.get(note, 1, populate_existing=True).text, _where(db.session())) == ("hello", "primary")
    with app.app_context():
        assert (db.session.get(note, 1), _where(db.session())) == (None, "replica")
    replica.advance()
    with app.app_context():
        assert (db.session.scalars(db.select(note)).one().text, _where(db.session())) == ("hello", "replica")
        assert (note.query.count(), _where(db.session())) == (1, "replica")
        assert (db.paginate(db.select(note).order_by(note.id)).total, _where(db.session())) == (1, "replica")
        db.session.rollback()
        db.session.execute(db.update(note).values(text="bye"))
        assert _where(db.session()) == "primary"
        db.session.commit()
        assert db.session.scalar(db.select(note.text)) == "bye"


def test_flask_sqlalchemy_keeps_its_bind_keys(flask_app: tuple[Flask, Any, Any, Any]) -> None:
    """A model of another database stays there."""
    app, db, _, visit = flask_app
    with app.app_context():
        db.session.add(visit(id=1))
        db.session.commit()
        assert db.session.get_bind(sa.inspect(visit)).dialect.name == "sqlite"
        assert len(db.session.scalars(db.select(visit)).all()) == 1
        db.session.execute(db.delete(visit))
        db.session.commit()
        assert db.session.scalars(db.select(visit)).all() == []


def test_a_scoped_session_routes(replica: LaggingReplica) -> None:
    """Made by a sessionmaker of the cluster's, or by the session class itself; with `query` and a query property."""
    Base.metadata.create_all(replica.cluster.writer())
    replica.advance()
    for factory in (
        replica.cluster.sessionmaker(),
        lambda: RoutingSession(cluster=replica.cluster),
    ):
        registry = scoped_session(factory)  # type: ignore[arg-type] # whatever makes a session
        with replica_read():
            assert registry.query(User).count() == 0
            assert registry.execute(sa.select(User)).all() == []
            assert _where(registry()) == "replica"
        registry.add(User(id=1, name="Ada"))
        registry.flush()
        with replica_read():
            assert registry.query(User).count() == 1
            assert _where(registry()) == "primary"
        registry.remove()
