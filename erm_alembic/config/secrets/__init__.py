"""Where the secrets of erm.yaml come from: one file a provider, listed in `PROVIDERS`."""

from __future__ import annotations

from erm_alembic.config.secrets.command import CommandProvider
from erm_alembic.config.secrets.file import FileProvider
from erm_alembic.config.secrets.protocol import SecretContext, SecretProvider

__all__ = ["PROVIDERS", "SecretContext", "SecretProvider", "provider_for"]

PROVIDERS: tuple[SecretProvider, ...] = (FileProvider(), CommandProvider())


def provider_for(text: str) -> SecretProvider | None:
    """The provider whose reference the text is, None for a plain value.

    Args:
        text: a value as it is written, such as `file:/run/secrets/dsn`.

    Example:
        >>> provider_for("file:/run/secrets/dsn").scheme, provider_for("postgresql:///shop")
        ('file', None)
    """
    return next((provider for provider in PROVIDERS if text.startswith(f"{provider.scheme}:")), None)
