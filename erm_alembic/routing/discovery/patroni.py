"""The members of a Patroni cluster, as its REST API tells them: the leader is the primary, the others are replicas."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ConfigurationError
from erm_alembic.routing.discovery.found import DiscoveryFailed, Found
from erm_alembic.routing.discovery.repeated import RepeatedSearch
from erm_alembic.routing.limits import Duration, Lag, seconds

__all__ = ["PatroniReplicas"]

_REST_PORT, _PORT = 8008, 5432
_REPLICAS = frozenset({"replica", "sync_standby", "quorum_standby"})
_READABLE = frozenset({"running", "streaming", "in archive recovery"})
_LONGEST_ANSWER = 4 * 1024 * 1024
# What would be read as several hosts, or as a socket's path, is no host.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[\w.\-]+)?")


@dataclass(frozen=True)
class PatroniReplicas(RepeatedSearch):
    """The replicas of a Patroni cluster, and its leader.

    `GET /cluster` of one member tells of all of them; the first address that answers is asked again the next time.
    Replicas with the tag `noloadbalance` are left out, and so are those that Patroni says are not running; how far each
    one is, only the monitor decides. The address of the cluster gives user, database and parameters; its host is where
    the primary is looked for until Patroni has named the leader.

    Args:
        addresses: of the REST API of some members: `https://pg1:8008`, or `pg1:8008` without TLS.
        cacert: a file of the certificates that sign those of the REST API; None takes the system's.
        certfile: a file of the certificate that is shown to the REST API; None shows none.
        keyfile: the file of its key; None where that is in `certfile`.
        username: for basic authentication, where something in front of the REST API asks for it.
        password: the same.
        find_primary: False leaves the primary where the cluster's address says.
        read_only: as for one replica, of each of them.
        max_follower_lag: the same.
        weight: the same.
        interval: how often a member is asked; more often while the primary cannot be written.
        timeout: how long one member may take to answer.
        keep_for: how long the known replicas are kept while no member answers.

    Raises:
        ConfigurationError: an address is none, a file cannot be read, or a password would be sent without TLS.
        ValueError: a duration, lag or weight is none.

    Example:
        >>> PatroniReplicas(["pg1:8008", "pg2:8008"], interval="2s").finds_primary
        True
    """

    addresses: Sequence[str]
    cacert: str | Path | None = None
    certfile: str | Path | None = None
    keyfile: str | Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    find_primary: bool = True
    read_only: bool = True
    max_follower_lag: Lag | None = None
    weight: float = 1.0
    interval: Duration = "5s"
    timeout: Duration = "2s"
    keep_for: Duration = "1h"
    _last_good: _Place = field(default_factory=lambda: _Place(), init=False, repr=False, compare=False)
    _tls: ssl.SSLContext | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.addresses, str):
            object.__setattr__(self, "addresses", (self.addresses,))
        self.verify()
        if not seconds(self.timeout):
            raise ValueError("the timeout is longer than nothing")
        if any(address.scheme == "https" for address in self._endpoints):
            # Now, so that a file that is missing is told of before the first search.
            object.__setattr__(self, "_tls", self._read_certificates())
        if self.password is not None and any(map(_is_open, self._endpoints)):
            raise ConfigurationError(
                "The password of Patroni's REST API would be sent over a connection without TLS.",
                effect="Nothing was sent.",
                cure="Write https:// addresses.",
            )

    @property
    def finds_primary(self) -> bool:
        """Whether the leader is taken for the primary."""
        return self.find_primary

    def find(self, primary: DatabaseUrl) -> Found:
        """Ask the members, one after the other, until one answers.

        Args:
            primary: the address that the cluster was given: its user, database and parameters.

        Raises:
            DiscoveryFailed: none does.
        """
        problems = []
        begin = self._last_good.index
        for index in (*range(begin, len(self._endpoints)), *range(begin)):
            address = self._endpoints[index]
            try:
                found = self._read(self._asked(address), primary)
            except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
                problems.append(f"{address.hostname}: {_words(error)}")
                continue
            self._last_good.index = index
            return found
        raise DiscoveryFailed("no member of Patroni answered; " + "; ".join(problems))

    # Asking.

    @cached_property
    def _endpoints(self) -> tuple[SplitResult, ...]:
        if not self.addresses:
            raise ConfigurationError("Patroni's REST API has no address.", cure="Give one of each member.")
        return tuple(_endpoint(address) for address in self.addresses)

    def _read_certificates(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=None if self.cacert is None else str(self.cacert))
            if self.certfile is not None:
                # A key with a passphrase would be asked for on a terminal.
                context.load_cert_chain(
                    str(self.certfile), None if self.keyfile is None else str(self.keyfile), password=lambda: ""
                )
        except OSError as error:
            raise ConfigurationError(
                f"The certificates for Patroni's REST API cannot be read: {error.strerror or error}.",
                cure="Correct cacert, certfile or keyfile; a key must have no passphrase.",
            ) from None
        return context

    def _asked(self, address: SplitResult) -> object:
        timeout = seconds(self.timeout)
        ends_at = time.monotonic() + timeout
        host, port = str(address.hostname), address.port or _REST_PORT
        connection = (
            http.client.HTTPSConnection(host, port, timeout=timeout, context=self._tls)
            if address.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=timeout)
        )
        try:
            connection.request("GET", address.path.rstrip("/") + "/cluster", headers=self._headers())
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise ValueError(f"it answers with status {response.status}")
            content = b""
            while block := response.read1(65536):
                content += block
                if len(content) > _LONGEST_ANSWER:
                    raise ValueError("its answer is too long")
                if time.monotonic() > ends_at:
                    raise TimeoutError
        finally:
            connection.close()
        return json.loads(content)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self.username is not None or self.password is not None:
            pair = f"{self.username or ''}:{self.password or ''}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode("ascii")
        return headers

    # Reading.

    def _read(self, answer: object, primary: DatabaseUrl) -> Found:
        if not isinstance(answer, Mapping) or not isinstance(answer.get("members"), list):
            raise ValueError("its answer is not that of Patroni")
        replicas, leader = [], None
        for name, role, url, member in _members(answer["members"], primary):
            if role == "leader":
                leader = url
            elif role in _REPLICAS and str(member.get("state")) in _READABLE and not _tag(member, "noloadbalance"):
                # What the primary's address asks of a session is not what a replica gives.
                url = url.with_parameters(target_session_attrs="")
                replicas.append(self.replica(name, url))
        return Found(tuple(replicas), leader if self.find_primary else None)


def _members(members: Sequence[Any], primary: DatabaseUrl) -> Iterator[tuple[str, str, DatabaseUrl, Mapping[str, Any]]]:
    """Of each member that can be reached at all its name, its role, its address, and the rest."""
    for member in members:
        if not isinstance(member, Mapping):
            continue
        name, role, host = member.get("name"), member.get("role"), member.get("host")
        port = member.get("port", _PORT)
        if not (isinstance(name, str) and name.isprintable() and name and isinstance(role, str)):
            continue
        if not (isinstance(host, str) and _HOST.fullmatch(host)):
            continue
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            continue
        yield name, role, primary.with_parameters(host=host, port=str(port), hostaddr=""), member


class _Place:
    """Which of the addresses answered last: what was learned, beside what was configured, and no part of it."""

    def __init__(self) -> None:
        self.index = 0


def _tag(member: Mapping[str, Any], name: str) -> bool:
    tags = member.get("tags")
    return isinstance(tags, Mapping) and str(tags.get(name, "")).lower() in ("true", "yes", "on", "1")


def _endpoint(address: str) -> SplitResult:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.username is not None or parts.query or parts.fragment:
        # The text is not repeated: it may hold a password.
        raise ConfigurationError(
            "An address of Patroni's REST API is none.",
            cure="Write https://HOST:PORT; user and password have arguments of their own.",
        )
    return parts


def _is_open(address: SplitResult) -> bool:
    """Whether others can read what is sent there."""
    return address.scheme == "http" and address.hostname not in ("localhost", "127.0.0.1", "::1")


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return "its answer is not JSON"
    if isinstance(error, OSError):
        return str(error.strerror or error)
    return str(error) or type(error).__name__
