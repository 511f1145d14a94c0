"""What is in force for secret managers: where they are, and how erm logs in there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Literal

__all__ = ["AuthMethod", "AwsSettings", "SecretsSettings", "VaultAuthSettings", "VaultSettings"]

AuthMethod = Literal["token", "approle", "kubernetes", "jwt", "userpass", "ldap", "cert"]


def _nothing() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class VaultAuthSettings:
    """How erm logs in to Vault or OpenBao. What is None is taken from the environment, as the vendor's tool does.

    Args:
        method: the auth method; None is `approle` where the environment names a role id, else `token`.
        mount: where the method is mounted; None is its own name.
        role: the role of the methods that have one: kubernetes, jwt, cert.
        role_id: of an AppRole.
        secret_id: of an AppRole, as it is written: `${VAR}`, or a reference.
        username: of userpass and ldap.
        password: of userpass and ldap, as it is written: `${VAR}`, or a reference.
        token_file: a file with a token, read anew when that one has ended.
        jwt_file: a file with a JWT, read at each login.
    """

    method: AuthMethod | None = None
    mount: str | None = None
    role: str | None = None
    role_id: str | None = None
    secret_id: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    jwt_file: Path | None = None


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """Where Vault or OpenBao is. What is None is taken from the environment, as the vendor's tool does.

    Args:
        address: of its API, `https://vault:8200`.
        namespace: the namespace of every path.
        ca_file: the certificates that sign the server's; None is the system's.
        timeout: how long one request may take; None is 15 s.
        auth: how erm logs in.
    """

    address: str | None = None
    namespace: str | None = None
    ca_file: Path | None = None
    timeout: timedelta | None = None
    auth: VaultAuthSettings = VaultAuthSettings()


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Which account and region of AWS. What is None is taken from the environment, as AWS's own tools do.

    Args:
        region: such as `eu-central-1`.
        profile: of AWS's own configuration files.
        endpoint_url: where the services are, for a stand-in of theirs.
    """

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class SecretsSettings:
    """What secret references may name, beyond variables, files and commands.

    Args:
        vault: for `vault:` and `bao:`.
        aws: for the schemes that begin with `aws-`.
        providers: providers of the team's own: scheme to `module:attribute`.
    """

    vault: VaultSettings = VaultSettings()
    aws: AwsSettings = AwsSettings()
    providers: Mapping[str, str] = field(default_factory=_nothing)
