"""The public keys of `safety.plan_keys`: read without a cryptography library, which only a signature needs."""

from __future__ import annotations

import base64
import binascii
import hashlib

__all__ = ["FILE", "key_id", "public_key", "written_key"]

FILE = "file:"
# What stands before the 32 bytes of every Ed25519 public key in DER (RFC 8410).
ED25519 = bytes.fromhex("302a300506032b6570032100")
LENGTH = len(ED25519) + 32


def public_key(text: str) -> bytes:
    """The 32 bytes of an Ed25519 public key.

    Args:
        text: the key as `openssl pkey -pubout` writes it, or only what stands between its first and last line.

    Raises:
        ValueError: it is something else.

    Example:
        >>> len(public_key("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="))
        32
    """
    if "PRIVATE KEY" in text:
        raise ValueError("this is a private key, which must not stand here: give the public one")
    body = "".join(line.strip() for line in text.strip().splitlines() if not line.strip().startswith("-----"))
    try:
        der = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        der = b""
    if len(der) != LENGTH or not der.startswith(ED25519):
        raise ValueError("an Ed25519 public key is expected here, or file:PATH of one")
    return der[len(ED25519) :]


def key_id(key: bytes) -> str:
    """A short name of a public key, for messages and the ledger.

    Args:
        key: its 32 bytes.
    """
    return hashlib.sha256(key).hexdigest()[:16]


def written_key(text: str) -> str:
    """Make sure that an entry of `safety.plan_keys` is a key, as far as that can be told without opening a file.

    Raises:
        ValueError: it is something else.
    """
    if not text.startswith(FILE):
        public_key(text)
    return text
