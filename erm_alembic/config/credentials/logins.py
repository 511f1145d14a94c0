"""How an address gets its user and password: which source it asks, shared by all who use one reference."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from erm_alembic.config.credentials.credential import Credential
from erm_alembic.config.credentials.source import CredentialSource
from erm_alembic.config.interpolation import UnsetVariable
from erm_alembic.config.redaction import register_secret
from erm_alembic.config.secrets import PROVIDERS, Closing, Renewing, Secret, SecretContext, SecretProvider
from erm_alembic.config.secrets.reading import as_secret
from erm_alembic.errors import ConfigurationError, ErmError

__all__ = ["Logins", "Reader", "Reference", "was_refused"]

Reader = Callable[[Secret], tuple[str | None, str]]


@dataclass(frozen=True)
class Reference:
    """A reference that stands for a login.

    Args:
        text: what stands after the colon.
        provider: gives the provider.
        context: its place.
        read: makes a user and a password of what is given.
        shown: the reference for people.
    """

    text: str
    provider: Callable[[], SecretProvider]
    context: SecretContext
    read: Reader
    shown: str


class Logins:
    """Who logs in at an address, and with what, at this moment.

    Args:
        reference: where that is kept.
        key: of two with one key the sources are the same.
    """

    def __init__(self, reference: Reference, key: object) -> None:
        self.reference, self._key = reference, key
        self._sources: dict[object, CredentialSource] = {}

    def __repr__(self) -> str:
        return f"Logins({self.reference.shown!r})"

    def current(self, parameters: Mapping[str, str]) -> Credential:
        """A user and password that are good now.

        Args:
            parameters: the address, as libpq's keywords.

        Raises:
            ConfigurationError: none can be had.
        """
        return self.source(parameters).current()

    def after_refusal(self, parameters: Mapping[str, str], refused: Credential) -> Credential | None:
        """Another credential than one that a server did not take; None where there is none.

        A standby may not have heard of a new role yet: then it is the one before.

        Args:
            parameters: the address, as libpq's keywords.
            refused: what was sent.
        """
        source = self.source(parameters)
        if (former := source.before(refused.password)) is not None:
            return former
        if not source.refused(refused.user, refused.password):
            return None
        try:
            found = source.current()
        except ErmError:
            return None
        return found if found.password != refused.password else None

    def freshen(self, parameters: Mapping[str, str], older_than: float) -> None:
        """Have a lease with all of its time before it, where one can be had.

        Args:
            parameters: the address, as libpq's keywords.
            older_than: one that was taken later will do, in seconds.
        """
        self.source(parameters).freshen(older_than)

    def source(self, parameters: Mapping[str, str]) -> CredentialSource:
        """The source for an address; only some providers ask which one it is.

        Raises:
            ConfigurationError: a provider of the team's own cannot be loaded.
        """
        provider = self.reference.provider()
        where: tuple[str, ...] = ()
        if getattr(provider, "needs_address", False):
            where = tuple(parameters.get(name, "") for name in ("host", "port", "user"))
        found = self._sources.get(where)
        if found is None:
            found = self._sources[where] = _shared(self.reference, provider, parameters, (self._key, where))
        return found


class _Asked:
    """Asks the provider of a reference."""

    def __init__(self, reference: Reference, provider: SecretProvider, parameters: Mapping[str, str]) -> None:
        self._reference, self._provider = reference, provider
        known = {name: value for name, value in parameters.items() if name in ("host", "port", "user", "dbname")}
        context = reference.context
        self._context = SecretContext(
            context.key, context.base_dir, context.environ, context.interpolate, context.settings, known
        )

    def fetch(self) -> tuple[str | None, str, Secret]:
        secret = as_secret(self._asked(lambda: self._provider.fetch(self._reference.text, self._context)))
        user, password = self._reference.read(secret)
        if password not in {user, *self._context.address.values()}:  # which stand in every message
            register_secret(password)
        if isinstance(self._provider, Closing):
            _give_back_at_the_end()
        return user, password, secret

    def renew(self, secret: Secret) -> Secret | None:
        provider = self._provider
        if not isinstance(provider, Renewing):
            return None
        renewed = self._asked(lambda: provider.renew(secret, self._context))
        return renewed if isinstance(renewed, Secret) else None

    def _asked(self, ask: Callable[[], str | Secret | None]) -> str | Secret:
        return asked(ask, self._reference.shown, self._context.key)


def asked(ask: Callable[[], str | Secret | None], shown: str, key: str) -> str | Secret:
    """What a provider gives; what one of a team's own raises is told by its kind alone, it may quote the secret.

    Raises:
        ConfigurationError: it cannot be had.
    """
    try:
        found = ask()
    except UnsetVariable as unset:
        raise ConfigurationError(
            f"{key} cannot be read: {unset}.", effect="No database was reached.", cure=f"Set {unset.name}."
        ) from None
    except ErmError as error:
        error.__cause__ = error.__context__ = None  # what it was made of may quote the secret, and -v would show it
        raise
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"{key} cannot be had: the provider of {shown} failed with {type(error).__name__}.",
            effect="No database was reached.",
            cure="See what its module does; its words are not shown, because they may hold the secret.",
        ) from None
    return "" if found is None else found


def was_refused(user: str, password: str) -> bool:
    """Tell that a server did not let somebody in; whether there is another credential to try now.

    Args:
        user: who was sent.
        password: what was sent.
    """
    told = [source.refused(user, password) for source in _all() if _knows(source, password)]
    return any(told)


def _knows(source: CredentialSource, password: str) -> bool:
    known = source.known
    return known is not None and known.password == password


def _shared(
    reference: Reference, provider: SecretProvider, parameters: Mapping[str, str], key: object
) -> CredentialSource:
    with _lock:
        found = _sources.get(key)
        if found is None:
            found = _sources[key] = CredentialSource(reference.shown, _Asked(reference, provider, parameters))
        return found


def _all() -> list[CredentialSource]:
    with _lock:
        return list(_sources.values())


def _give_back_at_the_end() -> None:
    """Once in a process that has borrowed something: let it be given back when the process ends."""
    global _borrowed_by
    with _lock:
        if _borrowed_by == os.getpid():
            return
        _borrowed_by = os.getpid()
    atexit.register(_give_back, os.getpid())


def _give_back(process: int) -> None:
    if process != os.getpid():
        return  # a fork's end is not its parent's
    for source in _all():
        source.stop()
    for provider in PROVIDERS:
        if isinstance(provider, Closing):
            provider.close()


def _begin_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    for source in list(_sources.values()):
        source.begin()


_lock = threading.RLock()
_borrowed_by: int | None = None
_sources: weakref.WeakValueDictionary[object, CredentialSource] = weakref.WeakValueDictionary()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
