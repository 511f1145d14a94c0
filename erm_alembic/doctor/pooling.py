"""How a connection pooler in front of a server works, found out without changing anything."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Literal

import psycopg2

from erm_alembic.routing.watching.probe import Link

__all__ = ["PoolMode", "pool_mode"]

PoolMode = Literal["transaction", "session", "unknown"]

# How often two sessions are asked in turn, and how long all of it may take, in seconds.
ROUNDS, PATIENCE = 4, 3.0


def pool_mode(dsn: str) -> PoolMode:
    """Whether a pooler gives a server connection to others between two transactions of one session.

    Two sessions ask in turn which server process answers. One process for both of them is shared; where the second
    gets no answer while the first is open, the first has the only one for itself.

    Args:
        dsn: the address, as libpq takes it.
    """
    try:
        with _session(dsn) as first:
            ours = {_process(first)}
            try:
                with _session(dsn) as second:
                    theirs: set[int] = set()
                    for _ in range(ROUNDS):
                        theirs.add(_process(second))
                        ours.add(_process(first))
            except psycopg2.Error:
                return "session" if ours == {_process(first)} else "unknown"
    except psycopg2.Error:
        return "unknown"
    return "transaction" if ours & theirs or len(ours) > 1 or len(theirs) > 1 else "session"


@contextlib.contextmanager
def _session(dsn: str) -> Iterator[Link]:
    link = Link(dsn, PATIENCE)
    overdue = threading.Timer(PATIENCE, link.cut)
    overdue.daemon = True
    overdue.start()
    try:
        yield link
    finally:
        overdue.cancel()
        link.close()


def _process(link: Link) -> int:
    def question(cursor: Any) -> int:
        cursor.execute("SELECT pg_catalog.pg_backend_pid()")
        return int(cursor.fetchone()[0])

    return link.run(question)
