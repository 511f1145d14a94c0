"""Private names of SQLAlchemy and Alembic that the carrying over of an engine leans on: each is watched here."""

from __future__ import annotations

import inspect

from alembic.runtime.migration import HeadMaintainer, RevisionStep
from sqlalchemy import create_engine
from sqlalchemy.engine import base
from sqlalchemy.engine.default import DefaultDialect


def test_an_engine_keeps_its_listeners_and_what_it_was_told_where_they_are_looked_for() -> None:
    """`dispatch` and `_has_events` of engines and dialects, `_event_names`, and the serializers of a dialect."""
    engine = create_engine("postgresql+psycopg2://", json_serializer=str)
    assert isinstance(engine._has_events, bool) and isinstance(engine.dialect._has_events, bool)
    assert {"connect", "checkout"} <= set(engine.pool.dispatch._event_names)
    assert engine.dialect._json_serializer is str
    assert isinstance(list(engine.dispatch.begin), list)


def test_statements_are_sent_through_the_dialect_with_their_context_last() -> None:
    """A gated cursor is told the context by what the dialect is asked to do, whose last argument it is."""
    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        assert list(inspect.signature(getattr(DefaultDialect, name)).parameters)[-1] == "context"
        assert f"self.dialect.{name}(" in inspect.getsource(base.Connection)


def test_sqlalchemys_own_pool_listeners_come_from_modules_that_are_known() -> None:
    """They are not taken for the project's."""
    modules = {listener.__module__ for listener in create_engine("postgresql+psycopg2://").pool.dispatch.connect}
    assert modules <= {"sqlalchemy.engine.create", "sqlalchemy.engine.default", "sqlalchemy.util.langhelpers"}


def test_steps_and_heads_are_made_as_the_callbacks_need_them() -> None:
    """A step's function is an attribute of RevisionStep; HeadMaintainer writes through three methods."""
    assert "self.migration_fn = " in inspect.getsource(RevisionStep.__init__)
    for name in ("_insert_version", "_delete_version", "_update_version"):
        assert name in vars(HeadMaintainer)
