"""What Vault does not do, and what erm does not let it do: lead a token to another server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

__all__ = ["Refusal", "refuse_elsewhere"]

_PASSING = (412, 429, 500, 502, 503, 504)


class Refusal(Exception):
    """Vault did not do what was asked; nothing of what it said is repeated.

    Args:
        words: what that means.
        cure: what to do about it; `{what}` stands for the path.
        status: of HTTP; None where there was no answer.
    """

    def __init__(self, words: str, cure: str, status: int | None) -> None:
        super().__init__(words)
        self.words, self.cure, self.status = words, cure, status

    @property
    def is_final(self) -> bool:
        """Whether it would say the same again."""
        return self.status is not None and self.status not in _PASSING


def refuse_elsewhere(response: Any, **_: object) -> None:
    """Follow no redirect to another server: the token would go with it, and what comes back would be believed.

    The client library drops its own kind of login on the way to another host, and not the header that Vault reads.

    Args:
        response: an answer, before its redirect is followed.

    Raises:
        Refusal: it leads elsewhere.
    """
    target = response.headers.get("location") if response.is_redirect else None
    if target is None:
        return
    found = urljoin(response.url, target)
    if _origin(found) != _origin(response.url):
        parts = urlsplit(found)
        raise Refusal(
            f"it leads to another server, {parts.scheme}://{parts.hostname}",
            "Name that one as its address, if it is the right one (secrets.vault.address, or VAULT_ADDR).",
            response.status_code,
        )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
