"""Reads the text of a database's address into libpq's keywords: the grammar of libpq, and SQLAlchemy's beside it.

People copy URLs between tools, so what the one grammar refuses and the other means is understood. No error repeats the
text, which holds a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, unquote_plus

import psycopg2
from psycopg2.extensions import parse_dsn

from erm_alembic.errors import ConfigurationError
from erm_alembic.spelling import nearest

__all__ = ["embedded_name", "read_keywords", "read_uri", "refused"]

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SUGGESTED_KEYWORDS = (
    "host", "hostaddr", "port", "dbname", "user", "password", "passfile", "connect_timeout", "client_encoding",
    "options", "application_name", "keepalives", "sslmode", "sslcert", "sslkey", "sslrootcert", "target_session_attrs",
    "load_balance_hosts", "service", "channel_binding", "gssencmode",
)  # fmt: skip


def refused(what: str, *, cure: str) -> ConfigurationError:
    return ConfigurationError(what, effect="No database was reached.", cure=cure)


def embedded_name(rest: str) -> str:
    name = _decoded(rest.rstrip("/"), "name")
    if not name or re.search("[/?@]", rest.rstrip("/")):
        raise refused(
            "An embedded:// URL holds the name of one database and nothing else.",
            cure="Write embedded://app_dev, for example; percent-encode unusual characters.",
        )
    return name


def read_keywords(text: str) -> dict[str, str]:
    try:
        parameters = parse_dsn(text)
    except psycopg2.Error:
        raise refused(
            "The keyword string of the database cannot be read by libpq.",
            cure="Write key=value pairs with quotes around odd values: host=db dbname='my shop' user=app.",
        ) from None
    return _with_port_lists(parameters)


def read_uri(driver: str, rest: str) -> tuple[dict[str, str], dict[str, str]]:
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
    parameters = {key: value for key, value in parameters.items() if not _says_nothing(key, value)}
    return _with_port_lists(parameters), unknown


def _says_nothing(key: str, value: str) -> bool:
    """A list of hosts or ports that names none is commas alone; any other value may well be a comma."""
    return not (value.strip(",") if key in ("host", "port") else value)


def _split_userinfo(rest: str) -> tuple[str | None, str]:
    """Take `user:password` off, which ends at the last `@`: people forget to encode the `@` of a password.

    A `/` before that `@` leaves two readings: a password with a bare `/`, or a database's name with a bare `@`. To
    guess wrongly would put a part of the password into the name of the database, which is shown; so both are refused.
    """
    userinfo, at, remainder = rest.rpartition("@")
    if not at:
        return None, rest
    before_query, query, _ = userinfo.partition("?")
    if "/" in userinfo or (query and "@" in before_query):
        raise refused(
            "The URL can be read in more than one way: a bare `/` or `?` stands before its last `@`.",
            cure="In the password encode / as %2F, ? as %3F and @ as %40; in the database's name and the parameters "
            "encode @ as %40.",
        )
    return userinfo, remainder


def _host_and_port(item: str) -> tuple[str, str]:
    if item.startswith("["):
        host, bracket, port = item[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise refused("An IPv6 host is not closed by `]`.", cure="Write [::1] or [::1]:5432.")
        port = port[1:]
    else:
        host, _, port = item.partition(":")
        host = _decoded(host, "host")
    return host, _checked_port(port)


def _checked_port(port: str) -> str:
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise refused(
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
            raise refused(f"The parameter {key!r} of the URL has no value.", cure="Write NAME=VALUE.")
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
    near = nearest(key, _SUGGESTED_KEYWORDS)
    return refused(
        f"libpq knows no parameter {key!r} in the URL.",
        cure=f"Write {near!r}." if near else "Take it away, or correct its name.",
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


def _with_port_lists(parameters: Mapping[str, str]) -> dict[str, str]:
    """Check the ports, and give every host one: libpq lets one port stand for all hosts."""
    result = dict(parameters)
    hosts, ports = result.get("host", "").split(","), result.get("port", "").split(",")
    for port in ports:
        _checked_port(port)
    if len(ports) == 1 and len(hosts) > 1 and ports[0]:
        result["port"] = ",".join(ports * len(hosts))
    elif len(ports) > 1 and len(ports) != max(len(hosts), len(result.get("hostaddr", "").split(","))):
        raise refused(
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
        raise refused(
            f"The {place} in the URL is not UTF-8 when percent-decoded.", cure="Encode it as UTF-8."
        ) from None
    if "\0" in plain:
        raise refused(f"The {place} in the URL holds a NUL character.", cure="Take %00 away.")
    return plain
