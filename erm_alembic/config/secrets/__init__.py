"""Where the secrets of erm.yaml come from: one file a provider, listed in `PROVIDERS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from erm_alembic.config.secrets.aws import IamProvider, ParameterProvider, SecretsManagerProvider
from erm_alembic.config.secrets.command import CommandProvider
from erm_alembic.config.secrets.file import FileProvider
from erm_alembic.config.secrets.keyring import KeyringProvider
from erm_alembic.config.secrets.own import load_own
from erm_alembic.config.secrets.protocol import Closing, Renewing, Secret, SecretContext, SecretProvider
from erm_alembic.config.secrets.reading import as_secret
from erm_alembic.config.secrets.vault import VaultProvider

__all__ = [
    "PROVIDERS",
    "Closing",
    "Renewing",
    "Secret",
    "SecretContext",
    "SecretProvider",
    "provider_for",
    "reveal_text",
    "scheme_of",
]

PROVIDERS: tuple[SecretProvider, ...] = (
    FileProvider(),
    CommandProvider(),
    VaultProvider("vault"),
    VaultProvider("bao"),
    SecretsManagerProvider(),
    ParameterProvider(),
    IamProvider(),
    KeyringProvider(),
)


def scheme_of(text: str, own: Mapping[str, str] = MappingProxyType({})) -> str | None:
    """The scheme of a reference, None for a plain value; no provider is loaded.

    Args:
        text: a value as it is written, such as `file:/run/secrets/dsn`.
        own: the schemes of the team's own providers.

    Example:
        >>> scheme_of("vault:kv/app#url"), scheme_of("postgresql:///shop")
        ('vault', None)
    """
    scheme, colon, _ = text.partition(":")
    known = {provider.scheme for provider in PROVIDERS} | set(own)
    return scheme if colon and scheme in known else None


def provider_for(
    text: str, own: Mapping[str, str] = MappingProxyType({}), base_dir: Path | None = None
) -> SecretProvider | None:
    """The provider whose reference the text is, None for a plain value.

    Args:
        text: a value as it is written, such as `file:/run/secrets/dsn`.
        own: the team's own providers: scheme to `module:attribute`.
        base_dir: the folder of erm.yaml, from which those are imported; the working directory by default.

    Raises:
        ConfigurationError: a provider of the team's own cannot be loaded.

    Example:
        >>> provider_for("file:/run/secrets/dsn").scheme, provider_for("postgresql:///shop")
        ('file', None)
    """
    scheme = scheme_of(text, own)
    if scheme is None:
        return None
    known = next((provider for provider in PROVIDERS if provider.scheme == scheme), None)
    return known if known is not None else load_own(scheme, own[scheme], base_dir or Path.cwd())


def reveal_text(text: str, key: str, context: SecretContext, *, interpolate: bool) -> str:
    """One text that is a secret: what a reference stands for, or what variables make of it.

    Args:
        text: as it is written.
        key: its dotted key, for messages.
        context: the place of what needs it.
        interpolate: whether variables in it are replaced.

    Raises:
        ConfigurationError: it cannot be had.
        UnsetVariable: a variable without default is not set.
    """
    context = replace(context, key=key, interpolate=interpolate)
    provider = provider_for(text, context.settings.providers, context.base_dir)
    if provider is None:
        return context.expand(text)
    return as_secret(provider.fetch(text.partition(":")[2], context)).text or ""
