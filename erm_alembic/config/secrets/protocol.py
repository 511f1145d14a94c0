"""What a provider of secrets is: the seam for the secret managers of the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from erm_alembic.config.interpolation import expand

__all__ = ["SecretContext", "SecretProvider"]


@dataclass(frozen=True, slots=True)
class SecretContext:
    """What a provider may need to know.

    Args:
        key: the dotted key whose value is asked for, for messages.
        base_dir: the folder to which relative paths are relative.
        environ: the environment's variables.
        interpolate: whether `${VAR}` in a reference is replaced: in erm.yaml, but not in a variable's own value.
    """

    key: str
    base_dir: Path
    environ: Mapping[str, str] = field(repr=False)
    interpolate: bool = True

    def expand(self, text: str) -> str:
        """Replace the variables of a reference.

        Raises:
            UnsetVariable: a variable without default is not set.
        """
        return expand(text, self.environ) if self.interpolate else text


class SecretProvider(Protocol):
    """Turns a reference `SCHEME:REST` into the secret that it stands for.

    A provider is one file of this package and one line in `PROVIDERS`. It never puts the secret, nor what a tool wrote
    about it, into an error.
    """

    @property
    def scheme(self) -> str:
        """The word before the colon."""
        ...

    def fetch(self, reference: str, context: SecretContext) -> str:
        """Get the secret.

        Args:
            reference: what stands after the colon, as written.
            context: the place where it is written.

        Raises:
            ConfigurationError: it cannot be had; the message names the key and the cure.
        """
        ...

    def describe(self, reference: str) -> str:
        """The reference for people, without anything in it that may be a secret itself."""
        ...
