"""`keyring:SERVICE/USER`: a secret of the desktop's own keyring (Keychain, Credential Locker, Secret Service, ...)."""

from __future__ import annotations

from dataclasses import dataclass

from erm_alembic.config.secrets.extras import import_extra
from erm_alembic.config.secrets.protocol import Secret, SecretContext
from erm_alembic.errors import ConfigurationError

__all__ = ["KeyringProvider"]


@dataclass(frozen=True, slots=True)
class KeyringProvider:
    """Asks the package keyring (the extra `keyring`), which knows the keyring of the system."""

    scheme: str = "keyring"

    def fetch(self, reference: str, context: SecretContext) -> Secret:
        """Get what is kept for a user of a service; without a user, what the keyring has for the service.

        Raises:
            ConfigurationError: there is no keyring, it is locked, or it has nothing of that name.
        """
        service, _, user = context.expand(reference).strip().rpartition("/")
        if not service:
            service, user = user, ""
        keyring = import_extra("keyring", "keyring", context.key)
        errors = import_extra("keyring.errors", "keyring", context.key)
        try:
            found = keyring.get_credential(service, user or None)
        except errors.NoKeyringError:
            raise _failed(
                f"{context.key} is kept in a keyring, and there is none on this machine.",
                "Use file:, vault: or a variable here; `keyring diagnose` tells what there is.",
            ) from None
        except Exception as error:  # a keyring's own: locked, refused, a bus that is not there
            raise _failed(
                f"{context.key} is kept in a keyring that cannot be read ({type(error).__name__}).",
                f"Unlock it; `keyring get {service} {user or 'USER'}` says the same.",
            ) from None
        if found is None or not found.password:
            raise _failed(
                f"{context.key}: the keyring has nothing for {service}{f' and {user}' if user else ''}.",
                f"Put it there: keyring set {service} {user or 'USER'}",
            )
        fields = {"password": found.password} | ({"username": found.username} if found.username else {})
        return Secret(found.password, fields)

    def describe(self, reference: str) -> str:
        """The names of a service and a user are no secrets."""
        return f"keyring:{reference}"


def _failed(what: str, cure: str) -> ConfigurationError:
    return ConfigurationError(what, effect="No database was reached.", cure=cure)
