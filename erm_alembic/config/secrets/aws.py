"""Secrets of AWS: Secrets Manager, the Parameter Store of Systems Manager, and tokens of RDS instead of a password.

How one logs in is AWS's own matter: variables, profiles, the role of the machine. The extra `aws` brings boto3, which
is imported when the first of these references is opened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from erm_alembic.config.secrets.extras import import_extra
from erm_alembic.config.secrets.protocol import Secret, SecretContext
from erm_alembic.config.secrets.reading import as_secret, split_field
from erm_alembic.errors import ConfigurationError

__all__ = ["IamProvider", "ParameterProvider", "SecretsManagerProvider"]

# How long RDS accepts a token for a login; the session lasts on.
_TOKEN_LASTS = timedelta(minutes=15)
# In seconds, for each try.
_TIMEOUT = 10
_ADVICE = {
    "ResourceNotFoundException": "Check its name, the region and the account: `aws sts get-caller-identity`.",
    "ParameterNotFound": "Check its name, the region and the account: `aws sts get-caller-identity`.",
    "AccessDeniedException": "Let the role read it, and decrypt with its key (kms:Decrypt).",
    "DecryptionFailure": "Let the role decrypt with the secret's key (kms:Decrypt).",
    "ExpiredTokenException": "Log in to AWS anew (`aws sso login`).",
    "UnrecognizedClientException": "Check AWS's keys in the environment.",
    "NoCredentialsError": "Log in to AWS (`aws configure`, `aws sso login`), or give the machine a role.",
    "NoRegionError": "Set secrets.aws.region in erm.yaml, or AWS_REGION.",
    "ProfileNotFound": "Correct secrets.aws.profile, or AWS_PROFILE.",
    "EndpointConnectionError": "Check the network, the region and secrets.aws.endpoint_url.",
}


@dataclass(frozen=True, slots=True)
class SecretsManagerProvider:
    """`aws-secretsmanager:NAME#FIELD`; without a field the secret itself, of which an RDS secret's JSON is understood.

    NAME may be an ARN; `?version_stage=AWSPREVIOUS` and `?region=eu-west-1` may follow it.
    """

    scheme: str = "aws-secretsmanager"

    def fetch(self, reference: str, context: SecretContext) -> Secret:
        """Get the secret's current value.

        Raises:
            ConfigurationError: it cannot be had.
        """
        name, options, field = _split(reference, context)
        asked = {"SecretId": name}
        if stage := options.pop("version_stage", None):
            asked["VersionStage"] = stage
        client = _client("secretsmanager", context, options.pop("region", None) or _region_of(name))
        answer = _asked(lambda: client.get_secret_value(**asked), name, context)
        if "SecretString" not in answer:
            raise _failed(context, f"{name} is binary.", "Keep the address, or JSON with username and password, in it.")
        return _picked(as_secret(answer["SecretString"]), field, name, context)

    def describe(self, reference: str) -> str:
        """A name is no secret."""
        return f"{self.scheme}:{reference}"


@dataclass(frozen=True, slots=True)
class ParameterProvider:
    """`aws-ssm:/prod/db/url`: a parameter of Systems Manager, decrypted; `#FIELD` where it is JSON."""

    scheme: str = "aws-ssm"

    def fetch(self, reference: str, context: SecretContext) -> Secret:
        """Get the parameter's value; `NAME:3` and `NAME:label` name a version.

        Raises:
            ConfigurationError: it cannot be had.
        """
        name, options, field = _split(reference, context)
        client = _client("ssm", context, options.pop("region", None) or _region_of(name))
        answer = _asked(lambda: client.get_parameter(Name=name, WithDecryption=True), name, context)
        return _picked(as_secret(answer["Parameter"]["Value"]), field, name, context)

    def describe(self, reference: str) -> str:
        """A name is no secret."""
        return f"{self.scheme}:{reference}"


@dataclass(frozen=True, slots=True)
class IamProvider:
    """`aws-rds-iam:USER`: a token for a login to RDS or Aurora; without USER for the user of the address.

    It is signed here, for the host and port of the address, and a login with it must be encrypted.
    """

    scheme: str = "aws-rds-iam"
    needs_address: bool = True

    def fetch(self, reference: str, context: SecretContext) -> Secret:
        """Sign a token.

        Raises:
            ConfigurationError: the address names no user or not one host, or AWS lets nobody in.
        """
        named, options, _ = _split(reference, context)
        host, port = context.address.get("host", ""), context.address.get("port") or "5432"
        user = named or context.address.get("user", "")
        if not host or "," in host or host.startswith("/"):
            raise _failed(context, "a token is for one host.", "Write an address with one host: an RDS endpoint.")
        if not user:
            raise _failed(context, "a token is for one user.", "Write aws-rds-iam:USER, or the user into the url.")
        client = _client("rds", context, options.pop("region", None) or _region_of_host(host))
        token = _asked(
            lambda: client.generate_db_auth_token(DBHostname=host, Port=int(port), DBUsername=user), user, context
        )
        return Secret(fields={"username": user, "password": token}, lasts=_TOKEN_LASTS)

    def describe(self, reference: str) -> str:
        """A user's name is no secret."""
        return f"{self.scheme}:{reference}"


