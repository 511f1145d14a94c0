"""The moment that a simulated replica has got to: a snapshot of the primary, and what is said of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import psycopg2

from erm_alembic.errors import TargetError
from erm_alembic.postgres.exported_snapshot import ExportedSnapshot, functions_and_views
from erm_alembic.routing.positions import Position

__all__ = ["Past"]


class Past:
    """The moment that a replica has got to, and what is said of it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.lag: float | None = 0.0
        self.lag_bytes = 0
        self.reachable = True
        self.begun_at = 0.0
        self.position: Position | None = None
        self._functions: tuple[Any, ...] = ()
        # One that somebody is about to read in is kept a little longer.
        self._snapshots: deque[ExportedSnapshot] = deque()

    @property
    def name(self) -> str:
        """The name of the snapshot."""
        return self._snapshots[-1].name

    def begin(self, dsn: str, ask_position: Callable[[], Position], read_catalogs: Callable[[], None]) -> None:
        begun_at = time.monotonic()
        try:
            position: Position | None = ask_position()
        except TargetError:  # the role may not read it: no token can be told to be replayed
            position = None
        with ExitStack() as undo:
            try:
                snapshot = ExportedSnapshot(dsn)
                undo.callback(snapshot.close)
                with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
                    functions = functions_and_views(cursor)
            except psycopg2.Error as error:
                raise TargetError(
                    "The database of a lagging replica cannot be read.",
                    effect="The replica shows what it showed before.",
                    cure="Give the fixture erm_replica_url the address of a database that the tests can reach.",
                ) from error
            if functions != self._functions:
                read_catalogs()
            undo.pop_all()
        with self.changed:
            self.begun_at, self.position, self._functions = begun_at, position, functions
            self._snapshots.append(snapshot)
            while len(self._snapshots) > 2:
                self._snapshots.popleft().close()
            self.changed.notify_all()

    def end(self) -> None:
        while self._snapshots:
            self._snapshots.pop().close()
