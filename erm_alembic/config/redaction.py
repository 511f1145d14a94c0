"""Keeps secrets out of everything that is shown: messages, logs, tracebacks.

Two nets, because neither is enough. Secrets that were revealed in this process are known by their text, and are masked
wherever they appear, also percent-encoded, quoted or escaped, in SQL too. Passwords that nobody registered (those of an
env.py's own URL) are masked by their place: after `://user:` and after `password=`. A variable in that place, as
erm.yaml has it (`${DB_PASSWORD}`), is no password: it stays, so that the line can be pasted.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote, quote_plus, unquote

__all__ = ["MASK", "first_line", "forget_secret", "redact", "register_secret", "shows_secret"]

MASK = "***"

# Shorter than this, a secret would blacken every other word; the nets by place still catch it.
_SHORTEST = 3
# Shorter than this, a secret is masked only where it stands alone: "app" must not turn "application" to "***lication".
_SHORTEST_ANYWHERE = 8

_WORD = re.compile(r"[^\s\"'<>]+")
_USER = re.compile(r"://[^:/?#@]*:")
_VARIABLE = re.compile(r"\$\{\w+\}")
_KEYWORD = re.compile(
    r"(?i)\b((?:ssl)?password|passwd|PGPASSWORD)(\s*=\s*)"
    r"(?!\$\{\w+\}(?:[\s&'\"]|$))"
    r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s&'\"]+)"
)

_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def register_secret(text: str) -> None:
    """Remember a secret, so that `redact` masks it from now on.

    Args:
        text: the secret as it was revealed. Anything shorter than three characters is not remembered.

    Example:
        >>> register_secret("correct horse")
        >>> redact("it was correct%20horse")
        'it was ***'
    """
    global _pattern
    forms = {form for form in _forms(text) if len(form.strip()) >= _SHORTEST}
    if not forms <= _secrets:
        _secrets.update(forms)
        _pattern = None


def forget_secret(text: str) -> None:
    """Forget a secret that ended long ago: of one that changes each hour there would be ever more to look for.

    Args:
        text: the secret as it was registered.

    Example:
        >>> register_secret("battery staple"); forget_secret("battery staple")
        >>> redact("it was battery staple")
        'it was battery staple'
    """
    global _pattern
    forms = _forms(text)
    if not forms.isdisjoint(_secrets):
        _secrets.difference_update(forms)
        _pattern = None


def shows_secret(text: str) -> bool:
    """Whether a text holds a secret that is known, in whichever spelling.

    Args:
        text: anything that is about to be shown.
    """
    return bool(_secrets) and _compiled().search(text) is not None


def redact(text: str) -> str:
    """Mask every known secret, and whatever stands where a password stands.

    Args:
        text: anything that is about to be shown.

    Example:
        >>> redact("cannot reach postgresql://app:hunter2@db/shop")
        'cannot reach postgresql://app:***@db/shop'
        >>> redact("url: postgresql://app:${DB_PASSWORD}@db/shop")
        'url: postgresql://app:${DB_PASSWORD}@db/shop'
    """
    if _secrets:
        text = _compiled().sub(MASK, text)
    if "://" in text and "@" in text:
        text = _WORD.sub(_without_userinfo, text)
    return _KEYWORD.sub(rf"\1\2{MASK}", text)


def first_line(said: object, default: str = "(no message)") -> str:
    """The first line of what an error says, masked; the lines below it quote rows, statements and addresses.

    Args:
        said: the error, or its text.
        default: what stands for an error without a text.

    Example:
        >>> first_line(ValueError("cannot open postgresql://app:hunter2@db/shop\\nat line 3"))
        'cannot open postgresql://app:***@db/shop'
    """
    lines = redact(str(said)).strip().splitlines()
    return lines[0] if lines else default


def _without_userinfo(word: re.Match[str]) -> str:
    """A URL without its password, which ends at the last `@`: people forget to encode theirs."""
    head, at, tail = word[0].rpartition("@")
    user = _USER.search(head) if at else None
    if user is None or _VARIABLE.fullmatch(head, user.end()):
        return word[0]
    return f"{head[: user.end()]}{MASK}@{tail}"


def _compiled() -> re.Pattern[str]:
    """The pattern of all secrets, the longest first: a secret may be a part of another one."""
    global _pattern
    if _pattern is None:
        ordered = sorted(_secrets, key=lambda secret: (-len(secret), secret))
        _pattern = re.compile("|".join(_matching(secret) for secret in ordered))
    return _pattern


def _matching(secret: str) -> str:
    escaped = re.escape(secret)
    return escaped if len(secret) >= _SHORTEST_ANYWHERE else rf"(?<!\w){escaped}(?!\w)"


def _forms(secret: str) -> set[str]:
    """The ways in which a secret is written: bare, in a URL, a conninfo string, JSON, a Python repr, an SQL literal."""
    bare = {secret, unquote(secret)}
    written = set(bare)
    for text in bare:
        written |= {
            _quote(text, ""),
            _quote(text, "/"),
            _quote(text, " +"),
            quote_plus(text, errors="surrogateescape"),
            text.replace("\\", "\\\\").replace("'", "\\'"),
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            repr(text)[1:-1],
            text.replace("'", "''"),
            text.replace("\\", "\\\\").replace("'", "''"),
        }
    return written | {form.replace("%", "%%") for form in written}


def _quote(text: str, safe: str) -> str:
    return quote(text, safe=safe, errors="surrogateescape")
