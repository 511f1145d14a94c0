"""Addresses of databases, in every shape that users have them.

libpq's URIs and keyword strings, SQLAlchemy's URLs with a driver (`+psycopg2`, `+psycopg`, `+asyncpg`), several hosts,
unix sockets, IPv6, service files, and erm's own `embedded://NAME` are read into libpq's keywords, and written again for
libpq or for an SQLAlchemy driver. Nothing here connects, and no error repeats the text: it holds a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from erm_alembic.config.dsn_reader import embedded_name, read_keywords, read_uri, refused
from erm_alembic.config.dsn_writer import asyncpg_query, write_uri
from erm_alembic.config.redaction import MASK

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from erm_alembic.config.credentials import Credential, Logins

__all__ = ["DatabaseUrl"]

_DRIVERS = ("psycopg2", "psycopg", "psycopg_async", "asyncpg")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9_.\-]*)(?:\+([A-Za-z0-9_]*))?://(.*)", re.DOTALL)
_SECRET_KEYWORDS = ("password", "sslpassword")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The address of one database, as libpq's keywords.

    Args:
        embedded_name: the database's name on the project's own server, None for any other address.
        driver: the driver that the text named (`asyncpg`), "" when it named none.
        parameters: libpq's keywords and their values; `host` and `port` are comma lists of equal length.
        driver_parameters: what only the named driver understands.
        logins: gives the user and the password at each use, where these are kept elsewhere and may change; the
            `parameters` hold none then.

    Example:
        >>> DatabaseUrl.parse("postgres://app:hunter2@db:5433/shop?sslmode=require")
        DatabaseUrl('postgresql://app:***@db:5433/shop?sslmode=require')
    """

    embedded_name: str | None = None
    driver: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    driver_parameters: Mapping[str, str] = field(default_factory=dict)
    logins: Logins | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.redacted!r})"

    __str__ = __repr__

    def __hash__(self) -> int:
        return hash((self.embedded_name, self.driver, frozenset(self.parameters.items())))

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Read an address.

        Args:
            text: a URL, or a keyword string such as `host=db dbname=shop`.

        Raises:
            ConfigurationError: it is not an address of a PostgreSQL database; the text is not repeated.
        """
        text = text.strip()
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise refused("The address of the database is not UTF-8 text.", cure="Percent-encode its odd characters.")
        if match := _SCHEME.fullmatch(text):
            scheme, driver, rest = match[1].lower(), match[2] or "", match[3]
            if scheme == "embedded" and match[2] is None:
                return cls(embedded_name=embedded_name(rest))
            if scheme not in ("postgres", "postgresql"):
                raise refused(
                    f"The URL is one of {scheme}://, not of PostgreSQL.",
                    cure="Give a postgresql:// URL, or embedded://NAME for a private server.",
                )
            if match[2] is not None and driver not in _DRIVERS:
                raise refused(
                    f"The URL names the driver {driver!r}, which erm does not know.",
                    cure="Use postgresql://, or one of " + ", ".join(f"+{name}" for name in _DRIVERS) + ".",
                )
            parameters, unknown = read_uri(driver, rest)
            return cls(driver=driver, parameters=parameters, driver_parameters=unknown)
        if re.match(r"[a-z_]+\s*=", text):
            return cls(parameters=read_keywords(text))
        raise refused(
            "The text is not a URL of a database.",
            cure="Write postgresql://USER@HOST/DATABASE, or embedded://NAME for a private server.",
        )

    @property
    def database(self) -> str:
        """The database's name, "" when the address leaves it to libpq (service file, PGDATABASE, the user's name)."""
        return self.embedded_name if self.embedded_name is not None else self.parameters.get("dbname", "")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords in the address."""
        return tuple(self.parameters[key] for key in _SECRET_KEYWORDS if self.parameters.get(key))

    @property
    def redacted(self) -> str:
        """The address for people: passwords are `***`."""
        if self.embedded_name is not None:
            return f"embedded://{quote(self.embedded_name, safe='')}"
        masked = {key: MASK if key in _SECRET_KEYWORDS and value else value for key, value in self.parameters.items()}
        return write_uri(masked)

    def opened(self) -> DatabaseUrl:
        """The address as of now, with the user and the password that are good at this moment.

        Raises:
            ConfigurationError: these are kept elsewhere, and cannot be had.
        """
        return self.with_credential()[0]

    def with_credential(self) -> tuple[DatabaseUrl, Credential | None]:
        """The address as of now, and what it holds of a login that ends; None where the address is all there is.

        Raises:
            ConfigurationError: user and password are kept elsewhere, and cannot be had.
        """
        if self.logins is None:
            return self, None
        found = self.logins.current(self.parameters)
        return self.with_login(found), found

    def with_login(self, login: Credential) -> DatabaseUrl:
        """The address with a user and a password, which are asked for nowhere else then.

        Args:
            login: them.
        """
        user = {"user": login.user} if login.user is not None else {}
        return self.with_parameters(password=login.password, **user)

    def dsn(self) -> str:
        """The address as libpq, psql and pg_dump take it: a URI without driver, with everything else kept.

        Raises:
            ConfigurationError: an embedded address has none before its server runs; a login cannot be had.
        """
        return write_uri(self.opened()._server_parameters())

    def with_parameters(self, **parameters: str) -> DatabaseUrl:
        """The same address with some libpq keywords set anew; an empty value takes the keyword away.

        Whoever sets the password, or takes it away, means just that: then it is asked for nowhere else.

        Example:
            >>> DatabaseUrl.parse("postgresql://db/shop").with_parameters(dbname="other").dsn()
            'postgresql://db/other'
        """
        merged = {**self._server_parameters(), **parameters}
        return DatabaseUrl(
            driver=self.driver,
            parameters={key: value for key, value in merged.items() if value != ""},
            driver_parameters=self.driver_parameters,
            logins=None if "password" in parameters else self.logins,
        )

    def sqlalchemy_url(self, drivername: str) -> URL:
        """The address for SQLAlchemy.

        Args:
            drivername: the dialect and its driver, such as `postgresql+psycopg2` or `postgresql+asyncpg`.

        Raises:
            ConfigurationError: an embedded address has none before its server runs.

        Example:
            >>> str(DatabaseUrl.parse("postgresql:///shop?host=/run/pg").sqlalchemy_url("postgresql+psycopg2"))
            'postgresql+psycopg2:///shop?host=%2Frun%2Fpg'
        """
        from sqlalchemy.engine import URL

        query = self.opened()._server_parameters()
        asyncpg = drivername.partition("+")[2] == "asyncpg"
        if asyncpg and "hostaddr" in query:
            # It has no word for an address beside the name, and would connect to any address of the name.
            query["host"] = query.pop("hostaddr")
        username, password = query.pop("user", None), query.pop("password", None)
        database = query.pop("dbname", None)
        host, port = query.get("host", ""), query.get("port", "")
        single: tuple[str | None, int | None] = (None, None)
        if "," not in host and "," not in port and not host.startswith(("/", "@")):
            single = (host or None, int(port) if port else None)
            query.pop("host", None)
            query.pop("port", None)
        if asyncpg:
            query = asyncpg_query(query)
        if drivername.partition("+")[2] == self.driver:
            query |= self.driver_parameters
        return URL.create(drivername, username, password, *single, database, query)

    def _server_parameters(self) -> dict[str, str]:
        if self.embedded_name is not None:
            raise refused(
                "An embedded:// address has no address of its own before its server runs.",
                cure="Ask the embedded server for it.",
            )
        return dict(self.parameters)
