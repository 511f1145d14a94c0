"""Taking samples of a database in use, over one connection that may be lost at any time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from erm_alembic.config.redaction import redact
from erm_alembic.observing.model import Sample
from erm_alembic.observing.replicas import ReplicaWatch
from erm_alembic.postgres.embedded.address import running_address
from erm_alembic.postgres.health.asking import Asking, prepare
from erm_alembic.postgres.health.counters import Counters, counters
from erm_alembic.postgres.health.server import ServerNow, server_now
from erm_alembic.postgres.health.sessions import LockWait, connections, lock_waits, longest_query, transactions
from erm_alembic.postgres.health.statements import Statements, statement_hashes, statement_texts, statements
from erm_alembic.postgres.health.tables import (
    TableState,
    invalid_index_names,
    missing_tables,
    table_states,
    unvalidated_constraints,
)
from erm_alembic.postgres.server_facts import Sender, Slot, read_senders, read_slots
from erm_alembic.routing.reporting.inquiry import Inquiry

if TYPE_CHECKING:
    from erm_alembic.target import Target

__all__ = ["APPLICATION_NAME", "Sampler"]

Answer = TypeVar("Answer")

APPLICATION_NAME = "erm observe"
# How long all questions of one sample may take together, in seconds.
PATIENCE = 10.0
# What is read of the catalogs grows with them: it is read again after so many seconds, and so many times what it took.
CATALOG_EVERY, CATALOG_SHARE = 30.0, 20.0
NO_STATEMENTS = "pg_stat_statements is not installed in this database; the longest statement under way stands for it"


@dataclass(frozen=True)
class _Catalog:
    """What a sample has of the catalogs.

    Args:
        tables: the tables that were asked for, and those with most dead rows.
        invalid_indexes: the indexes that no query may use.
        unvalidated: the constraints that were not checked.
        missing: the tables that were asked for and are not there.
        unseen: what could not be seen, each with the reason.
        good_until: when it is to be read again, by `time.monotonic()`.
    """

    tables: tuple[TableState, ...] = ()
    invalid_indexes: tuple[str, ...] = ()
    unvalidated: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)
    good_until: float = 0.0


class Sampler:
    """Takes samples of a database; a context manager that closes its connections at the end.

    Args:
        target: the database.
        tables: those that are looked at in any case, with their schemas, quoted where they must be.
        patience: how long a sample may take, in seconds.
    """

    def __init__(self, target: Target, tables: Collection[str] = (), patience: float = PATIENCE) -> None:
        self._settings = target.settings
        self._tables = tuple(tables)
        self._question: Callable[[Any], Any] = server_now
        self._inquiry: Inquiry[Any] = Inquiry(self._ask, patience, APPLICATION_NAME)
        self._replicas = ReplicaWatch(target.settings)
        self._last: ServerNow | None = None
        self._catalog = _Catalog()
        self._open = ExitStack()

    def __enter__(self) -> Sampler:
        self._open.enter_context(self._inquiry)
        self._open.enter_context(self._replicas)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def take(self, *, thrifty: bool = False) -> Sample | str:
        """A sample; where the server does not answer, why, in words without secrets.

        Args:
            thrifty: whether what was read of the catalogs a moment ago is good enough.
        """
        asked_at = time.monotonic()
        if not thrifty:
            self._catalog = _Catalog()
        said = self._asked(self._seen)
        if isinstance(said, str):
            return said
        sample, senders = said
        if self._last is not None and not sample.server.is_same_history(self._last):
            self._replicas.forget()
        self._last = sample.server
        return replace(sample, replicas=self._replicas.look(senders, sample.server.written, asked_at))

    def with_hashes(self, sample: Sample) -> Sample:
        """The sample with what tells the texts of its statements apart, so that it can be compared with.

        Args:
            sample: one without.
        """
        if sample.statements is None:
            return sample
        hashes = self.hashes(sample.statements.totals)
        totals = {
            query: replace(total, text_hash=hashes.get(query)) for query, total in sample.statements.totals.items()
        }
        return replace(sample, statements=replace(sample.statements, totals=totals))

    def hashes(self, queries: Collection[str]) -> Mapping[str, str]:
        """What tells the texts of statements apart, by query id; nothing where the server does not say.

        Args:
            queries: the ids.
        """
        return self._mapping(statement_hashes, queries)

    def texts(self, queries: Collection[str]) -> Mapping[str, str]:
        """The texts of statements without values, by query id; nothing where the server does not say.

        Args:
            queries: the ids.
        """
        return self._mapping(statement_texts, queries)

    def _mapping(
        self, read: Callable[[Any, Collection[str]], Mapping[str, str]], queries: Collection[str]
    ) -> Mapping[str, str]:
        if not queries:
            return {}
        nothing: Mapping[str, str] = {}
        said = self._asked(lambda cursor: Asking(cursor).ask("texts", lambda at: read(at, queries), nothing))
        return {} if isinstance(said, str) else said

    def _asked(self, question: Callable[[Any], Answer]) -> Answer | str:
        self._question = question
        said: Answer | str = self._inquiry.ask({"server": self._address})["server"]
        return redact(said) if isinstance(said, str) else said

    def _address(self) -> str:
        """Resolved at each new connection: a secret may have run out, a name may lead elsewhere."""
        assert self._settings.url is not None  # or there would be no target
        return running_address(self._settings.url.database_url(), self._settings.project_dir).dsn()

    def _ask(self, cursor: Any) -> Any:
        prepare(cursor)
        return self._question(cursor)

    def _seen(self, cursor: Any) -> tuple[Sample, tuple[Sender, ...]]:
        server, asking = server_now(cursor), Asking(cursor)
        no_waits: tuple[int, tuple[LockWait, ...]] = (0, ())
        no_statements: Statements | None = None
        no_slots: tuple[Slot, ...] = ()
        no_senders: tuple[Sender, ...] = ()
        waiting, waits = asking.ask("locks", lock_waits, no_waits)
        if time.monotonic() >= self._catalog.good_until:
            self._catalog = self._read_catalog(cursor)
        catalog = self._catalog
        sample = Sample(
            taken_at=datetime.now(UTC),
            server=server,
            connections=asking.ask("connections", connections, None),
            waiting=waiting,
            waits=waits,
            transactions=asking.ask("transactions", transactions, ()),
            query_s=asking.ask("running statements", longest_query, None),
            counters=asking.ask("pg_stat_database", counters, Counters()),
            statements=asking.ask("pg_stat_statements", statements, no_statements),
            tables=catalog.tables,
            invalid_indexes=catalog.invalid_indexes,
            unvalidated=catalog.unvalidated,
            slots=asking.ask("pg_replication_slots", read_slots, no_slots),
        )
        senders = asking.ask("pg_stat_replication", read_senders, no_senders)
        _tell_unseen(asking, sample)
        missing = {f"table {name}": "there is none of that name; a schema belongs to it" for name in catalog.missing}
        return replace(sample, unseen={**asking.unseen, **catalog.unseen, **missing}), senders

    def _read_catalog(self, cursor: Any) -> _Catalog:
        begun, asking = time.monotonic(), Asking(cursor)
        no_tables: tuple[TableState, ...] = ()
        no_constraints: tuple[tuple[str, str], ...] = ()
        names: tuple[str, ...] = ()
        found = _Catalog(
            tables=asking.ask("tables", lambda at: table_states(at, self._tables), no_tables),
            invalid_indexes=asking.ask("indexes", invalid_index_names, names),
            unvalidated=asking.ask("constraints", unvalidated_constraints, no_constraints),
            missing=asking.ask("tables", lambda at: missing_tables(at, self._tables), names),
            unseen=asking.unseen,
        )
        now = time.monotonic()
        return replace(found, good_until=now + max(CATALOG_EVERY, CATALOG_SHARE * (now - begun)))


def _tell_unseen(asking: Asking, sample: Sample) -> None:
    if sample.statements is None and "pg_stat_statements" not in asking.unseen:
        asking.note("pg_stat_statements", NO_STATEMENTS)
    elif sample.statements is not None and sample.statements.hidden:
        asking.note("pg_stat_statements", "statements of other roles are hidden (GRANT pg_monitor would show them)")
    if sample.connections is not None and sample.connections.hidden:
        asking.note("sessions", "what those of other roles do is hidden (GRANT pg_monitor would show it)")
    elif not sample.server.sees_statistics:
        asking.note("sessions", "what those of other roles do would be hidden (GRANT pg_monitor would show it)")
