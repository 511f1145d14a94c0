"""The calls of env.py that erm answers: context.configure() and context.run_migrations(), wrapped on the instance."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.util import to_list
from sqlalchemy import Connection

from erm_alembic.config.redaction import first_line
from erm_alembic.errors import EnvironmentRefused, ProjectError
from erm_alembic.revisions.env_py.engine import connection_like, go_on_like
from erm_alembic.revisions.env_py.session import carry_session_over
from erm_alembic.revisions.env_py.steps import EnvSteps, only_of_stamps
from erm_alembic.revisions.recording.call_stack import calling_line
from erm_alembic.revisions.redirect import Redirection

__all__ = ["Adoption"]

NOTHING_DONE = "Nothing was planned or run."

logger = logging.getLogger("erm_alembic")


@dataclass
class Adoption:
    """How far env.py has come, and the wrapped methods that it calls.

    Args:
        environment: what env.py sees as `alembic.context`.
        ours: erm's connection; not in a transaction.
        redirection: where env.py's own connections go.
        on_version_apply: told the recorded revisions as each step leaves them.
        metadata: `module:attribute`, used where env.py sets no target_metadata.
        limits: the settings of erm's session that erm made itself, in milliseconds.
        read_only: whether nothing may be written.
        connection: the connection that revisions run on: `ours`, or one on its session that is like env.py's own.
        worked: whether Alembic has come to its work.
        ended: whether it has come to the end of it.
    """

    environment: EnvironmentContext
    ours: Connection
    redirection: Redirection
    on_version_apply: Callable[..., None] | None = None
    metadata: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    read_only: bool = False
    worked: bool = False
    ended: bool = False
    _ran: bool = False
    _theirs: Connection | None = None
    _steps: EnvSteps = field(default_factory=lambda: EnvSteps(()))

    def __post_init__(self) -> None:
        self.connection = self.ours

    def install(self) -> None:
        """Wrap what env.py calls."""
        configure, run_migrations = self.environment.configure, self.environment.run_migrations

        def adopted_configure(connection: Any = None, **opts: Any) -> None:
            self._refuse_second_database()
            if opts.get("as_sql"):
                raise self._prints_sql()
            self._adopt(_sync_connection(connection))
            opts["transaction_per_migration"] = True
            opts.pop("url", None)
            opts.pop("dialect_name", None)
            if self.metadata is not None and opts.get("target_metadata") is None:
                opts["target_metadata"] = _import_metadata(self.metadata)
            callbacks: list[Callable[..., None]] = to_list(opts.get("on_version_apply"), [])
            self._steps = EnvSteps(callbacks)
            ours = [] if self.on_version_apply is None else [self.on_version_apply]
            opts["on_version_apply"] = [*map(only_of_stamps, callbacks), *ours]
            configure(connection=self.connection, **opts)

        def adopted_run_migrations(**kw: Any) -> None:
            self._refuse_second_database()
            self._ran = True
            self._carry_over()
            with self._steps.within_revisions():
                run_migrations(**kw)
            self.ended = True

        # On the instance: the proxy `alembic.context` looks attributes up there, and a subclass would not be seen.
        self.environment.configure = adopted_configure  # type: ignore[method-assign,assignment]  # for this run
        self.environment.run_migrations = adopted_run_migrations  # type: ignore[method-assign]  # for this run

    def working(
        self, heads: Sequence[str], context: MigrationContext, steps: Callable[[], Iterable[RevisionStep]]
    ) -> Iterator[RevisionStep]:
        """Alembic's work: yields the steps, and knows after each what the database records.

        Args:
            heads: what it records at first.
            context: Alembic's context.
            steps: makes the steps.
        """
        self.worked = True
        self._steps.begin(context, heads)
        for step in steps():
            yield step
            self._steps.done(step)

    def end(self) -> None:
        """Give the session back to erm's own connection."""
        if self.connection is not self.ours:
            self.connection.close()
            self.connection = self.ours

    def _adopt(self, theirs: Connection | None) -> None:
        self.end()
        self._theirs = theirs
        if theirs is None:
            return
        self.connection = connection_like(theirs, self.ours, _not_called)
        self.redirection.leave_alone(self.connection.dialect)
        if self.connection.in_transaction():
            self.connection.commit()  # or Alembic would take its transaction for one that env.py is to end
        raw: Any = self.connection.connection.dbapi_connection
        raw.commit()

    def _carry_over(self) -> None:
        """What env.py set on its own connection, and in a transaction on ours, must hold for every revision."""
        if self._theirs is not None:
            go_on_like(self._theirs, self.connection)
        self._steps.autocommit = carry_session_over(
            self._theirs,
            self.connection,
            limits=self.limits,
            custom=sorted(self.redirection.custom_settings),
            read_only=self.read_only,
        )

    def _prints_sql(self) -> EnvironmentRefused:
        where = self.environment.script.env_py_location
        line = calling_line(str(Path(where).absolute()))
        return EnvironmentRefused(
            f"{where}{'' if line is None else f':{line}'}: env.py prints SQL: context.configure(as_sql=True).",
            effect=NOTHING_DONE,
            cure="Take out as_sql; `erm migrate --mode plan --sql` prints the script.",
        )

    def _refuse_second_database(self) -> None:
        if self._ran:
            raise EnvironmentRefused(
                "env.py migrates several databases (or schemas) in one run: it configures Alembic again after "
                "run_migrations().",
                effect="Nothing was changed: erm deploys one database at a time, each with its plan, lock and ledger.",
                cure="Let env.py choose one database, for example from `context.get_x_argument()`, and run erm once "
                "for each: `erm migrate -x db=NAME`.",
            )


def _not_called(listener: str) -> None:
    logger.warning(
        f"env.py listens to its engine's connections with {listener}, which is for its driver: erm connects with "
        "psycopg2, and the revisions run without it."
    )


def _sync_connection(connection: Any) -> Connection | None:
    """The connection that env.py made itself, refused when it is not one to PostgreSQL."""
    if connection is None:
        return None
    if not isinstance(connection, Connection):
        raise EnvironmentRefused(
            f"env.py hands {type(connection).__name__} to context.configure(connection=...), not a Connection.",
            effect=NOTHING_DONE,
            cure="Pass a sqlalchemy Connection; in an async env.py, call configure inside `connection.run_sync(...)`.",
        )
    if connection.dialect.name != "postgresql":
        raise EnvironmentRefused(
            f"env.py connects to a {connection.dialect.name} database; erm deploys PostgreSQL.",
            effect=NOTHING_DONE,
            cure="Let env.py use the `sqlalchemy.url` of its configuration, which erm sets to the target.",
        )
    return connection


def _import_metadata(name: str) -> Any:
    """The object that `migrations.metadata` names."""
    module, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ProjectError(
            f"`migrations.metadata` names {name!r}, which cannot be imported: {first_line(error)}.",
            effect=NOTHING_DONE,
            cure="Write it as `package.module:Base.metadata`.",
        ) from error
    return found
