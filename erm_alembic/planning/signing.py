"""Signatures of approved plans: Ed25519, so that CI signs what production verifies.

The library is an extra (`erm-alembic[sign]`), and loaded only where something is signed or verified.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erm_alembic.config.interpolation import UnsetVariable
from erm_alembic.config.plan_keys import FILE, key_id, public_key
from erm_alembic.config.redaction import register_secret
from erm_alembic.config.secrets import SecretContext, provider_for
from erm_alembic.config.secrets.reading import as_secret
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ConfigurationError

__all__ = ["Signature", "plan_keys", "private_key", "sign", "verify"]

ALGORITHM = "ed25519"
# What is signed begins with it: a signature of something else is none of a plan.
CONTEXT = b"erm approved plan\n"
NOTHING_DONE = "Nothing was planned or run."
LARGEST = 64 * 1024
GENERATE = "openssl genpkey -algorithm ed25519 -out plan-key.pem"


@dataclass(frozen=True)
class Signature:
    """A signature as it stands in the file of a plan.

    Args:
        key: the short name of the public key.
        value: the signature, base64.
    """

    key: str
    value: str

    def members(self) -> dict[str, str]:
        """The signature as JSON has it."""
        return {"algorithm": ALGORITHM, "key": self.key, "value": self.value}


def sign(content: bytes, key: Any) -> Signature:
    """Sign a plan.

    Args:
        content: its canonical text.
        key: what `private_key` has read.
    """
    raw = key.public_key().public_bytes_raw()
    return Signature(key_id(raw), base64.b64encode(key.sign(CONTEXT + content)).decode())


def verify(content: bytes, signature: Signature, keys: Sequence[bytes]) -> bool:
    """Whether one of the keys has signed a plan.

    Args:
        content: its canonical text.
        signature: what stands in its file.
        keys: the public keys that may sign plans.

    Raises:
        ConfigurationError: the library is not installed.
    """
    ed25519 = _library()
    from cryptography.exceptions import InvalidSignature

    try:
        value = base64.b64decode(signature.value, validate=True)
    except (binascii.Error, ValueError):
        return False
    for key in keys:
        try:
            ed25519.Ed25519PublicKey.from_public_bytes(key).verify(value, CONTEXT + content)
        except InvalidSignature:
            continue
        return True
    return False


def plan_keys(settings: Settings) -> tuple[bytes, ...]:
    """The public keys that may sign plans.

    Args:
        settings: what is in force.

    Raises:
        ConfigurationError: one of them cannot be read.
    """
    return tuple(_plan_key(settings, number, text) for number, text in enumerate(settings.safety.plan_keys))


def _plan_key(settings: Settings, number: int, text: str) -> bytes:
    name = f"safety.plan_keys[{number}]"
    if text.startswith(FILE):
        path = settings.project_dir / Path(text.removeprefix(FILE)).expanduser()
        text = _content(path, name)
    try:
        return public_key(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{name}: {error}.",
            effect=NOTHING_DONE,
            cure="Write the public key: openssl pkey -in plan-key.pem -pubout",
        ) from None


def private_key(reference: str) -> Any:
    """Read the key that signs a plan.

    Args:
        reference: the path of a PEM file, or a reference as erm.yaml knows them: `file:PATH`, `cmd:COMMAND`, `${VAR}`.

    Raises:
        ConfigurationError: it cannot be had, or is no Ed25519 private key; the library is not installed.
    """
    ed25519 = _library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = _secret(reference)
    for line in (text, *text.splitlines()):
        if not line.startswith("-----"):
            register_secret(line.strip())
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise _no_key(
            "is protected by a passphrase",
            "Let a command open it: --sign-key 'cmd:openssl pkey -in plan-key.pem -passin env:PASSPHRASE'",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _no_key("is no private key in PEM", f"Make one: {GENERATE}") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise _no_key("is no Ed25519 key", f"Make one: {GENERATE}")
    return key


def _secret(reference: str) -> str:
    """The text that a reference stands for; a bare path is a file's, from where the command was typed."""
    context = SecretContext("--sign-key", Path.cwd(), os.environ)
    provider = provider_for(reference)
    try:
        if provider is not None and provider.scheme != "file":
            return as_secret(provider.fetch(reference.partition(":")[2], context)).text or ""
        path = context.expand(reference.removeprefix(FILE).removeprefix("//"))
    except UnsetVariable as unset:
        raise _no_key(f"cannot be read: {unset}", "Set the variable.") from None
    if "-----BEGIN" in path:  # a variable that holds the key itself
        return path
    return _content(Path.cwd() / Path(path).expanduser(), "--sign-key")


def _content(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) <= LARGEST:
            return content.decode()
        reason = "it is too large for a key"
    except UnicodeDecodeError:
        reason = "it is not PEM text"
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
    raise ConfigurationError(
        f"{name}: {path} cannot be read: {reason}.",
        effect=NOTHING_DONE,
        cure="Give the path of a key in PEM, and the right to read it.",
    )


def _no_key(what: str, cure: str) -> ConfigurationError:
    return ConfigurationError(f"The key of --sign-key {what}.", effect=NOTHING_DONE, cure=cure)


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise ConfigurationError(
            "Signatures of plans need the `cryptography` package, which is not installed.",
            effect=NOTHING_DONE,
            cure="pip install 'erm-alembic[sign]'",
        ) from None
    return ed25519
