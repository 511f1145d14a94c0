"""What became of each address and login of an environment when it was opened: from where, whose, for how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from erm_alembic.config.credentials import Credential
from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import SealedUrl, Settings
from erm_alembic.errors import ErmError

__all__ = ["OpenedSource", "open_sources"]


@dataclass(frozen=True, slots=True)
class OpenedSource:
    """One address, and where its user and password come from.

    Args:
        key: its dotted key.
        origin: where it stands: `erm.yaml:12`, `ERM_DATABASE_URL`.
        address: it as it is written, passwords masked.
        login: the reference that gives user and password; None where the address has them, or libpq finds them.
        login_origin: where that stands.
        user: who logs in; None where libpq's own ways decide.
        lasts: for how many seconds the login was given; None where nobody says.
        remaining: how many of them are left.
        renewable: whether the manager prolongs it.
        ends_sessions: whether the server's role is dropped at its end.
        problem: why it cannot be had, as words and a cure; None where it can.
    """

    key: str
    origin: str
    address: str
    login: str | None
    login_origin: str | None
    user: str | None = None
    lasts: float | None = None
    remaining: float | None = None
    renewable: bool = False
    ends_sessions: bool = False
    problem: tuple[str, str] | None = None


def open_sources(settings: Settings) -> tuple[OpenedSource, ...]:
    """Open every address and login of an environment; no database is asked.

    Args:
        settings: what is in force.
    """
    return tuple(_opened(url) for url in _addresses(settings))


def _addresses(settings: Settings) -> Iterator[SealedUrl]:
    if settings.url is not None:
        yield settings.url
    for replica in settings.replicas:
        yield replica.url
    discovery = settings.routing.discovery
    if discovery is not None and discovery.dns is not None:
        yield discovery.dns.url
    if settings.shadow.url is not None:
        yield settings.shadow.url


def _opened(sealed: SealedUrl) -> OpenedSource:
    login = sealed.login
    try:
        url = sealed.database_url()
        opened, credential = url.with_credential()
    except ErmError as error:
        shown = login.shown if login is not None else None
        origin = login.origin if login is not None else None
        problem = (error.what, error.cure)
        return OpenedSource(sealed.key, sealed.origin, sealed.shown, shown, origin, problem=problem)
    if credential is None:
        return OpenedSource(sealed.key, sealed.origin, sealed.shown, None, None, _user(opened))
    beside = login is not None and url.logins is login.logins()
    return OpenedSource(
        sealed.key,
        sealed.origin,
        sealed.shown,
        login.shown if login is not None and beside else sealed.shown,
        login.origin if login is not None and beside else sealed.origin,
        _user(opened),
        *_times(credential),
        credential.secret.renewable,
        credential.secret.ends_sessions,
    )


def _user(url: DatabaseUrl) -> str | None:
    return url.parameters.get("user") or None


def _times(credential: Credential) -> tuple[float | None, float | None]:
    if credential.lasts is None:
        return None, None
    return credential.lasts.total_seconds(), credential.remaining()
