"""Addresses of databases, in every shape that users have them.

libpq's URIs and keyword strings, SQLAlchemy's URLs with a driver (`+psycopg2`, `+psycopg`, `+asyncpg`), several hosts,
unix sockets, IPv6, service files, and erm's own `embedded://NAME` are read into libpq's keywords, and written again for
libpq or for an SQLAlchemy driver. Nothing here connects, and no error repeats the text: it holds a password.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_plus

import psycopg2
from psycopg2.extensions import parse_dsn

from erm_alembic.config.redaction import MASK
from erm_alembic.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

__all__ = ["DatabaseUrl"]

_DRIVERS = ("psycopg2", "psycopg", "psycopg_async", "asyncpg")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9_.\-]*)(?:\+([A-Za-z0-9_]*))?://(.*)", re.DOTALL)
_PLAIN_HOST = re.compile(r"[A-Za-z0-9._\-]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SECRET_KEYWORDS = ("password", "sslpassword")
_SUGGESTED_KEYWORDS = (
    "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "connect_timeout", "client_encoding",
    "options", "application_name", "keepalives", "sslmode", "sslcert", "sslkey", "sslrootcert", "target_session_attrs",
    "load_balance_hosts", "service", "channel_binding", "gssencmode",
)  # fmt: skip
# asyncpg's connect() takes these under libpq's name; what only its DSN understands goes there.
_ASYNCPG_KEYWORDS = ("passfile", "target_session_attrs", "service")
_ASYNCPG_DSN_KEYWORDS = (
    "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "ssl_min_protocol_version",
    "ssl_max_protocol_version", "krbsrvname", "gsslib", "application_name", "options", "client_encoding",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The address of one database, as libpq's keywords.

    Args:
        embedded_name: the database's name on the project's own server, None for any other address.
        driver: the driver that the text named (`asyncpg`), "" when it named none.
        parameters: libpq's keywords and their values; `host` and `port` are comma lists of equal length.
        driver_parameters: what only the named driver understands.

    Example:
        >>> DatabaseUrl.parse("postgres://app:hunter2@db:5433/shop?sslmode=require")
        DatabaseUrl('postgresql://app:***@db:5433/shop?sslmode=require')
    """

    embedded_name: str | None = None
    driver: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    driver_parameters: Mapping[str, str] = field(default_factory=dict)

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
        if match := _SCHEME.fullmatch(text):
            scheme, driver, rest = match[1].lower(), match[2] or "", match[3]
            if scheme == "embedded" and match[2] is None:
                return cls(embedded_name=_embedded_name(rest))
            if scheme not in ("postgres", "postgresql"):
                raise _refused(
                    f"The URL is one of {scheme}://, not of PostgreSQL.",
                    cure="Give a postgresql:// URL, or embedded://NAME for a private server.",
                )
            if match[2] is not None and driver not in _DRIVERS:
                raise _refused(
                    f"The URL names the driver {driver!r}, which erm does not know.",
                    cure="Use postgresql://, or one of " + ", ".join(f"+{name}" for name in _DRIVERS) + ".",
                )
            return _from_uri(driver, rest)
        if "://" not in text and "=" in text:
            return _from_keywords(text)
        raise _refused(
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
        return _uri(masked)

    def dsn(self) -> str:
        """The address as libpq, psql and pg_dump take it: a URI without driver, with everything else kept.

        Raises:
            ConfigurationError: an embedded address has none before its server runs.
        """
        return _uri(self._server_parameters())

    def with_parameters(self, **parameters: str) -> DatabaseUrl:
        """The same address with some libpq keywords set anew; an empty value takes the keyword away.

        Example:
            >>> DatabaseUrl.parse("postgresql://db/shop").with_parameters(dbname="other").dsn()
            'postgresql://db/other'
        """
        merged = {**self._server_parameters(), **parameters}
        return DatabaseUrl(
            driver=self.driver,
            parameters={key: value for key, value in merged.items() if value != ""},
            driver_parameters=self.driver_parameters,
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

        query = self._server_parameters()
        username, password = query.pop("user", None), query.pop("password", None)
        database = query.pop("dbname", None)
        host, port = query.get("host", ""), query.get("port", "")
        single: tuple[str | None, int | None] = (None, None)
        if "," not in host and "," not in port and not host.startswith(("/", "@")):
            single = (host or None, int(port) if port else None)
            query.pop("host", None)
            query.pop("port", None)
        asyncpg = drivername.partition("+")[2] == "asyncpg"
        if asyncpg:
            query = _asyncpg_query(query)
        if drivername.partition("+")[2] == self.driver:
            query |= self.driver_parameters
        return URL.create(drivername, username, password, *single, database, query)

    def _server_parameters(self) -> dict[str, str]:
        if self.embedded_name is not None:
            raise _refused(
                "An embedded:// address has no address of its own before its server runs.",
                cure="Ask the embedded server for it.",
            )
        return dict(self.parameters)


def _refused(what: str, *, cure: str) -> ConfigurationError:
    return ConfigurationError(what, effect="No database was reached.", cure=cure)


def _embedded_name(rest: str) -> str:
    name = _decoded(rest.rstrip("/"), "name")
    if not name or "/" in rest.rstrip("/") or "?" in rest:
        raise _refused(
            "An embedded:// URL holds the name of one database and nothing else.",
            cure="Write embedded://app_dev, for example; percent-encode unusual characters.",
        )
    return name


def _from_keywords(text: str) -> DatabaseUrl:
    try:
        parameters = parse_dsn(text)
    except psycopg2.Error:
        raise _refused(
            "The keyword string of the database cannot be read by libpq.",
            cure="Write key=value pairs with quotes around odd values: host=db dbname='my shop' user=app.",
        ) from None
    return DatabaseUrl(parameters=_with_lists(parameters))


def _from_uri(driver: str, rest: str) -> DatabaseUrl:
    """Read what follows `://`: libpq's grammar, and SQLAlchemy's where libpq's makes no sense of it."""
    userinfo, rest = _split_userinfo(rest)
    authority, _, query = rest.partition("?")
    hostlist, _, dbname = authority.partition("/")
    parameters: dict[str, str] = {}
    if userinfo is not None:
        user, _, password = userinfo.partition(":")
        parameters |= {"user": _decoded(user, "user"), "password": _decoded(password, "password")}
    hosts, ports = [], []
    for item in hostlist.split(","):
        host, port = _host_and_port(item)
        hosts.append(host)
        ports.append(port)
    parameters |= {"host": ",".join(hosts), "port": ",".join(ports), "dbname": _decoded(dbname, "database's name")}
    known, unknown = _query_parameters(query, driver)
    parameters |= known
    parameters = {key: value for key, value in parameters.items() if value.strip(",")}
    return DatabaseUrl(driver=driver, parameters=_with_lists(parameters), driver_parameters=unknown)


def _split_userinfo(rest: str) -> tuple[str | None, str]:
    """Take `user:password` off, also where a password holds a bare `@`, `/` or `?`, which people do write."""
    authority = rest.partition("/")[0]
    head = authority.partition("?")[0]
    if "@" in head:
        userinfo, _, _ = head.rpartition("@")
        return userinfo, rest[len(userinfo) + 1 :]
    if "@" in authority:
        userinfo, _, _ = authority.rpartition("@")
        return userinfo, rest[len(userinfo) + 1 :]
    if re.match(r"[^:/?\[]*:(?!\d*(?:[,/?]|$))[^@]*@", rest):
        userinfo, _, remainder = rest.partition("@")
        return userinfo, remainder
    return None, rest


def _host_and_port(item: str) -> tuple[str, str]:
    if item.startswith("["):
        host, bracket, port = item[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise _refused("An IPv6 host is not closed by `]`.", cure="Write [::1] or [::1]:5432.")
        port = port[1:]
    else:
        host, _, port = item.partition(":")
        host = _decoded(host, "host")
    return host, _checked_port(port)


def _checked_port(port: str) -> str:
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise _refused(
            "The port of a host is not a number between 1 and 65535.",
            cure="Percent-encode odd characters of the password (/ is %2F, : is %3A, @ is %40), or correct the port.",
        )
    return port


def _query_parameters(query: str, driver: str) -> tuple[dict[str, str], dict[str, str]]:
    """The parameters after `?`: those of libpq, and those that only the driver knows."""
    decode = unquote_plus if driver else unquote
    known: dict[str, str] = {}
    unknown: dict[str, str] = {}
    sqlalchemy_hosts: list[str] = []
    for pair in filter(None, query.split("&")):
        key, equals, value = pair.partition("=")
        key, value = _decoded(key, "parameter", decode), _decoded(value, "parameter", decode)
        if not equals:
            raise _refused(f"The parameter {key!r} of the URL has no value.", cure=f"Write {key}=VALUE.")
        if key == "ssl":
            known["sslmode"] = {"true": "require", "false": "disable"}.get(value.lower(), value)
        elif key == "host":
            sqlalchemy_hosts.append(value)
        elif _libpq_knows(key):
            known[key] = value
        elif driver == "asyncpg" or (driver and key.startswith("prepare")):
            unknown[key] = value
        else:
            raise _unknown_parameter(key)
    if len(sqlalchemy_hosts) > 1 or (driver and sqlalchemy_hosts and re.search(r"^[\w.\-]+:\d+$", sqlalchemy_hosts[0])):
        pairs = [(host, "") if host.startswith("/") else _host_and_port(host) for host in sqlalchemy_hosts]
        known |= {"host": ",".join(host for host, _ in pairs), "port": ",".join(port for _, port in pairs)}
    elif sqlalchemy_hosts:
        known["host"] = sqlalchemy_hosts[0]
    return known, unknown


def _unknown_parameter(key: str) -> ConfigurationError:
    near = difflib.get_close_matches(key, _SUGGESTED_KEYWORDS, 1)
    return _refused(
        f"libpq knows no parameter {key!r} in the URL.",
        cure=f"Write {near[0]!r}." if near else "Take it away, or correct its name.",
    )


def _libpq_knows(key: str) -> bool:
    """Ask libpq itself: its keywords grow with its version."""
    if not re.fullmatch(r"[a-z_]+", key):
        return False
    try:
        parse_dsn(f"{key}=''")
    except psycopg2.Error:
        return False
    return True


def _with_lists(parameters: Mapping[str, str]) -> dict[str, str]:
    """Check the ports, and give every host one: libpq lets one port stand for all hosts."""
    result = dict(parameters)
    hosts, ports = result.get("host", "").split(","), result.get("port", "").split(",")
    for port in ports:
        _checked_port(port)
    if len(ports) == 1 and len(hosts) > 1 and ports[0]:
        result["port"] = ",".join(ports * len(hosts))
    elif len(ports) > 1 and len(ports) != max(len(hosts), len(result.get("hostaddr", "").split(","))):
        raise _refused(
            f"The URL has {len(hosts)} hosts but {len(ports)} ports.",
            cure="Give each host its port, or all of them one.",
        )
    return result


def _decoded(text: str, place: str, decode: object = unquote) -> str:
    """Percent-decode; a lone `%` stays, as people write it in passwords."""
    text = _BAD_ESCAPE.sub("%25", text)
    try:
        plain = unquote_plus(text, errors="strict") if decode is unquote_plus else unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _refused(
            f"The {place} in the URL is not UTF-8 when percent-decoded.", cure="Encode it as UTF-8."
        ) from None
    if "\0" in plain:
        raise _refused(f"The {place} in the URL holds a NUL character.", cure="Take %00 away.")
    return plain


def _encoded(text: str) -> str:
    return quote(text, safe="" if text != MASK else "*")


def _uri(parameters: Mapping[str, str]) -> str:
    """Write libpq's URI: what its authority cannot hold (sockets, odd names) goes into the query."""
    rest = dict(parameters)
    authority = ""
    if rest.get("user"):
        authority = _encoded(rest.pop("user"))
        if rest.get("password"):
            authority += ":" + _encoded(rest.pop("password"))
        authority += "@"
    hosts = rest.get("host", "").split(",")
    ports = rest.get("port", "").split(",")
    if rest.get("host") and "hostaddr" not in rest and all(map(_is_plain, hosts)):
        del rest["host"]
        rest.pop("port", None)
        ports += [""] * (len(hosts) - len(ports))
        authority += ",".join(_netloc(hosts, ports))
    path = "/" + _encoded(rest.pop("dbname")) if rest.get("dbname") else ""
    if not path and not authority:
        path = "/" if rest else ""
    query = "&".join(f"{key}={quote(value, safe='/,' if value != MASK else '*')}" for key, value in rest.items())
    return f"postgresql://{authority}{path}" + (f"?{query}" if query else "")


def _is_plain(host: str) -> bool:
    return bool(_PLAIN_HOST.fullmatch(host) or re.fullmatch(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", host))


def _netloc(hosts: Iterable[str], ports: Iterable[str]) -> Iterable[str]:
    for host, port in zip(hosts, ports, strict=True):
        yield (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")


def _asyncpg_query(query: Mapping[str, str]) -> dict[str, str]:
    """libpq's keywords in asyncpg's words; what it has no word for (keepalives, GSS) is left to its defaults."""
    hosts = query.get("host", "").split(",") if query.get("host") else []
    result = {key: query[key] for key in _ASYNCPG_KEYWORDS if key in query}
    if hosts:
        ports = query.get("port", "").split(",") + [""] * len(hosts)
        result["host"] = ",".join(hosts)
        result["port"] = ",".join(port or "5432" for port in ports[: len(hosts)])
    if "sslmode" in query:
        result["ssl"] = query["sslmode"]
    for_dsn = {key: query[key] for key in _ASYNCPG_DSN_KEYWORDS if key in query}
    if for_dsn:
        result["dsn"] = "postgresql://?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in for_dsn.items())
    return result
