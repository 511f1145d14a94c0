"""A user and a password that stand elsewhere than the address: a reference, sealed until a connection is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from erm_alembic.config.credentials.logins import Logins, Reference
from erm_alembic.config.redaction import redact
from erm_alembic.config.secrets import SecretContext, SecretProvider, provider_for, reveal_text, scheme_of
from erm_alembic.config.secrets.reading import in_login
from erm_alembic.config.secrets.settings import SecretsSettings

__all__ = ["SealedLogin", "shown_reference"]


@dataclass(frozen=True, slots=True)
class SealedLogin:
    """A user and a password that stand elsewhere than their address; asked for at each connection, not before.

    Args:
        text: the reference as written; never shown by `repr`. Use `shown` for people.
        origin: where it stands: `erm.yaml:12` or `ERM_DATABASE_CREDENTIALS`.
        key: its dotted key, `database.environments.prod.credentials`.
        line: its line in erm.yaml, None when it does not stand there.
        secrets: the section `secrets` that is in force.
    """

    text: str = field(repr=False)
    origin: str
    key: str = "database.credentials"
    line: int | None = None
    base_dir: Path = field(default_factory=Path.cwd, repr=False, compare=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    secrets: SecretsSettings = field(default_factory=SecretsSettings, repr=False, compare=False)
    _opened: dict[str, Logins] = field(default_factory=dict, init=False, repr=False, compare=False)

    def logins(self) -> Logins:
        """What asks for them; the same one each time, so that all connections share one lease."""
        if "" not in self._opened:
            in_file = self.line is not None
            context = SecretContext(self.key, self.base_dir, self.environ, in_file, self.secrets)
            known = self.secrets
            key = (self.text, in_file, self.base_dir, id(self.environ), known.vault, known.aws)
            place = f"{self.key} ({self.origin})" if self.key != self.origin else self.key
            reference = Reference(
                self.text.partition(":")[2],
                lambda: _provider(self.text, context),
                context,
                lambda secret: in_login(secret, place),
                self.shown,
            )
            self._opened[""] = Logins(reference, (*key, tuple(sorted(known.providers.items()))))
        return self._opened[""]

    @property
    def shown(self) -> str:
        """The reference for people."""
        return shown_reference(self.text, self.secrets, self.base_dir)


def shown_reference(text: str, secrets: SecretsSettings, base_dir: Path) -> str:
    """A value for people: a reference as its provider describes it, anything else with its passwords masked.

    Args:
        text: as it is written.
        secrets: the section `secrets` that is in force.
        base_dir: the folder of erm.yaml.
    """
    scheme = scheme_of(text, secrets.providers)
    if scheme is None:
        return redact(text)
    try:
        provider = provider_for(text, secrets.providers, base_dir)
        assert provider is not None
        return redact(str(provider.describe(text.partition(":")[2])))
    except Exception:  # a provider of the team's own that cannot be loaded, or fails: nothing of it is shown
        return f"{scheme}:***"


class _Typed:
    """Stands for a provider where variables alone make the password."""

    scheme = ""

    def __init__(self, text: str) -> None:
        self._text = text

    def fetch(self, reference: str, context: SecretContext) -> str:
        """What the variables hold."""
        return reveal_text(self._text, context.key, context, interpolate=context.interpolate)

    def describe(self, reference: str) -> str:
        """The variables' names."""
        return redact(self._text)


def _provider(text: str, context: SecretContext) -> SecretProvider:
    return provider_for(text, context.settings.providers, context.base_dir) or _Typed(text)
