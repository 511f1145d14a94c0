"""Writes a database's address: libpq's URI for people and tools, and asyncpg's words for SQLAlchemy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from erm_alembic.config.redaction import MASK

__all__ = ["asyncpg_query", "write_uri"]

_PLAIN_HOST = re.compile(r"[A-Za-z0-9._\-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
# asyncpg's connect() takes these under libpq's name; what only its DSN understands goes there.
_ASYNCPG_KEYWORDS = ("passfile", "target_session_attrs", "service")
_ASYNCPG_DSN_KEYWORDS = (
    "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "ssl_min_protocol_version",
    "ssl_max_protocol_version", "krbsrvname", "gsslib", "application_name", "options", "client_encoding",
)  # fmt: skip


def _encoded(text: str) -> str:
    return quote(text, safe="" if text != MASK else "*")


def write_uri(parameters: Mapping[str, str]) -> str:
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
    if rest.get("host") and "hostaddr" not in rest and all(map(_PLAIN_HOST.fullmatch, hosts)):
        del rest["host"]
        rest.pop("port", None)
        ports += [""] * (len(hosts) - len(ports))
        authority += ",".join(_netloc(hosts, ports))
    path = "/" + _encoded(rest.pop("dbname")) if rest.get("dbname") else ""
    if not path and not authority:
        path = "/" if rest else ""
    query = "&".join(f"{key}={quote(value, safe='/,' if value != MASK else '*')}" for key, value in rest.items())
    return f"postgresql://{authority}{path}" + (f"?{query}" if query else "")


def _netloc(hosts: Iterable[str], ports: Iterable[str]) -> Iterable[str]:
    for host, port in zip(hosts, ports, strict=True):
        yield (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")


def asyncpg_query(query: Mapping[str, str]) -> dict[str, str]:
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
