"""One database, reachable, its facts known: a profile with its credentials resolved."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import cursor as PlainCursor
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.redaction import first_line, redact
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ConfigurationError, TargetError
from erm_alembic.postgres.embedded.address import running_address
from erm_alembic.postgres.intercept import GatedConnection, connect_gated, gated_engine
from erm_alembic.postgres.limits import SESSION_ENDING
from erm_alembic.postgres.login_role import keep_ledger_as
from erm_alembic.postgres.logins import connect_as_of_now
from erm_alembic.postgres.password_file import exposed_password_file, without_exposed_file
from erm_alembic.postgres.reading import LOCK_TIMEOUT

__all__ = ["Target", "open_target"]

OLDEST_MAJOR = 13
NEWEST_TESTED_MAJOR = 18
NOTHING_RUN = "Nothing was planned or run."
# A server that does not answer, or a network that is cut without a word, must not hold up a deployment for hours.
# (No keepalives are sent while what was sent is not acknowledged: then the user timeout, in ms, holds.)
PATIENCE = {
    "connect_timeout": "15",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# A role that was lent so many seconds ago has its time before it.
FRESH_ENOUGH = 20.0
ENDED_CURE = (
    "If the secret manager has ended the role's sessions, let it lend roles for longer than a deployment takes "
    "(max_ttl of the role); else try again once the server is up."
)
POOLER_CURE = "Give migrations the database's own address, past the pooler."

logger = logging.getLogger("erm_alembic")


@dataclass(frozen=True)
class Target:
    """The database that a command acts on.

    Args:
        settings: what is in force for its environment.
        address: its address; where its user and password are kept elsewhere, they are asked for at each use.
        redacted: its address without the password.
        server_version: the server's version, as in `15.18`.
        major: the server's major version.
        database: the name of the database.
        role: the role that erm logs in as.
        is_standby: whether it is a read-only standby.
    """

    settings: Settings
    address: DatabaseUrl = field(repr=False)
    redacted: str
    server_version: str
    major: int
    database: str
    role: str
    is_standby: bool

    @property
    def url(self) -> DatabaseUrl:
        """Its address with the user and the password that are good at this moment, never shown.

        Raises:
            ConfigurationError: these are kept elsewhere, and cannot be had.
        """
        return self.address.opened()

    @property
    def login_ends(self) -> bool:
        """Whether the role that logs in is dropped after a while, as those that a secret manager makes: what it owned
        would be nobody's, or would keep it from being dropped.

        Raises:
            ConfigurationError: there is no login to be had.
        """
        credential = self.address.with_credential()[1]
        return credential is not None and credential.secret.ends_sessions

    def freshen_login(self) -> None:
        """Before long work: log in from now on with a role that has all of its time before it, where roles end.

        What is made would belong to it, unless somebody else is named; that is logged as a warning.

        Raises:
            ConfigurationError: there is no login to be had.
        """
        if self.address.logins is None:
            return
        self.address.logins.freshen(self.address.parameters, FRESH_ENOUGH)
        if self.settings.migrations.role is None and self.login_ends:
            logger.warning(
                "The role that logs in is dropped after a while, and would own what is made: name one that stays "
                "(migrations.role in erm.yaml)."
            )

    def connect(self, application_name: str) -> GatedConnection:
        """Open a connection for migrations.

        Args:
            application_name: how the session is seen in `pg_stat_activity`.

        Raises:
            TargetError: the server cannot be reached or refuses.
        """
        connection = _connect(self.address, self.redacted, application_name)
        if (role := self.settings.migrations.role) is not None and self.login_ends:
            connection.autocommit = True
            with connection.cursor(cursor_factory=PlainCursor) as cursor:
                keep_ledger_as(cursor, role)
            connection.autocommit = False
        return connection

    def connect_read_only(self, application_name: str, *, strictly: bool = False) -> GatedConnection:
        """Open a connection that the server itself keeps from writing, and that never queues behind a lock for long.

        It reads as the role that erm logs in as where that one may not act as `migrations.role`, as one that only reads
        may not: whoever writes is refused then (`set_role`).

        Args:
            application_name: how the session is seen in `pg_stat_activity`.
            strictly: whether it is refused as well, since what is asked is asked about that role.

        Raises:
            TargetError: the server cannot be reached or refuses.
        """
        connection = self.connect(application_name)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"SET default_transaction_read_only = on; SET lock_timeout = '{LOCK_TIMEOUT}'")
        self.lift_session_limits(connection)
        connection.autocommit = False
        with contextlib.nullcontext() if strictly else contextlib.suppress(InsufficientPrivilege):
            self.set_role(connection)
        return connection

    def engine(self, first: GatedConnection, connect_more: Callable[[], GatedConnection]) -> Engine:
        """The SQLAlchemy engine that env.py and revisions work with.

        Args:
            first: the connection that erm itself works on; whoever opened it closes it.
            connect_more: opens further connections, for revisions that connect a second time.
        """
        return gated_engine(first, self.url.sqlalchemy_url("postgresql+psycopg2"), connect_more)

    @contextlib.contextmanager
    def reading(self, application_name: str, *, strictly: bool = False) -> Iterator[PlainCursor]:
        """A cursor of a session that only reads, as `connect_read_only` opens it, for as long as the block lasts.

        Args:
            application_name: how the session is seen in `pg_stat_activity`.
            strictly: whether it must act as `migrations.role`.

        Raises:
            TargetError: the server cannot be reached, or it objects to what is asked.
        """
        with (
            self.reported(),
            contextlib.closing(self.connect_read_only(application_name, strictly=strictly)) as connection,
            connection.cursor(cursor_factory=PlainCursor) as cursor,
        ):
            yield cursor

    def lift_session_limits(self, connection: GatedConnection, *, lock_timeout: str | None = None) -> None:
        """Let a session last however long it is idle: a role's own limits, meant for the application, would end it.

        Args:
            connection: one in autocommit mode.
            lock_timeout: how long it may wait for a lock, as PostgreSQL writes it; None leaves that as it is.
        """
        with connection.cursor() as cursor:
            lifted = [f"SET {name} = 0" for name, since in SESSION_ENDING.items() if self.major >= since]
            cursor.execute("; ".join(lifted + ([f"SET lock_timeout = '{lock_timeout}'"] if lock_timeout else [])))

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """Turn what the server or the network objects, for as long as the block lasts, into words of erm.

        Raises:
            TargetError: the connection was lost, a right is missing, a lock was not had in time, the disk is full.
        """
        try:
            yield
        except (psycopg2.Error, DBAPIError, PendingRollbackError) as error:
            raise _objection(self.redacted, error, ends=self.address.logins is not None) from error

    def set_role(self, connection: GatedConnection) -> None:
        """Act as `migrations.role`, where one is configured, for the whole session."""
        if self.settings.migrations.role is None:
            return
        before, connection.autocommit = connection.autocommit, True
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.settings.migrations.role)))
        finally:
            connection.autocommit = before


def open_target(settings: Settings) -> Target:
    """Resolve the credentials, start the embedded server where the profile names it, and learn the database's facts.

    What is to be known of it before anything is done (another address is used than one might think, the server is
    newer than the tested ones) is logged as a warning.

    Args:
        settings: what is in force.

    Raises:
        ConfigurationError: there is no address, or a secret cannot be had.
        TargetError: the server cannot be reached, refuses, or is too old.
    """
    for note in settings.notes:
        logger.warning(note)
    url, redacted = _resolve(settings)
    with contextlib.closing(_connect(url, redacted, "erm")) as connection:
        connection.autocommit = True
        try:
            target = _read_facts(settings, url, redacted, connection)
        except psycopg2.Error as error:
            raise _objection(redacted, error) from error
    if target.major > NEWEST_TESTED_MAJOR:
        logger.warning(
            f"The server is PostgreSQL {target.server_version}; erm is tested up to PostgreSQL {NEWEST_TESTED_MAJOR}."
        )
    return target


def _resolve(settings: Settings) -> tuple[DatabaseUrl, str]:
    if settings.url is None:
        raise ConfigurationError(
            f"No database is configured for the environment {settings.environment!r}.",
            effect=NOTHING_RUN,
            cure="Set ERM_DATABASE_URL, or a url in erm.yaml.",
        )
    url = settings.url.database_url()
    asks_for_password = url.embedded_name is None and not (
        url.logins is not None or url.parameters.get("password") or "PGPASSWORD" in os.environ
    )
    if asks_for_password and (path := exposed_password_file()) is not None:
        _tell_of_exposed(path)
    return running_address(url, settings.project_dir), url.redacted


def _read_facts(settings: Settings, url: DatabaseUrl, redacted: str, connection: GatedConnection) -> Target:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_catalog.current_setting('server_version'),"
            " pg_catalog.current_setting('server_version_num')::int,"
            " pg_catalog.current_database(), session_user, pg_catalog.pg_is_in_recovery(),"
            " pg_catalog.pg_backend_pid()"
        )
        row = cursor.fetchone()
    assert row is not None
    version, number, database, role, is_standby, backend = row
    if backend != connection.info.backend_pid:
        raise TargetError(
            f"{redacted} is behind a connection pooler: another server process answers than the one that greeted.",
            effect=f"{NOTHING_RUN} A transaction pooler would strand the deploy lock, and hand the settings of this "
            "session to other clients.",
            cure=POOLER_CURE,
        )
    if number // 10000 < OLDEST_MAJOR:
        raise TargetError(
            f"The server is PostgreSQL {version}.",
            effect=NOTHING_RUN,
            cure=f"erm works with PostgreSQL {OLDEST_MAJOR} and newer: upgrade the server.",
        )
    return Target(settings, url, redacted, version.split()[0], number // 10000, database, role, is_standby)


def _connect(url: DatabaseUrl, redacted: str, application_name: str) -> GatedConnection:
    try:
        return connect_as_of_now(url, lambda found: connect_gated(_patient(found).dsn(), application_name))
    except (psycopg2.Error, ValueError) as error:
        said = redact(" ".join(str(error).split()))
        cure = _missing(said, url) or _cure(said)
        raise TargetError(f"{redacted} cannot be reached: {said}", effect=NOTHING_RUN, cure=cure) from error


@cache
def _tell_of_exposed(path: Path) -> None:
    """Once in a process: libpq itself would say it at each connection."""
    logger.warning(f"{path} may be read by others, so that no password is taken from it: chmod 600 {path}")


def _patient(url: DatabaseUrl) -> DatabaseUrl:
    """The address with limits on silence, where neither it nor a service file nor the environment sets them."""
    if "service" in url.parameters or "PGSERVICE" in os.environ:
        return url
    wanted = {**PATIENCE, **without_exposed_file()}
    missing = {key: value for key, value in wanted.items() if key not in url.parameters}
    if "PGCONNECT_TIMEOUT" in os.environ:
        missing.pop("connect_timeout", None)
    return url.with_parameters(**missing)


def _objection(
    redacted: str, error: psycopg2.Error | DBAPIError | PendingRollbackError, *, ends: bool = False
) -> TargetError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    primary = cause.diag.message_primary if isinstance(cause, psycopg2.Error) else None
    # What the driver and SQLAlchemy say then is about their own objects.
    lost = isinstance(cause, psycopg2.InterfaceError | PendingRollbackError)
    said = "the connection is lost" if lost else first_line(primary or cause, "the connection is lost")
    state = getattr(cause, "pgcode", None) or ""
    if ends and (lost or state == "57P01"):
        return TargetError(f"{redacted}: {said.rstrip('.')}.", effect=NOTHING_RUN, cure=ENDED_CURE)
    cure = next((cure for prefix, cure in OBJECTIONS if state.startswith(prefix)), _cure(said))
    return TargetError(f"{redacted}: {said.rstrip('.')}.", effect=NOTHING_RUN, cure=cure)


# By the beginning of the SQLSTATE.
OBJECTIONS = (
    ("42501", "Let an administrator grant the right, or deploy as a role that has it."),
    ("55P03", "Somebody holds a lock for long: `SELECT * FROM pg_stat_activity` shows who; try again."),
    ("57P0", "Try again once the server is up."),
    ("22023", "Check `migrations.role` in erm.yaml, and that the role exists."),
    ("53", "Give the server what it lacks (disk, memory, connections), and try again."),
)


# libpq tells these failures apart by their words alone; an unknown (or translated) text gets the general cure.
CURES = (
    ("password authentication failed", "Check the user and the password (ERM_DATABASE_URL, the secret, or ~/.pgpass)."),
    ("no password supplied", "Give a password through ${VAR}, file:, cmd: or ~/.pgpass."),
    ("does not exist", "Create it (`createdb NAME`, `createuser NAME`), or correct the name in the URL."),
    ("could not translate host name", "Check the host name in the URL."),
    ("no pg_hba.conf entry", "Ask the administrator for an entry in pg_hba.conf for this user and this machine."),
    ("too many clients", "Wait until connections are free, or raise max_connections."),
    ("remaining connection slots", "Wait until connections are free, or raise max_connections."),
    (
        "too many connections for",
        "Wait until connections are free, or raise the CONNECTION LIMIT of that role or database.",
    ),
    ("unsupported startup parameter", POOLER_CURE),
    ("permission denied for database", "GRANT CONNECT ON DATABASE to this role."),
    ("refused", "Check that the server runs and listens at that address and port."),
    ("No such file or directory", "Check that the server runs and that the socket's folder is the right one."),
    ("timeout", "Check the network and the firewall between this machine and the server."),
    ("SSL", "Check sslmode and the certificates in the URL."),
)


def _missing(said: str, url: DatabaseUrl) -> str | None:
    """What to type where the role or the database of an address is not there, or one may not use the other."""
    user, name = url.parameters.get("user"), url.parameters.get("dbname") or url.parameters.get("user")
    if user and f'role "{user}" does not exist' in said:
        return f"Create it (`createuser {shlex.quote(user)}`), or correct the user in the URL."
    if name and f'database "{name}" does not exist' in said:
        return f"Create it (`createdb {shlex.quote(name)}`), or correct the name in the URL."
    if user and name and "permission denied for database" in said:
        return f"Let an administrator run: GRANT CONNECT ON DATABASE {_quoted(name)} TO {_quoted(user)};"
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cure(said: str) -> str:
    general = "Check the URL, and that the server runs: `psql` with the same URL says the same."
    return next((cure for words, cure in CURES if words in said), general)
