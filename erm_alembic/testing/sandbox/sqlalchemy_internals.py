"""What the sandbox needs of SQLAlchemy that has no public name; a test notices a version that moves it."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

__all__ = ["connect_as"]


def connect_as(engine: Engine, kind: type[Connection]) -> None:
    """Let an engine hand out connections of a class of one's own; an asynchronous engine wraps those of its sync one.

    Args:
        engine: the engine.
        kind: the class.

    Raises:
        TypeError: this SQLAlchemy keeps the class elsewhere.
    """
    if getattr(engine, "_connection_cls", None) is not Connection:
        raise TypeError("this version of SQLAlchemy does not say by Engine._connection_cls what connect() returns")
    engine._connection_cls = kind
