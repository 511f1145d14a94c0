"""The shape of `secrets` and of `credentials` in erm.yaml: where users and passwords are kept, how erm gets in."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from erm_alembic.config.fields import Duration, Section
from erm_alembic.config.interpolation import has_variables, without_variables
from erm_alembic.config.sealed_login import shown_reference
from erm_alembic.config.secrets import PROVIDERS, scheme_of
from erm_alembic.config.secrets.settings import (
    AuthMethod,
    AwsSettings,
    SecretsSettings,
    VaultAuthSettings,
    VaultSettings,
)

__all__ = ["Credentials", "SecretsModel", "reference_problem", "secrets_settings", "written_auth"]

_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*")
_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
# What may hold the secret by which another one is had; Vault's own would go round in circles.
_OUTSIDE = ("file", "cmd", "keyring", "aws-secretsmanager", "aws-ssm")

Credentials = Annotated[
    str,
    Field(
        min_length=1,
        description="where user and password of the url are kept: vault:PATH, aws-secretsmanager:NAME, file:PATH, ...",
        examples=["vault:database/creds/migrator", "aws-rds-iam:migrator", "file:/run/secrets/db-password"],
    ),
]


def _kept_outside(value: str) -> str:
    """A secret of a login is not typed into the file, and is not repeated here."""
    if scheme_of(value) in _OUTSIDE or (has_variables(value) and not without_variables(value).strip()):
        return value
    raise ValueError("${VARIABLE}, file:PATH, cmd:COMMAND or keyring:SERVICE/USER is expected here, not the secret")


KeptOutside = Annotated[str, AfterValidator(_kept_outside), Field(examples=["${SECRET_ID}", "file:/run/secrets/id"])]


class VaultAuthModel(Section):
    """How erm logs in to Vault or OpenBao; what is left out comes from VAULT_* (BAO_*) and ~/.vault-token."""

    method: AuthMethod | None = Field(None, description="approle where VAULT_ROLE_ID is set, else token")
    mount: str | None = Field(None, min_length=1, description="where the method is mounted (its own name)")
    role: str | None = Field(None, min_length=1, description="of kubernetes, jwt and cert")
    role_id: str | None = Field(None, min_length=1, description="of approle")
    secret_id: KeptOutside | None = Field(None, description="of approle: a variable or a reference")
    username: str | None = Field(None, min_length=1, description="of userpass and ldap")
    password: KeptOutside | None = Field(None, description="of userpass and ldap: a variable or a reference")
    token_file: str | None = Field(None, min_length=1, description="a file with a token, read anew when it has ended")
    jwt_file: str | None = Field(None, min_length=1, description="a file with a JWT, for kubernetes and jwt")


class VaultModel(Section):
    """Where Vault or OpenBao is, for references vault: and bao:."""

    address: str | None = Field(
        None, min_length=1, description="of its API (VAULT_ADDR)", examples=["https://vault:8200"]
    )
    namespace: str | None = Field(None, min_length=1, description="the namespace of every path (VAULT_NAMESPACE)")
    ca_file: str | None = Field(None, min_length=1, description="the certificates that sign its own (VAULT_CACERT)")
    timeout: Duration | None = Field(None, description="how long one request may take (15s)")
    auth: VaultAuthModel | None = None


class AwsModel(Section):
    """Which region and account of AWS, for references aws-...; the keys themselves are AWS's own matter."""

    region: str | None = Field(None, min_length=1, description="such as eu-central-1 (AWS_REGION)")
    profile: str | None = Field(None, min_length=1, description="of AWS's own configuration files (AWS_PROFILE)")
    endpoint_url: str | None = Field(None, min_length=1, description="where the services are, for a stand-in of theirs")


def _own_providers(value: object) -> object:
    if not isinstance(value, dict):
        return value
    taken = {provider.scheme for provider in PROVIDERS} | {"postgres", "postgresql", "embedded", "http", "https"}
    for scheme, place in value.items():
        if not _SCHEME.fullmatch(str(scheme)) or scheme in taken:
            raise ValueError(f"{scheme!r} cannot be a scheme of your own: a word in lower case that is not taken yet")
        if not isinstance(place, str) or not _PLACE.fullmatch(place):
            raise ValueError(f"module:attribute is expected for {scheme}, as tools.secrets:Doppler")
    return value


class SecretsModel(Section):
    """Where secret references lead, beyond variables, files and commands."""

    vault: VaultModel | None = None
    aws: AwsModel | None = None
    providers: Annotated[
        dict[str, str],
        BeforeValidator(_own_providers),
        WithJsonSchema(
            {
                "type": "object",
                "propertyNames": {"pattern": f"^{_SCHEME.pattern}$"},
                "additionalProperties": {"type": "string", "pattern": f"^{_PLACE.pattern}$"},
                "examples": [{"doppler": "tools.secrets:Doppler"}],
            }
        ),
    ] = Field(default_factory=dict, description="providers of your own: scheme to module:attribute")


def reference_problem(text: str, own: dict[str, Any]) -> str | None:
    """What is wrong with a text that stands for a login; None for nothing. It is not repeated: it may be a password."""
    if not text.strip() or scheme_of(text, own) is not None:
        return None
    if has_variables(text) and not without_variables(text).strip():
        return None
    return "a reference is expected here, as vault:database/creds/app or file:PATH: no user and no password"


def secrets_settings(found: SecretsModel, project_dir: Path) -> SecretsSettings:
    """The section in force.

    Args:
        found: it, validated.
        project_dir: the folder to which the paths of the file are relative.
    """

    def path(value: str | None) -> Path | None:
        return project_dir / Path(value).expanduser() if value is not None else None

    vault, aws = found.vault or VaultModel.model_construct(), found.aws or AwsModel.model_construct()
    auth = vault.auth or VaultAuthModel.model_construct()
    return SecretsSettings(
        VaultSettings(
            vault.address,
            vault.namespace,
            path(vault.ca_file),
            vault.timeout,
            VaultAuthSettings(
                **{**dict(auth), "token_file": path(auth.token_file), "jwt_file": path(auth.jwt_file)},
            ),
        ),
        AwsSettings(**dict(aws)),
        MappingProxyType(dict(found.providers)),
    )


def written_auth(auth: VaultAuthSettings) -> dict[str, Any]:
    """How one logs in to Vault, for people: what stands for a secret as its provider describes it."""
    found = {each.name: getattr(auth, each.name) for each in fields(auth)}
    sealed = ("secret_id", "password")
    nowhere = Path()
    return found | {
        name: shown_reference(found[name], SecretsSettings(), nowhere) for name in sealed if found[name] is not None
    }
