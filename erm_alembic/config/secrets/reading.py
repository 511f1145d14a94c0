"""What a secret means where it stands: an address, or a user and a password."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote

from erm_alembic.config.secrets.protocol import Secret
from erm_alembic.errors import ConfigurationError

__all__ = ["as_secret", "in_address", "in_login", "split_field"]

_ADDRESS = ("url", "dsn", "uri", "connection_url", "connection_string", "database_url")
_USER = ("username", "user")
_HOST = ("host", "hostname")
_NAME = ("dbname", "database", "db")
_MOST_NAMES = 10


def split_field(reference: str) -> tuple[str, str | None]:
    """A reference without its `#FIELD`, and the field.

    Example:
        >>> split_field("kv/app#url"), split_field("database/creds/app")
        (('kv/app', 'url'), ('database/creds/app', None))
    """
    path, mark, name = reference.partition("#")
    return path, name.strip() if mark else None


def as_secret(found: object) -> Secret:
    """What a provider gave, as a value; a text that is a JSON object has fields, and no newline at its end.

    Args:
        found: a text or a `Secret`; a provider of a team's own may give anything.

    Raises:
        ConfigurationError: it is something else, or nothing.
    """
    if isinstance(found, str):
        text = found.rstrip("\r\n")
        found = Secret(text, _fields(text))
    if not isinstance(found, Secret):
        raise _not_given(f"gave a value of the type {type(found).__name__}")
    if not (found.text is None or isinstance(found.text, str)) or not _are_texts(found.fields):
        raise _not_given("gave a Secret whose text or fields are no text")
    if not (found.lasts is None or isinstance(found.lasts, timedelta)):
        raise _not_given("gave a Secret whose lasts is no timedelta")
    if not found.fields and not (found.text or "").strip():
        raise _not_given("gave nothing")
    return found


def _are_texts(fields: object) -> bool:
    return isinstance(fields, Mapping) and all(
        isinstance(part, str) for name, value in fields.items() for part in (name, value)
    )


def _not_given(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The provider of a secret {why}, where a text or a Secret is expected.",
        effect="No database was reached.",
        cure="Let its fetch return the text that the secret is, or a Secret with text or fields: docs/secrets.md.",
    )


def _fields(text: str) -> Mapping[str, str]:
    if not text.lstrip().startswith("{"):
        return {}
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return fields_of(read)


def fields_of(read: Mapping[str, object]) -> dict[str, str]:
    """The texts and numbers of an object, by name; what holds more than one value is left out."""
    return {str(name): str(value) for name, value in read.items() if isinstance(value, str | int | float)}


def in_address(secret: Secret, place: str) -> str:
    """The address that a secret is, or that its fields make together.

    Args:
        secret: what was given.
        place: where it is referred to, for messages.

    Raises:
        ConfigurationError: it is none.
    """
    fields = secret.fields
    if secret.text is not None and not fields:
        return secret.text
    if found := _first(fields, _ADDRESS):
        return found
    host, name = _first(fields, _HOST), _first(fields, _NAME)
    if host is not None and name is not None:
        user, password = _first(fields, _USER), fields.get("password")
        login = quote(user or "", safe="") + (f":{quote(password, safe='')}" if password is not None else "")
        port = f":{fields['port']}" if fields.get("port") else ""
        return f"postgresql://{login}{'@' if login else ''}{host}{port}/{quote(name, safe='')}"
    if secret.text is not None and not secret.text.lstrip().startswith("{"):
        return secret.text
    if secret.text is None and len(fields) == 1:
        return next(iter(fields.values()))
    raise _unclear(fields, place, "an address", "url, or host and dbname", "Name the one that is it: REFERENCE#FIELD.")


def in_login(secret: Secret, place: str) -> tuple[str | None, str]:
    """The user and the password that a secret is; None for a user whom the address has to name.

    Args:
        secret: what was given.
        place: where it is referred to, for messages.

    Raises:
        ConfigurationError: it is neither.
    """
    fields = secret.fields
    if "password" in fields:
        return _first(fields, _USER), fields["password"]
    if secret.text is not None and not fields:
        return None, secret.text
    if secret.text is None and len(fields) == 1 and not set(fields) & {*_USER, *_HOST, *_NAME}:
        return None, next(iter(fields.values()))
    cure = "Name the one that is the password (REFERENCE#FIELD), and the user in the url."
    raise _unclear(fields, place, "a login", "username and password", cure)


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((fields[name] for name in names if fields.get(name)), None)


def _unclear(fields: Mapping[str, str], place: str, wanted: str, expected: str, cure: str) -> ConfigurationError:
    names = sorted(fields)
    shown = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    return ConfigurationError(
        f"What {place} refers to is not {wanted}: it has the fields {shown or '(none)'}, and {expected} is looked for.",
        effect="No database was reached.",
        cure=cure,
    )
