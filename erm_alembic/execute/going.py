"""How one revision is gone about: what is run of it, and what stands between that and the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from erm_alembic.execute.passage import AllSent, Passage
from erm_alembic.execute.step import StepUnderWay
from erm_alembic.revisions.recording.recorder import RecordedStatement

__all__ = ["Going", "as_planned"]


@dataclass(frozen=True)
class Going:
    """How one revision is gone about.

    Args:
        body: what is run: the revision's function, or what stands in for it.
        passage: what its statements go through.
    """

    body: Callable[..., Any]
    passage: Passage


def as_planned(connection: Connection, step: StepUnderWay, statements: Sequence[RecordedStatement]) -> Going:
    """Send what a revision was seen to send while it was planned, where nothing more comes of running it.

    Args:
        connection: SQLAlchemy's connection, in the revision's transaction.
        step: the revision.
        statements: its statements.
    """

    def send(**_kw: Any) -> None:
        for each in statements:
            assert each.asked is not None  # or it would not be known that there is nothing more to it
            step.sending_for = None if each.line is None else (each.file or step.file, each.line)
            connection.exec_driver_sql(each.asked.query, each.asked.parameters or None).close()

    return Going(send, AllSent(step))
