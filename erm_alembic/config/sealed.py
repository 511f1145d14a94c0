"""Addresses as they stand in the file, sealed until they are used.

Loading erm.yaml must neither run a secret manager for an environment that nobody asked for, nor fail over its unset
variable. So a URL is opened when it is used, and what comes out is registered for redaction before anybody sees it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from erm_alembic.config.credentials.logins import Logins, Reference, asked
from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.interpolation import UnsetVariable, expand, has_variables, without_variables
from erm_alembic.config.redaction import register_secret
from erm_alembic.config.sealed_login import SealedLogin, shown_reference
from erm_alembic.config.secrets import Secret, SecretContext, SecretProvider, provider_for, scheme_of
from erm_alembic.config.secrets.reading import as_secret, in_address
from erm_alembic.config.secrets.settings import SecretsSettings
from erm_alembic.errors import ConfigurationError

__all__ = ["SealedUrl"]

_USERINFO = re.compile(r"(?P<scheme>[\w+.\-]+://)(?P<user>[^/?@:]*):(?P<password>[^/?@]*)@(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SealedUrl:
    """An address that has not been opened.

    Args:
        text: as written; never shown by `repr`. Use `shown` for people.
        origin: where it stands: `erm.yaml:12` or `ERM_DATABASE_URL`.
        key: its dotted key, `database.environments.prod.url`.
        typed_password: a literal password stands in erm.yaml.
        line: its line in erm.yaml, None when it does not stand there.
        secrets: the section `secrets` that is in force.
        login: where its user and password are kept, when that is elsewhere.
        login_is_inherited: whether that is the primary's, which an address with a user of its own does not take.
    """

    text: str = field(repr=False)
    origin: str
    key: str = "database.url"
    typed_password: bool = False
    line: int | None = None
    base_dir: Path = field(default_factory=Path.cwd, repr=False, compare=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    secrets: SecretsSettings = field(default_factory=SecretsSettings, repr=False, compare=False)
    login: SealedLogin | None = None
    login_is_inherited: bool = False

    def reveal(self) -> str:
        """Open the address: interpolate it, read the file or run the command that it names.

        Raises:
            ConfigurationError: a variable is not set, a secret cannot be had, or nothing comes out.
        """
        context = self._context
        provider = self._provider()
        try:
            if provider is not None:
                found = asked(lambda: provider.fetch(self.text.partition(":")[2], context), self.shown, self.key)
                return self._checked(in_address(as_secret(found), self.place))
            return self._checked(_expanded(self.text, self.environ) if context.interpolate else self.text)
        except UnsetVariable as unset:
            raise ConfigurationError(
                f"{self.place} cannot be read: {unset}.",
                effect="No database was reached.",
                cure=f"Set {unset.name}, or write ${{{unset.name}:-default}}." if unset.name else "Correct the value.",
            ) from None

    def _checked(self, value: str) -> str:
        value = value.strip()
        register_address(value)
        if not value:
            raise ConfigurationError(
                f"{self.place} is empty.",
                effect="No database was reached.",
                cure="Give it a URL, or take the key away.",
            )
        return value

    def database_url(self) -> DatabaseUrl:
        """Open the address and read it.

        Raises:
            ConfigurationError: as `reveal`, or the value is not the address of a PostgreSQL database.
        """
        logins = self._own_logins()
        if logins is not None:
            url = self._parsed(self._checked(in_address(logins.current({}).secret, self.place)))
            if url.parameters.get("password"):
                return replace(self._with_login(url), logins=logins)
            return self._with_login(url)
        return self._with_login(self._parsed(self.reveal()))

    def _own_logins(self) -> Logins | None:
        """What asks again for an address that is a reference: its password may have been changed there."""
        provider = self._provider()
        if provider is None:
            return None
        place, reader = self.place, DatabaseUrl.parse

        def read(secret: Secret) -> tuple[str | None, str]:
            address = in_address(secret, place)
            register_address(address.strip())
            try:
                found = reader(address.strip()).parameters
            except ConfigurationError:
                return None, ""  # it is told of where the whole address is read
            return found.get("user"), found.get("password", "")

        text = self.text.partition(":")[2]
        # Each address that is opened is asked for: what another one was is of no interest.
        return Logins(Reference(text, lambda: provider, self._context, read, self.shown), object())

    def _with_login(self, url: DatabaseUrl) -> DatabaseUrl:
        """The address with what gives its user and password, where that is kept elsewhere."""
        named = [name for name in ("user", "password") if url.parameters.get(name)]
        if self.login is None or url.embedded_name is not None or (self.login_is_inherited and named):
            return url
        if "password" in named:
            raise ConfigurationError(
                f"{self.place} has a password, and {self.login.key} ({self.login.origin}) names another one.",
                effect="No database was reached.",
                cure="Take one of the two away.",
            )
        return replace(url, logins=self.login.logins())

    def _provider(self) -> SecretProvider | None:
        return provider_for(self.text, self.secrets.providers, self.base_dir)

    @property
    def _context(self) -> SecretContext:
        return SecretContext(self.key, self.base_dir, self.environ, self.line is not None, self.secrets)

    def _parsed(self, value: str) -> DatabaseUrl:
        try:
            return DatabaseUrl.parse(value)
        except ConfigurationError as error:
            cure = error.cure
            is_reference = scheme_of(self.text, self.secrets.providers) is not None
            if self.line is None and not is_reference and has_variables(self.text):
                cure = (
                    f"{self.key} is taken as it is, and `${{...}}` is not replaced in it: let the shell put the value "
                    f"in, or write the address with its variables into erm.yaml. {cure}"
                )
            raise ConfigurationError(f"{self.place}: {error.what}", effect=error.effect, cure=cure) from None

    @property
    def place(self) -> str:
        """Its key and where it stands, for messages; a variable is both."""
        return self.key if self.key == self.origin else f"{self.key} ({self.origin})"

    @property
    def shown(self) -> str:
        """The text for people: references as they are, variables unopened, a typed password masked."""
        return shown_reference(self.text, self.secrets, self.base_dir)


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    """Put the variables into an address; a password may hold any character, encoded for the URL or not.

    `%` and two hexadecimal digits are taken for an encoded character, everything else stands for itself.
    """
    parts = _USERINFO.fullmatch(text)
    if parts is None:
        return expand(text, environ)

    def password(value: str) -> str:
        register_secret(value)
        return quote(value, safe="%")

    user = expand(parts["user"], environ, lambda value: quote(value, safe="%"))
    return f"{parts['scheme']}{user}:{expand(parts['password'], environ, password)}@{expand(parts['rest'], environ)}"


def register_address(value: str) -> None:
    """Register what is secret in an address: its passwords, or all of it where it cannot be read.

    A password that equals the user's, the database's or the host's name stands in every message about them: it is
    masked by its place only.
    """
    try:
        url = DatabaseUrl.parse(value)
    except ConfigurationError:
        register_secret(value)
        if raw := re.search(r"://[^:/@\s]*:(.*)@", value, re.DOTALL):
            register_secret(raw[1])
        return
    names = {url.parameters.get(key) for key in ("user", "dbname", "host")}
    for secret in url.secrets:
        if secret not in names:
            register_secret(secret)


def has_typed_password(text: str) -> bool:
    """Whether a literal password stands in an address of erm.yaml, beside its variables.

    Example:
        >>> has_typed_password("postgresql://app:hunter2@db/shop")
        True
        >>> has_typed_password("postgresql://app:${PASSWORD}@db/shop")
        False
    """
    if scheme_of(text) is not None:
        return False
    literal = without_variables(text)
    try:
        return bool(DatabaseUrl.parse(literal).secrets)
    except ConfigurationError:
        return bool(re.search(r"(?s)://[^:/@\s]*:.+@|\bpassword\s*=\s*[^\s&]", literal))
