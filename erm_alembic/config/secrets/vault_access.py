"""Where Vault or OpenBao is, and how one logs in there: from erm.yaml, else from the variables of the vendor's tool."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from erm_alembic.config.secrets.protocol import SecretContext
from erm_alembic.config.secrets.settings import AuthMethod
from erm_alembic.errors import ConfigurationError

__all__ = ["VaultAccess", "access_for", "login_body", "read_token"]

DEFAULT_ADDRESS = "https://127.0.0.1:8200"
# In seconds.
DEFAULT_TIMEOUT = 15.0
KUBERNETES_JWT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
METHODS = ("token", "approle", "kubernetes", "jwt", "userpass", "ldap", "cert")
_DURATION = re.compile(r"(\d+)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """Everything that a client is made of.

    Args:
        address: of the API.
        namespace: None for the root.
        verify: whether the server's certificate is verified, or by which file or folder.
        certificate: the client's certificate and its key.
        timeout: of one request, in seconds.
        method: how one logs in.
        mount: where the method is mounted.
        token: the token of the environment; None without one.
        token_files: where a token may stand otherwise, the first that is there counts.
        jwt_file: where a JWT stands.
        words: what else the method needs, by name.
    """

    address: str
    namespace: str | None
    verify: bool | str
    certificate: tuple[str, str] | None
    timeout: float
    method: AuthMethod
    mount: str
    token: str | None = field(repr=False)
    token_files: tuple[Path, ...]
    jwt_file: Path | None
    words: tuple[tuple[str, str], ...] = field(repr=False)


def access_for(scheme: str, context: SecretContext) -> VaultAccess:
    """What holds for a reference.

    Args:
        scheme: `vault` or `bao`: whose variables win.
        context: the place of the reference.

    Raises:
        ConfigurationError: what is said makes no sense.
    """
    variable = _variables(scheme, context.environ)
    found = context.settings.vault
    auth = found.auth
    method = auth.method or _method(variable("AUTH_METHOD") or ("approle" if variable("ROLE_ID") else "token"), context)
    verify: bool | str = True
    if found.ca_file is not None:
        verify = str(found.ca_file)
    elif path := variable("CACERT") or variable("CAPATH"):
        verify = path
    elif (variable("SKIP_VERIFY") or "").lower() in ("1", "t", "true"):
        verify = False
    certificate = variable("CLIENT_CERT")
    words = {
        "role": auth.role or variable("ROLE"),
        "role_id": auth.role_id or variable("ROLE_ID"),
        "secret_id": auth.secret_id or variable("SECRET_ID"),
        "username": auth.username or variable("USERNAME"),
        "password": auth.password or variable("PASSWORD"),
        "jwt": variable("ID_TOKEN"),
    }
    token_file = variable("TOKEN_FILE")
    files = [auth.token_file, Path(token_file) if token_file else None]
    home = context.environ.get("HOME")
    files += [Path(home) / ".vault-token" if home else None]
    return VaultAccess(
        address=(found.address or variable("ADDR") or DEFAULT_ADDRESS).rstrip("/"),
        namespace=found.namespace or variable("NAMESPACE"),
        verify=verify,
        certificate=(certificate, variable("CLIENT_KEY") or certificate) if certificate else None,
        timeout=found.timeout.total_seconds() if found.timeout else _seconds(variable("CLIENT_TIMEOUT")),
        method=method,
        mount=(auth.mount or variable("AUTH_MOUNT") or method).strip("/"),
        token=None if auth.token_file is not None else variable("TOKEN"),
        token_files=tuple(path for path in files if path is not None),
        jwt_file=auth.jwt_file or (KUBERNETES_JWT if method == "kubernetes" else None),
        words=tuple((name, value) for name, value in words.items() if value),
    )


def _variables(scheme: str, environ: Mapping[str, str]) -> Callable[[str], str | None]:
    """OpenBao's tool reads BAO_* and, where there is none, VAULT_*."""
    prefixes = ("BAO_", "VAULT_") if scheme == "bao" else ("VAULT_", "BAO_")
    return lambda name: next((environ[each + name] for each in prefixes if environ.get(each + name)), None)


def _method(name: str, context: SecretContext) -> AuthMethod:
    if name not in METHODS:
        raise ConfigurationError(
            f"{context.key}: VAULT_AUTH_METHOD is {name!r}, which is none of {', '.join(METHODS)}.",
            effect="No database was reached.",
            cure="Correct it, or take it away: VAULT_TOKEN and ~/.vault-token need no method.",
        )
    return name  # type: ignore[return-value]  # one of the words


def _seconds(text: str | None) -> float:
    """The vendor's tool takes a number of seconds, or one with its unit."""
    match = _DURATION.fullmatch((text or "").strip())
    return float(match[1]) * _SECONDS[match[2] or "s"] if match and float(match[1]) else DEFAULT_TIMEOUT


def read_token(access: VaultAccess, context: SecretContext) -> str:
    """The token that the environment or a file has now.

    Raises:
        ConfigurationError: there is none.
    """
    if access.token:
        return access.token.strip()
    for path in access.token_files:
        text = _content(path)
        if text:
            return text
    shown = ", ".join(map(str, access.token_files))
    raise ConfigurationError(
        f"{context.key} is kept in Vault ({access.address}), and there is no token to read it with.",
        effect="No database was reached.",
        cure=f"Set VAULT_TOKEN, log in with `vault login`{f' ({shown})' if shown else ''}, or configure "
        "secrets.vault.auth in erm.yaml.",
    )


def login_body(access: VaultAccess, context: SecretContext) -> tuple[str, dict[str, str]]:
    """The path under `auth/` at which one logs in, and what is sent there.

    Raises:
        ConfigurationError: something that the method needs is not configured.
    """
    words = dict(access.words)

    def needed(name: str) -> str:
        if name not in words:
            variable = f"VAULT_{name.upper()}"
            raise ConfigurationError(
                f"{context.key} is kept in Vault, and logging in there by {access.method} needs a {name}.",
                effect="No database was reached.",
                cure=f"Set secrets.vault.auth.{name} in erm.yaml, or {variable}.",
            )
        return words[name]

    path = f"{access.mount}/login"
    if access.method == "approle":
        body = {"role_id": needed("role_id")}
        if "secret_id" in words:
            body["secret_id"] = _revealed(words["secret_id"], "secret_id", context)
        return path, body
    if access.method in ("userpass", "ldap"):
        return f"{path}/{needed('username')}", {"password": _revealed(needed("password"), "password", context)}
    if access.method == "cert":
        return path, {"name": words["role"]} if "role" in words else {}
    jwt = _content(access.jwt_file) if access.jwt_file is not None else words.get("jwt")
    if not jwt:
        place = f" in {access.jwt_file}" if access.jwt_file else ""
        raise ConfigurationError(
            f"{context.key} is kept in Vault, and there is no JWT to log in there with{place}.",
            effect="No database was reached.",
            cure="Set secrets.vault.auth.jwt_file, or let the pipeline set VAULT_ID_TOKEN.",
        )
    body = {"jwt": jwt}
    return path, body | ({"role": words["role"]} if "role" in words else {})


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _revealed(text: str, name: str, context: SecretContext) -> str:
    """What is written for a secret of the login: a variable, or a reference to another place than Vault."""
    from erm_alembic.config.secrets import reveal_text

    configured = getattr(context.settings.vault.auth, name) == text
    return reveal_text(text, f"secrets.vault.auth.{name}", context, interpolate=configured)
