"""Asking Vault: requests that are tried again, and a token that is kept alive or replaced."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from erm_alembic.config.redaction import register_secret
from erm_alembic.config.secrets.extras import import_extra
from erm_alembic.config.secrets.protocol import SecretContext
from erm_alembic.config.secrets.vault_access import VaultAccess, login_body, read_token
from erm_alembic.config.secrets.vault_refusal import Refusal, refuse_elsewhere

__all__ = ["Refusal", "VaultClient"]

# What is over soon, or was too much at once, is asked again so often, after about so many seconds.
_TRIES, _PAUSE = 3, 0.2
# A token is prolonged or replaced when less than this part of its time is left.
_DUE = 1 / 3


@dataclass(frozen=True, slots=True)
class _Token:
    """A token, and when it ends: by `time.monotonic()`, None for never."""

    text: str = field(repr=False)
    generation: int
    ends_at: float | None
    length: float
    renewable: bool
    own: bool

    def remaining(self) -> float:
        return float("inf") if self.ends_at is None else self.ends_at - time.monotonic()


class VaultClient:
    """One way into one server.

    Args:
        access: where it is, and how one logs in.
        context: of the first reference that asked.
    """

    def __init__(self, access: VaultAccess, context: SecretContext) -> None:
        self._access, self._context = access, context
        self._lock = threading.RLock()
        self._token: _Token | None = None
        self._versioned: dict[str, bool] = {}
        self._leases: dict[str, float] = {}
        hvac = import_extra("hvac", "vault", context.key)
        self._errors = import_extra("hvac.exceptions", "vault", context.key)
        self._hvac = hvac.Client(
            url=access.address,
            token="",
            namespace=access.namespace,
            verify=access.verify,
            cert=access.certificate,
            timeout=access.timeout,
        )
        self._hvac.session.hooks["response"].append(refuse_elsewhere)

    @property
    def generation(self) -> int:
        """Which of its tokens it uses: leases end with theirs."""
        return self._token.generation if self._token is not None else 0

    def read(self, path: str, parameters: Mapping[str, str]) -> tuple[Mapping[str, Any], bool]:
        """What is at a path, and whether that is of a versioned key/value engine.

        Raises:
            Refusal: there is nothing, or it may not be read.
            ConfigurationError: there is no way to log in.
        """
        asked, versioned = self._located(path)
        return self._ask(lambda: self._send("get", asked, params=dict(parameters) or None)), versioned

    def renew(self, lease: str, seconds: float) -> Mapping[str, Any]:
        """Prolong a lease.

        Raises:
            Refusal: it cannot be prolonged.
        """
        body = {"lease_id": lease, "increment": round(seconds)}
        return self._ask(lambda: self._send("put", "sys/leases/renew", json=body))

    def bounded(self, seconds: float) -> float | None:
        """How long what was lent for so long is good: no longer than the token."""
        token = self._token
        return seconds if token is None else min(seconds, token.remaining())

    def note_lease(self, lease: str, seconds: float) -> None:
        """Remember a lease, to give it back."""
        with self._lock:
            now = time.monotonic()
            self._leases = {known: end for known, end in self._leases.items() if end > now}
            self._leases[lease] = now + seconds

    def prolong_token(self, wanted: float) -> None:
        """Have a token that outlives what is about to be prolonged, where that can be.

        Args:
            wanted: how long that is to last, in seconds.
        """
        with self._lock:
            token = self._token
            if token is None or token.remaining() >= min(2 * wanted, token.length * (1 - _DUE)):
                return
            self._token = self._prolonged(token) or self._new_token()

    def give_back(self, until: float) -> None:
        """Revoke what was lent; nobody hears of what fails.

        Args:
            until: when to leave the rest, by `time.monotonic()`.
        """
        token = self._token
        if token is None:
            return
        paths: list[tuple[str, dict[str, str] | None]] = [
            ("sys/leases/revoke", {"lease_id": each}) for each in self._leases
        ]
        if token.own:
            paths = [("auth/token/revoke-self", None)]  # and with it all that was lent for it
        for path, body in paths:
            left = until - time.monotonic()
            if left <= 0:
                return
            with contextlib.suppress(Exception):
                self._hvac.adapter.request("put", f"/v1/{path}", json=body, timeout=left)

    def _located(self, path: str) -> tuple[str, bool]:
        """The path for the API: a versioned engine has its values under `data/`, which people leave out."""
        known = next((mount for mount in self._versioned if f"{path}/".startswith(mount)), None)
        if known is None:
            try:
                found = self._ask(lambda: self._send("get", f"sys/internal/ui/mounts/{path}")).get("data") or {}
            except Refusal as refusal:
                if not refusal.is_final:
                    raise
                return path, "/data/" in path  # it may not be asked: the path is taken at its word
            known = str(found.get("path") or "")
            version = str((found.get("options") or {}).get("version") or "1")
            if not known:
                return path, False
            self._versioned[known] = found.get("type") == "kv" and version == "2"
        if not self._versioned[known]:
            return path, False
        below = path[len(known) :]
        return (path if below.startswith("data/") else f"{known}data/{below}"), True

    def _ask(self, send: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Send with a token that is good; where it is refused, once more with another one, if there is."""
        token = self._current_token()
        try:
            return send()
        except Refusal as refusal:
            if refusal.status != 403 or not self._replaced(token):
                raise
        return send()

    def _current_token(self) -> _Token:
        with self._lock:
            token = self._token
            if token is None:
                token = self._new_token()
            elif token.remaining() < token.length * _DUE:
                try:
                    token = self._prolonged(token) or self._new_token()
                except Refusal:
                    if token.remaining() <= 0:
                        raise
            self._token = token
            self._hvac.token = token.text
            return token

    def _replaced(self, refused: _Token) -> bool:
        """Whether there is another token than the refused one; that may have been revoked."""
        with self._lock:
            if self._token is not None and self._token.generation != refused.generation:
                return True
            if self._access.method == "token" and read_token(self._access, self._context) == refused.text:
                return False
            self._token = self._new_token()
            return True

    def _prolonged(self, token: _Token) -> _Token | None:
        """The token with new time; None where it must be replaced."""
        if not token.renewable:
            return None
        self._hvac.token = token.text
        try:
            answer = self._send("put", "auth/token/renew-self", json={})
        except Refusal as refusal:
            if refusal.is_final:
                return None
            raise
        found = self._of_login(answer.get("auth") or {}, token.generation)
        return found if found.remaining() > token.length * _DUE else None

    def _new_token(self) -> _Token:
        generation = self.generation + 1
        if self._access.method == "token":
            text = read_token(self._access, self._context)
            register_secret(text)
            self._hvac.token = text
            try:
                data = self._send("get", "auth/token/lookup-self").get("data") or {}
            except Refusal as refusal:
                if refusal.status != 403:
                    raise
                data = {}  # it may not look itself up: it is good until it is refused
            ttl = float(data.get("ttl") or 0)
            renewable = bool(data.get("renewable"))
            found = _Token(text, generation, time.monotonic() + ttl if ttl else None, ttl, renewable, own=False)
        else:
            path, body = login_body(self._access, self._context)
            for name in ("secret_id", "password", "jwt"):
                if name in body:
                    register_secret(body[name])
            self._hvac.token = ""
            found = self._of_login(self._send("post", f"auth/{path}", json=body).get("auth") or {}, generation)
            register_secret(found.text)
        self._token = found
        self._hvac.token = found.text
        return found

    def _of_login(self, auth: Mapping[str, Any], generation: int) -> _Token:
        seconds = float(auth.get("lease_duration") or 0)
        own = self._access.method != "token"
        ends = time.monotonic() + seconds if seconds else None
        return _Token(str(auth["client_token"]), generation, ends, seconds, bool(auth.get("renewable")), own)

    def _send(self, verb: str, path: str, **words: Any) -> Mapping[str, Any]:
        """One request, tried again while the failure may pass.

        Raises:
            Refusal: it failed.
        """
        overdue = time.monotonic() + self._access.timeout
        for left in reversed(range(_TRIES)):
            try:
                answer = self._hvac.adapter.request(verb, f"/v1/{path}", **words)
                return answer if isinstance(answer, dict) else {}
            except Refusal:
                raise
            except Exception as error:  # hvac's own errors, those of requests, and what a proxy's answer makes of them
                refusal = self._understood(error)
                if refusal.is_final or not left or time.monotonic() > overdue:
                    raise refusal from None
            time.sleep(_PAUSE * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable")

    def _understood(self, error: Exception) -> Refusal:
        address = self._access.address
        known = self._errors
        for kind, status, words, cure in (
            (
                known.Forbidden,
                403,
                "it does not permit that",
                "Let the token's policy read {what}: `vault read {what}`.",
            ),
            (known.Unauthorized, 401, "it does not let erm in", "Log in anew: `vault login`."),
            (known.InvalidPath, 404, "there is nothing there", "Check the path: `vault read {what}` says the same."),
            (known.InvalidRequest, 400, "it refuses the request", "`vault read {what}` with the same login says why."),
            (known.RateLimitExceeded, 429, "it is asked too often", "Try again later."),
            (known.VaultDown, 503, f"{address} is sealed or in maintenance", "Have it unsealed, and try again."),
            (known.VaultNotInitialized, 501, f"{address} is not initialised", "Have it initialised."),
            (known.InternalServerError, 500, "it failed itself", "`vault read {what}` and the server's log say why."),
        ):
            if isinstance(error, kind):
                return Refusal(words, cure, status)
        name = type(error).__name__
        if name == "SSLError":
            cure = "Name the authority that signs its certificate: secrets.vault.ca_file, or VAULT_CACERT."
            return Refusal(f"the certificate of {address} cannot be verified", cure, None)
        cure = "Check the address (secrets.vault.address, or VAULT_ADDR), and that it runs: `vault status`."
        return Refusal(f"{address} does not answer ({name})", cure, None)
