"""A token in a signed cookie or header: nobody can send readers to the primary who was not sent there."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing.tokens import latest

if TYPE_CHECKING:
    from itsdangerous import Signer

__all__ = ["TokenCarrier"]

_SALT = "erm_alembic.routing.causal"
# What the names of cookies and headers are made of.
_NAMES = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")


@dataclass(frozen=True)
class TokenCarrier:
    """How a token is carried from one request to the next.

    Args:
        secrets: what it is signed with; the first signs, all of them verify, so that a secret can be replaced.
        cookie: the cookie's name; None uses none.
        header: the name of a request's and a response's header; None uses none.
        max_age: how long the cookie lasts, in seconds; longer than any replica lags.

    Raises:
        ConfigurationError: there is no secret, neither cookie nor header, a name or an age is none, or `itsdangerous`
            is not installed.
    """

    secrets: Sequence[str] = field(repr=False)
    cookie: str | None = "erm_causal"
    header: str | None = None
    max_age: int = 300

    def __post_init__(self) -> None:
        if isinstance(self.secrets, str | bytes) or not isinstance(self.secrets, Sequence):
            raise _no_texts()
        if not all(isinstance(secret, str) for secret in self.secrets):
            raise _no_texts()
        if not self.secrets or not all(self.secrets):
            raise ConfigurationError(
                "The causal cookie has no secret to be signed with.",
                cure="Give the middleware a secret: a long random text, the same in every process.",
            )
        if self.cookie is None and self.header is None:
            raise ConfigurationError(
                "The causal token has nothing to travel in.", cure="Give the middleware a cookie, a header or both."
            )
        for name in (self.cookie, self.header):
            if name is not None and (not isinstance(name, str) or not name or set(name) - _NAMES):
                raise ConfigurationError(
                    f"{name!r} is no name of a cookie or a header.", cure="Take letters, digits, - and _ alone."
                )
        if isinstance(self.max_age, bool) or not isinstance(self.max_age, int) or self.max_age <= 0:
            raise ConfigurationError(
                f"max_age={self.max_age!r} is no number of seconds.", cure="Give a whole number above 0, such as 300."
            )
        self.signed("")

    def signed(self, token: str) -> str:
        """A token with its signature."""
        return self._signer().sign(token).decode("ascii")

    def verified(self, signed: str) -> str | None:
        """The token of a signed text; None where nobody with a secret has signed it."""
        from itsdangerous import BadData

        try:
            return self._signer().unsign(signed).decode("ascii")
        except (BadData, UnicodeError):
            return None

    def read(self, cookies: str, header: str | None) -> str | None:
        """The token that a request brings; None where it brings none, or none that is signed.

        Of several, of two paths or domains say, the latest holds: a client never reads less than it wrote.

        Args:
            cookies: the request's `Cookie` header; of several, joined by semicolons or commas.
            header: its header of the name that was configured; of several, joined by commas.
        """
        brought = header.split(",") if self.header is not None and header else []
        if self.cookie is not None:
            brought += _values(cookies, self.cookie)
        verified = (self.verified(each.strip()) for each in brought)
        return latest(token for token in verified if token is not None)

    def headers(self, token: str, *, secure: bool) -> list[tuple[str, str]]:
        """The headers of a response that carry a token.

        Args:
            token: the token.
            secure: whether the request came by https.
        """
        signed = self.signed(token)
        headers = [] if self.header is None else [(self.header, signed)]
        if self.cookie is not None:
            jar: SimpleCookie = SimpleCookie({self.cookie: signed})
            morsel = jar[self.cookie]
            morsel["path"], morsel["max-age"], morsel["samesite"] = "/", self.max_age, "Lax"
            morsel["httponly"], morsel["secure"] = True, secure
            headers.append(("Set-Cookie", morsel.OutputString()))
        return headers

    def _signer(self) -> Signer:
        try:
            from itsdangerous import Signer
        except ImportError as error:
            raise ConfigurationError(
                "Signed cookies need itsdangerous, which is not installed.",
                cure="Install it: pip install 'erm-alembic[web]'.",
            ) from error
        return Signer([*reversed(self.secrets)], salt=_SALT)


def _values(cookies: str, name: str) -> Iterator[str]:
    """What cookies of a name hold, whatever the others look like: others need not be well-formed.

    Several headers are one of them joined by semicolons, or, by some servers, by commas; our own values have neither.
    """
    for pair in cookies.replace(",", ";").split(";"):
        key, _, value = pair.partition("=")
        if key.strip() == name:
            yield value.strip().strip('"')


def _no_texts() -> ConfigurationError:
    return ConfigurationError(
        "The secret of the causal cookie is no text.",
        cure="Give the middleware a long random text, or a list of several, of which the first signs.",
    )
