"""Scenarios of what is written, or may be: it is the primary's, and is seen afterwards."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from erm_alembic.errors import StaleReplicaWrite
from tests.routing.applications import Post, User
from tests.routing.peers.world import World

USERS = sa.select(User)
COUNT = sa.select(sa.func.count()).select_from(User)


def own_writes(world: World) -> None:
    world.hold()
    with world.session() as session:
        grace = User(id=2, name="Grace")
        session.add(grace)
        session.commit()
        assert grace.name == "Grace"


def after_a_flush(world: World) -> None:
    with world.session() as session:
        session.add(User(id=2, name="Grace"))
        session.flush()
        assert session.scalar(COUNT) == 2, "a count after a flush did not count what was flushed"
        session.add(User(id=3, name="Edsger"))
        assert session.scalar(COUNT) == 3
        with session.begin_nested():
            assert session.scalar(COUNT) == 3
        assert session.scalar(COUNT) == 3


def lost_update(world: World) -> None:
    world.hold()
    world.app.on_primary("UPDATE users SET score = 100")
    with world.session() as session:
        ada = session.get_one(User, 1)
        world.assert_from_replica()
        ada.score += 1
        try:
            session.commit()
        except StaleReplicaWrite:
            session.rollback()
    [(score,)] = world.app.on_primary("SELECT score FROM users")
    assert score in (100, 101), f"another session's write was lost: 100 became {score}"


def bulk(world: World) -> None:
    with world.session() as session:
        session.execute(sa.insert(User), [{"id": 2, "name": "Grace"}, {"id": 3, "name": "Edsger"}])
        session.execute(sa.update(User), [{"id": 2, "score": 5}])
        session.execute(sa.update(User).where(User.score > 3).values(score=6))
        session.bulk_save_objects([User(id=4, name="Barbara")])
        session.bulk_update_mappings(sa.inspect(User), [{"id": 4, "score": 6}])
        session.execute(sa.delete(User).where(User.id == 3))
        session.scalars(sa.insert(User).values(id=5, name="Donald").returning(User)).one()
        session.commit()
    assert world.app.on_primary("SELECT id FROM users WHERE score = 6 ORDER BY id") == [(2,), (4,)]


def bare_connection(world: World) -> None:
    with world.session() as session:
        session.connection().execute(sa.text("UPDATE users SET score = 2"))
        session.commit()


def unknown(world: World) -> None:
    table: Any = User.__table__
    for statement in (
        sa.text("UPDATE users SET score = 2"),
        sa.insert(table).values(id=9, name="x"),
        sa.select(User).from_statement(sa.text("UPDATE users SET score = 3 RETURNING *")),
        sa.DDL("COMMENT ON TABLE users IS 'x'"),
    ):
        with world.session() as session:
            session.execute(statement)
            world.assert_on_primary(type(statement).__name__)
            session.commit()
    with world.session() as session:
        assert session.scalar(sa.Sequence("users_id_seq")) is not None


def hidden_writes(world: World) -> None:
    with world.session() as session:
        removed = sa.delete(Post).returning(Post.id).cte()
        assert len(session.execute(sa.select(removed)).all()) == 2
        session.commit()
    with world.session() as session:
        locked = sa.select(User.id).with_for_update().subquery()
        session.execute(sa.select(locked))
        world.assert_on_primary("a lock")


def volatile(world: World) -> None:
    for call in (sa.func.pg_advisory_xact_lock(42), sa.func.nextval("users_id_seq")):
        with world.session() as session:
            session.execute(sa.select(call))
            world.assert_on_primary(call.name)


def begin(world: World) -> None:
    with world.session() as session:
        session.scalars(USERS).all()
        world.assert_from_replica()
    with world.session() as session, session.begin():
        session.scalars(USERS).all()
        world.assert_on_primary("what was begun explicitly")


def two_phases(world: World) -> None:
    with world.session(twophase=True) as session:
        session.scalars(USERS).all()
        world.assert_on_primary("a read of a two-phase session")