def _split(reference: str, context: SecretContext) -> tuple[str, dict[str, str], str | None]:
    located, field = split_field(context.expand(reference))
    name, _, query = located.partition("?")
    return name.strip(), dict(parse_qsl(query)), field


def _picked(secret: Secret, field: str | None, name: str, context: SecretContext) -> Secret:
    if field is None:
        return secret
    if field not in secret.fields:
        known = ", ".join(sorted(secret.fields)) or "none: it is no JSON object"
        raise _failed(context, f"{name} has no field {field!r}.", f"It has: {known}.")
    return Secret(secret.fields[field])


def _client(service: str, context: SecretContext, region: str | None) -> Any:
    boto3 = import_extra("boto3", "aws", context.key)
    config = import_extra("botocore.config", "aws", context.key)
    settings = context.settings.aws

    def made() -> Any:
        session = boto3.Session(profile_name=settings.profile, region_name=region or settings.region)
        limits = config.Config(
            connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"mode": "standard", "max_attempts": 3}
        )
        return session.client(service, endpoint_url=settings.endpoint_url, config=limits)

    return _asked(made, service, context)


def _asked(ask: Any, what: str, context: SecretContext) -> Any:
    """Ask, and tell a failure by its kind alone: what AWS says may quote what was sent.

    Raises:
        ConfigurationError: it failed.
    """
    exceptions = import_extra("botocore.exceptions", "aws", context.key)
    try:
        return ask()
    except exceptions.ClientError as error:
        kind = str(error.response.get("Error", {}).get("Code") or type(error).__name__)
    except (exceptions.BotoCoreError, exceptions.HTTPClientError, ValueError, json.JSONDecodeError) as error:
        kind = type(error).__name__
    cure = _ADVICE.get(kind, "`aws sts get-caller-identity` tells whether AWS lets this machine in, and as whom.")
    raise _failed(context, f"{kind} ({what}).", cure)


def _region_of(name: str) -> str | None:
    """The region of an ARN: `arn:aws:secretsmanager:eu-west-1:...`."""
    parts = name.split(":")
    return parts[3] or None if parts[0] == "arn" and len(parts) > 4 else None


def _region_of_host(host: str) -> str | None:
    """The region of an endpoint of RDS: `db.abc.eu-west-1.rds.amazonaws.com`."""
    before, found, _ = host.lower().partition(".rds.amazonaws.com")
    return before.rpartition(".")[2] or None if found else None


def _failed(context: SecretContext, said: str, cure: str) -> ConfigurationError:
    return ConfigurationError(
        f"{context.key} cannot be had from AWS: {said}", effect="No database was reached.", cure=cure
    )
