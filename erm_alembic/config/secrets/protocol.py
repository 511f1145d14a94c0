"""What a provider of secrets is: the seam for the secret managers of the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from erm_alembic.config.interpolation import expand
from erm_alembic.config.secrets.settings import SecretsSettings

__all__ = ["Closing", "Renewing", "Secret", "SecretContext", "SecretProvider"]


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SecretContext:
    """What a provider may need to know.

    Args:
        key: the dotted key whose value is asked for, for messages.
        base_dir: the folder to which relative paths are relative.
        environ: the environment's variables.
        interpolate: whether `${VAR}` in a reference is replaced: in erm.yaml, but not in a variable's own value.
        settings: the section `secrets` that is in force.
        address: where the secret is to be used, as libpq's keywords (`host`, `port`, `user`); nothing where the secret
            is the address itself.
    """

    key: str
    base_dir: Path
    environ: Mapping[str, str] = field(repr=False)
    interpolate: bool = True
    settings: SecretsSettings = field(default_factory=SecretsSettings, repr=False)
    address: Mapping[str, str] = field(default_factory=_nothing, repr=False)

    def expand(self, text: str) -> str:
        """Replace the variables of a reference.

        Raises:
            UnsetVariable: a variable without default is not set.
        """
        return expand(text, self.environ) if self.interpolate else text


@dataclass(frozen=True, slots=True)
class Secret:
    """What a manager gave.

    Args:
        text: the secret, where it is one text.
        fields: its fields, where it has several: `username`, `password`, `url`, ...
        lasts: how long a server accepts it, counted from now; None where nobody says.
        ends_sessions: whether what was opened with it ends with it too, because the server's role does.
        renewable: whether the provider's `renew` may prolong it.
        handle: what the provider knows it by.

    Example:
        >>> Secret(fields={"username": "app", "password": "hunter2"})
        Secret(lasts=None, ends_sessions=False, renewable=False)
    """

    text: str | None = field(default=None, repr=False)
    fields: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    lasts: timedelta | None = None
    ends_sessions: bool = False
    renewable: bool = False
    handle: object = field(default=None, repr=False)


class SecretProvider(Protocol):
    """Turns a reference `SCHEME:REST` into the secret that it stands for.

    A provider of erm's own is one file of this package and one line in `PROVIDERS`; one of a team's own is a class that
    `secrets.providers` of erm.yaml names. It never puts the secret, nor what a tool wrote about it, into an error.
    """

    @property
    def scheme(self) -> str:
        """The word before the colon."""
        ...

    def fetch(self, reference: str, context: SecretContext) -> str | Secret:
        """Get the secret.

        Args:
            reference: what stands after the colon, as written.
            context: the place where it is written.

        Returns:
            The text that it is; a `Secret` where it has fields, or ends.

        Raises:
            ConfigurationError: it cannot be had; the message names the key and the cure.
        """
        ...

    def describe(self, reference: str) -> str:
        """The reference for people, without anything in it that may be a secret itself."""
        ...


@runtime_checkable
class Renewing(Protocol):
    """A provider whose secrets can be prolonged."""

    def renew(self, secret: Secret, context: SecretContext) -> Secret | None:
        """Prolong a secret.

        Args:
            secret: one that it gave, or an earlier answer of this method.
            context: as for `fetch`.

        Returns:
            The same secret with its new `lasts`; None where it must be replaced by another one.

        Raises:
            ConfigurationError: the manager cannot be reached now.
        """
        ...


@runtime_checkable
class Closing(Protocol):
    """A provider that gives back at the end of the process what it was lent."""

    def close(self) -> None:
        """Give it back, within seconds; nobody hears of what fails."""
        ...
