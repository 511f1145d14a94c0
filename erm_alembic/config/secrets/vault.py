"""`vault:kv/app#url`, `vault:database/creds/migrator`: secrets of HashiCorp Vault, and of OpenBao (`bao:`).

The path is what `vault read` and `vault kv get` take: `data/` of a versioned key/value engine may stand in it, or not.
What has a lease (the dynamic roles of the database engine) is prolonged while the process lives, and given back at its
end. `?version=3` asks a versioned engine for an older value.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from erm_alembic.config.secrets.protocol import Secret, SecretContext
from erm_alembic.config.secrets.reading import fields_of, split_field
from erm_alembic.config.secrets.vault_access import VaultAccess, access_for
from erm_alembic.config.secrets.vault_client import Refusal, VaultClient
from erm_alembic.errors import ConfigurationError

__all__ = ["VaultProvider"]

# How long the end of a process waits for leases to be given back, in seconds.
_PATIENCE_AT_END = 3.0


@dataclass(frozen=True, slots=True)
class _Lease:
    """What a lease is known by."""

    id: str
    client: VaultClient = field(repr=False)
    generation: int
    granted: float


class VaultProvider:
    """Reads secrets over the API of Vault, by its client library hvac (the extra `vault`).

    Args:
        scheme: the word before the colon: `vault` reads the variables VAULT_*, `bao` reads BAO_* first.
    """

    def __init__(self, scheme: str = "vault") -> None:
        self._scheme = scheme
        self._lock = threading.Lock()
        self._clients: dict[VaultAccess, VaultClient] = {}
        _providers.add(self)

    @property
    def scheme(self) -> str:
        """The word before the colon."""
        return self._scheme

    def fetch(self, reference: str, context: SecretContext) -> Secret:
        """Read a path, logging in first where that is needed.

        Raises:
            ConfigurationError: Vault cannot be reached, does not let erm in, or has nothing there.
        """
        located, name = split_field(context.expand(reference))
        path, _, query = located.partition("?")
        path, parameters = path.strip().strip("/"), dict(parse_qsl(query))
        if not path:
            raise _failed(context, "the reference names no path.", f"Write {self._scheme}:MOUNT/PATH#FIELD.")
        client = self._client(context)
        try:
            answer, versioned = client.read(path, parameters)
        except Refusal as refusal:
            raise self._refused(refusal, path, context) from None
        secret = self._secret(answer, versioned, client)
        if name is None:
            return secret
        if name not in secret.fields:
            raise _failed(
                context,
                f"there is no field {name!r} at {path}.",
                f"It has: {', '.join(sorted(secret.fields)) or 'none'}." if secret.fields else "It is empty.",
            )
        return replace(secret, text=secret.fields[name], fields={})

    def renew(self, secret: Secret, context: SecretContext) -> Secret | None:
        """Prolong a lease, and the token that it hangs on.

        Raises:
            ConfigurationError: Vault cannot be reached now.
        """
        lease = secret.handle
        if not isinstance(lease, _Lease) or not secret.renewable:
            return None
        try:
            lease.client.prolong_token(lease.granted)
            if lease.client.generation != lease.generation:
                return None  # leases end with the token that they were taken with
            answer = lease.client.renew(lease.id, lease.granted)
        except Refusal as refusal:
            if refusal.is_final:
                return None
            raise self._refused(refusal, "the lease", context) from None
        lasts = lease.client.bounded(float(answer.get("lease_duration") or 0))
        if lasts is None or lasts <= 0:
            return None
        lease.client.note_lease(lease.id, lasts)
        return replace(secret, lasts=timedelta(seconds=lasts), renewable=bool(answer.get("renewable")))

    def close(self) -> None:
        """Give back the leases of this process, and the tokens that it has logged in for."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        until = time.monotonic() + _PATIENCE_AT_END
        for client in clients:
            client.give_back(until)

    def describe(self, reference: str) -> str:
        """A path is no secret, nor is the name of a field."""
        return f"{self._scheme}:{reference}"

    def _begin(self) -> None:
        """Start from nothing: in a forked child the tokens and sockets are the parent's."""
        self._lock = threading.Lock()
        self._clients = {}

    def _client(self, context: SecretContext) -> VaultClient:
        access = access_for(self._scheme, context)
        with self._lock:
            client = self._clients.get(access)
            if client is None:
                client = self._clients[access] = VaultClient(access, context)
            return client

    def _secret(self, answer: Mapping[str, Any], versioned: bool, client: VaultClient) -> Secret:
        data = answer.get("data") or {}
        if versioned:
            data = data.get("data") or {}
        fields = fields_of(data)
        lease, seconds = str(answer.get("lease_id") or ""), float(answer.get("lease_duration") or 0)
        if lease:
            lasts = client.bounded(seconds)
            assert lasts is not None
            client.note_lease(lease, lasts)
            handle = _Lease(lease, client, client.generation, seconds)
            renewable = bool(answer.get("renewable"))
            return Secret(None, fields, timedelta(seconds=lasts), True, renewable, handle)
        if "rotation_period" in data and "ttl" in data:
            # A static role: its password changes then, and its sessions go on.
            return Secret(None, fields, timedelta(seconds=max(1.0, float(data["ttl"]))))
        return Secret(None, fields)

    def _refused(self, refusal: Refusal, what: str, context: SecretContext) -> ConfigurationError:
        return _failed(context, f"{refusal.words} ({what}).", refusal.cure.format(what=what))


def _failed(context: SecretContext, said: str, cure: str) -> ConfigurationError:
    return ConfigurationError(
        f"{context.key} cannot be had from Vault: {said}", effect="No database was reached.", cure=cure
    )


def _begin_in_child() -> None:
    for provider in list(_providers):
        provider._begin()


_providers: weakref.WeakSet[VaultProvider] = weakref.WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
