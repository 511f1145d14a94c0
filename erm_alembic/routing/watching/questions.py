"""What the monitor asks the servers, each question on a link of its own."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

import psycopg2

from erm_alembic.config.redaction import first_line
from erm_alembic.postgres.replay import wait_for_replay
from erm_alembic.postgres.replication import (
    POSITION_FACTS,
    ServerSample,
    available_facts,
    is_refusal,
    read_beat,
    read_sample,
    write_beat,
    write_out,
)
from erm_alembic.postgres.volatility import Volatility, read_volatility
from erm_alembic.routing.positions import format_lsn
from erm_alembic.routing.watching.probe import Link

__all__ = ["Answer", "HeartbeatTable", "PrimaryQuestion", "ReplicaQuestion", "ask_catalogs", "ask_position"]


# How long the end of a primary's log stays in its memory before it is made to write that out, and how often it is, at
# most; in seconds. A commit that waits for no disk is written out within 0.6, unless wal_writer_delay says otherwise.
_KEPT_FOR, _LET_OUT_EVERY = 0.3, 2.0


@dataclass(frozen=True, slots=True)
class HeartbeatTable:
    """A table that the monitor writes to on the primary, and reads on replicas that do not state their position.

    Each process has a row of its own, which it updates at every round; the table, and its schema, are made where there
    are none. Rows of processes that ended are removed after a day.

    Args:
        schema: the table's schema.
        table: its name.

    Example:
        >>> HeartbeatTable("monitoring").table
        'erm_heartbeat'
    """

    schema: str
    table: str = "erm_heartbeat"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Args:
        sample: what it said of itself.
        beat: the heartbeat that was written to it, or that it has.
        beat_at: a moment before that heartbeat was written, by `time.monotonic()`.
        no_beat: why none could be written or read, in words without secrets.
    """

    sample: ServerSample
    beat: int | None = None
    beat_at: float = 0.0
    no_beat: str = ""


class PrimaryQuestion:
    """Asks the primary where it stands, and writes the next heartbeat.

    An idle primary may keep the end of its log in memory for up to 15 seconds: what was no commit's, nobody waits for.
    Replicas that have everything would seem late all that time; so where it goes on standing like that, it is made to
    write it out.

    Args:
        heartbeat: the table; None writes nothing.
        writer: the name of this process's row.
    """

    def __init__(self, heartbeat: HeartbeatTable | None, writer: str) -> None:
        self._heartbeat = heartbeat
        self._writer = writer
        self._beat = 0
        self._kept: tuple[int, int] | None = None
        self._kept_since = self._let_out_at = float("-inf")

    def __call__(self, link: Link) -> Answer:
        sample = ask_sample(link)
        self._let_out(link, sample)
        table = self._heartbeat
        if table is None or sample.in_recovery:
            return Answer(sample)
        # Never the same number twice: one of which nobody knows whether it was written is no measure.
        self._beat += 1
        beat, moment = self._beat, time.monotonic()
        try:
            link.run(lambda cursor: write_beat(cursor, table.schema, table.table, self._writer, beat))
        except psycopg2.Error as error:
            if link.broken:
                raise
            return Answer(sample, no_beat=f"no heartbeat can be written: {first_line(error)}")
        return Answer(sample, beat, moment)

    def _let_out(self, link: Link, sample: ServerSample) -> None:
        if sample.written is None or sample.flushed is None or sample.flushed >= sample.written:
            self._kept = None
            return
        before, self._kept, now = self._kept, (sample.written, sample.flushed), time.monotonic()
        if self._kept != before:
            self._kept_since = now
        elif now - self._kept_since > _KEPT_FOR and now - self._let_out_at > _LET_OUT_EVERY:
            self._let_out_at = now
            try:
                link.run(write_out)
            except psycopg2.Error:
                if link.broken:
                    raise


class ReplicaQuestion:
    """Asks a replica what it has replayed, and for the heartbeat that it has.

    Args:
        heartbeat: the table; None reads none.
        writer: the name of this process's row.
        awaited: gives the position that somebody waits for; None while nobody does.
        patience: how long a replica may wait for that by itself before it answers, in seconds.
    """

    def __init__(
        self,
        heartbeat: HeartbeatTable | None,
        writer: str,
        awaited: Callable[[], int | None] = lambda: None,
        patience: float = 0.2,
    ) -> None:
        self._heartbeat = heartbeat
        self._writer = writer
        self._awaited = awaited
        self._patience = patience

    def __call__(self, link: Link) -> Answer:
        self._let_wait(link)
        sample = ask_sample(link)
        table = self._heartbeat
        if table is None:
            return Answer(sample)
        try:
            beat = link.run(lambda cursor: read_beat(cursor, table.schema, table.table, self._writer))
        except psycopg2.Error as error:
            if link.broken:
                raise
            return Answer(sample, no_beat=f"no heartbeat can be read: {first_line(error)}")
        return Answer(sample, beat)

    def _let_wait(self, link: Link) -> None:
        """Have a server that can wait answer when it has what somebody waits for, or soon, rather than at once."""
        if (lsn := self._awaited()) is None:
            return
        position = format_lsn(lsn)
        try:
            link.run(lambda cursor: wait_for_replay(cursor, position, self._patience))
        except psycopg2.Error:
            # Whatever it objects to, how far it is it may tell all the same.
            if link.broken:
                raise


def ask_sample(link: Link, wanted: Container[str] | None = None) -> ServerSample:
    """Ask a server for its place in replication; what it does not give is found out once a connection.

    Args:
        link: the connection.
        wanted: the facts that matter; None asks for all.

    Raises:
        psycopg2.Error: it does not answer.
    """
    if link.facts is None:
        link.facts = link.run(available_facts)
    try:
        return _asked(link, wanted)
    except psycopg2.Error as error:
        if not is_refusal(error):
            raise
    # A right was taken away, or another server answers on the same connection.
    link.facts = link.run(available_facts)
    return _asked(link, wanted)


def ask_position(link: Link) -> ServerSample:
    """Ask a primary for its position only: each commit that gets a token pays for it.

    Args:
        link: the connection.

    Raises:
        psycopg2.Error: it does not answer.
    """
    return ask_sample(link, POSITION_FACTS)


def _asked(link: Link, wanted: Container[str] | None) -> ServerSample:
    facts = [fact for fact in link.facts or () if wanted is None or fact in wanted]
    return link.run(lambda cursor: read_sample(cursor, facts))


def ask_catalogs(link: Link, patience: float) -> Volatility:
    """Read what the catalogs say of functions and relations, in a transaction that ends by itself.

    Args:
        link: a connection to the primary.
        patience: how long it may take, in seconds.

    Raises:
        psycopg2.Error: it does not answer.
    """

    def question(cursor: Any) -> Volatility:
        cursor.execute("BEGIN READ ONLY")
        try:
            # Compiling these queries would take longer than running them.
            cursor.execute(
                "SELECT pg_catalog.set_config('statement_timeout', %s, true),"
                "       pg_catalog.set_config('search_path', 'pg_catalog', true),"
                "       pg_catalog.set_config('jit', 'off', true)",
                [f"{patience:g}s"],
            )
            return read_volatility(cursor)
        finally:
            with contextlib.suppress(psycopg2.Error):
                cursor.execute("ROLLBACK")

    return link.run(question, patience)
