"""One database, reachable, its facts known: a profile with its credentials resolved."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg2
from psycopg2 import sql

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.redaction import redact
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ConfigurationError, TargetError
from erm_alembic.postgres.intercept import GatedConnection, connect_gated

__all__ = ["Target", "open_target"]

OLDEST_MAJOR = 13
# Whoever only reads must not queue behind a lock that someone holds, and hold up whoever comes next.
READING_LOCK_TIMEOUT = "3s"
NOTHING_RUN = "Nothing was planned or run."


@dataclass(frozen=True)
class Target:
    """The database that a command acts on.

    Args:
        settings: what is in force for its environment.
        url: its address with its password, never shown.
        redacted: its address without the password.
        server_version: the server's version, as in `15.18`.
        major: the server's major version.
        database: the name of the database.
        role: the role that erm logs in as.
        is_standby: whether it is a read-only standby.
    """

    settings: Settings
    url: DatabaseUrl = field(repr=False)
    redacted: str
    server_version: str
    major: int
    database: str
    role: str
    is_standby: bool

    def connect(self, application_name: str) -> GatedConnection:
        """Open a connection for migrations.

        Args:
            application_name: how the session is seen in `pg_stat_activity`.

        Raises:
            TargetError: the server cannot be reached or refuses.
        """
        return _connect(self.url, self.redacted, application_name)

    def connect_read_only(self, application_name: str) -> GatedConnection:
        """Open a connection that the server itself keeps from writing, and that never queues behind a lock for long.

        Args:
            application_name: how the session is seen in `pg_stat_activity`.

        Raises:
            TargetError: the server cannot be reached or refuses.
        """
        connection = self.connect(application_name)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
            cursor.execute("SELECT pg_catalog.set_config('lock_timeout', %s, false)", [READING_LOCK_TIMEOUT])
        connection.autocommit = False
        self.set_role(connection)
        return connection

    def set_role(self, connection: GatedConnection) -> None:
        """Act as `migrations.role`, where one is configured, for the whole session."""
        if self.settings.migrations.role is None:
            return
        before, connection.autocommit = connection.autocommit, True
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.settings.migrations.role)))
        connection.autocommit = before


def open_target(settings: Settings) -> Target:
    """Resolve the credentials, start the embedded server where the profile names it, and learn the database's facts.

    Args:
        settings: what is in force.

    Raises:
        ConfigurationError: there is no address, or a secret cannot be had.
        TargetError: the server cannot be reached, refuses, or is too old.
    """
    url, redacted = _resolve(settings)
    connection = _connect(url, redacted, "erm")
    try:
        return _read_facts(settings, url, redacted, connection)
    finally:
        connection.close()


def _resolve(settings: Settings) -> tuple[DatabaseUrl, str]:
    if settings.url is None:
        raise ConfigurationError(
            f"No database is configured for the environment {settings.environment!r}.",
            effect=NOTHING_RUN,
            cure="Set ERM_DATABASE_URL, or a url in erm.yaml.",
        )
    url = DatabaseUrl.parse(settings.url.reveal())
    if url.embedded_name is None:
        return url, url.redacted
    from erm_alembic.postgres.server import EmbeddedServer

    server = EmbeddedServer(settings.project_dir)
    server.ensure_running()
    server.ensure_database(url.embedded_name)
    return DatabaseUrl.parse(server.dsn(url.embedded_name)), url.redacted


def _read_facts(settings: Settings, url: DatabaseUrl, redacted: str, connection: GatedConnection) -> Target:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_catalog.current_setting('server_version'),"
            " pg_catalog.current_setting('server_version_num')::int,"
            " pg_catalog.current_database(), session_user, pg_catalog.pg_is_in_recovery()"
        )
        row = cursor.fetchone()
    assert row is not None
    version, number, database, role, is_standby = row
    if number // 10000 < OLDEST_MAJOR:
        raise TargetError(
            f"The server is PostgreSQL {version}.",
            effect=NOTHING_RUN,
            cure=f"erm works with PostgreSQL {OLDEST_MAJOR} and newer: upgrade the server.",
        )
    return Target(settings, url, redacted, version.split()[0], number // 10000, database, role, is_standby)


def _connect(url: DatabaseUrl, redacted: str, application_name: str) -> GatedConnection:
    try:
        return connect_gated(url.dsn(), application_name)
    except (psycopg2.Error, ValueError) as error:
        said = redact(" ".join(str(error).split()))
        raise TargetError(f"{redacted} cannot be reached: {said}", effect=NOTHING_RUN, cure=_cure(said)) from error


# libpq tells these failures apart by their words alone; an unknown (or translated) text gets the general cure.
CURES = (
    ("password authentication failed", "Check the user and the password (ERM_DATABASE_URL, the secret, or ~/.pgpass)."),
    ("no password supplied", "Give a password through ${VAR}, file:, cmd: or ~/.pgpass."),
    ("does not exist", "Create it (`createdb NAME`, `createuser NAME`), or correct the name in the URL."),
    ("could not translate host name", "Check the host name in the URL."),
    ("no pg_hba.conf entry", "Ask the administrator for an entry in pg_hba.conf for this user and this machine."),
    ("too many clients", "Wait until connections are free, or raise max_connections."),
    ("permission denied for database", "GRANT CONNECT ON DATABASE to this role."),
    ("refused", "Check that the server runs and listens at that address and port."),
    ("No such file or directory", "Check that the server runs and that the socket's folder is the right one."),
    ("timeout", "Check the network and the firewall between this machine and the server."),
    ("SSL", "Check sslmode and the certificates in the URL."),
)


def _cure(said: str) -> str:
    general = "Check the URL, and that the server runs: `psql` with the same URL says the same."
    return next((cure for words, cure in CURES if words in said), general)
