"""SQLAlchemy's private names that the sandbox leans on: each is watched here, so that a new version fails loudly."""

from __future__ import annotations

import inspect

import pytest
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from erm_alembic.testing.sandbox.sqlalchemy_internals import connect_as
from tests.support.databases import Database


class Ours(Connection):
    """A connection of another class."""


def test_an_engine_hands_out_connections_of_the_class_that_it_was_told(one_database: Database) -> None:
    """A synchronous engine, and the one within an asynchronous one."""
    engine = create_engine(one_database.url.replace("postgresql:", "postgresql+psycopg2:"))
    connect_as(engine, Ours)
    with engine.connect() as connection, engine.begin() as another:
        assert (type(connection), type(another)) == (Ours, Ours)
    engine.dispose()
    within = create_async_engine("postgresql+asyncpg://db.example/none").sync_engine
    connect_as(within, Ours)
    assert "self._connection_cls(self)" in inspect.getsource(Engine.connect)


def test_a_sqlalchemy_that_keeps_the_class_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what a test commits would stay, in silence."""
    monkeypatch.delattr(Engine, "_connection_cls")
    with pytest.raises(TypeError, match="this version of SQLAlchemy does not say"):
        connect_as(create_engine("postgresql+psycopg2://db.example/none"), Ours)
