"""The guard over secrets: what a test was given as a password is never read in any output of the run."""

from __future__ import annotations

import secrets
from urllib.parse import quote, quote_plus

_issued: set[str] = set()


def issue_secret() -> str:
    """A new random password, safe to write into a URL as it is; remembered for the rest of the session."""
    secret = f"pw{secrets.token_hex(12)}"
    _issued.add(secret)
    return secret


def issue_awkward_secret() -> str:
    """A new random password that a URL must quote, and that YAML and shells like to bite on."""
    secret = f"p@:/%41 '\"#{secrets.token_hex(8)}$é"
    _issued.add(secret)
    return secret


def shown_in(text: str) -> bool:
    """Whether a text holds a secret that was issued, as it is or quoted for a URL."""
    return any(form in text for secret in _issued for form in _forms(secret))


def without_secrets(text: str) -> str:
    """The text with every issued secret replaced, fit to be shown."""
    for secret in _issued:
        for form in _forms(secret):
            text = text.replace(form, "***")
    return text


def _forms(secret: str) -> tuple[str, ...]:
    return (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), repr(secret)[1:-1])
