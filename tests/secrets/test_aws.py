"""Secrets of AWS, against a server that stands in for it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import SealedUrl, Settings
from erm_alembic.errors import ConfigurationError

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The address of the stand-in."""
    server_module = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys of nobody, and none of this machine."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "a-key-of-nobody",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def client(aws: str, service: str) -> Any:
    import boto3

    return boto3.client(service, endpoint_url=aws, region_name=REGION)


def settings(folder: Path, aws: str, database: str, region: str = REGION) -> Settings:
    """What is in force for an erm.yaml with that `database`."""
    told = f"secrets: {{aws: {{endpoint_url: '{aws}'" + (f", region: {region}" if region else "") + "}}\n"
    (folder / "erm.yaml").write_text(f"database: {{environments: {{dev: {{{database}}}}}}}\n{told}")
    return load_settings(cwd=folder, environ={})


def url_of(folder: Path, aws: str, database: str, region: str = REGION) -> SealedUrl:
    found = settings(folder, aws, database, region).url
    assert found is not None
    return found


def test_a_secret_of_rds_is_an_address(aws: str, tmp_path: Path, secret: str) -> None:
    """The JSON that RDS writes; or a login, for an address that stands in erm.yaml."""
    kept = {
        "engine": "postgres",
        "host": "db.aws",
        "port": 5433,
        "dbname": "shop",
        "username": "app",
        "password": secret,
    }
    made = client(aws, "secretsmanager").create_secret(Name="prod/db", SecretString=json.dumps(kept))
    whole = url_of(tmp_path, aws, "url: 'aws-secretsmanager:prod/db'")
    assert whole.shown == "aws-secretsmanager:prod/db"
    assert whole.database_url().redacted == "postgresql://app:***@db.aws:5433/shop"
    by_arn = url_of(tmp_path, aws, f"url: 'aws-secretsmanager:{made['ARN']}'", region="")
    assert (by_arn.database_url().dsn() == whole.database_url().dsn()) is True, "the ARN names the region"
    login = url_of(tmp_path, aws, "url: postgresql://proxy/shop, credentials: 'aws-secretsmanager:prod/db'")
    assert (login.database_url().dsn() == f"postgresql://app:{secret}@proxy/shop") is True
    field = url_of(
        tmp_path, aws, "url: postgresql://app@proxy/shop, credentials: 'aws-secretsmanager:prod/db#password'"
    )
    assert (field.database_url().dsn() == f"postgresql://app:{secret}@proxy/shop") is True


def test_the_value_before_a_rotation_can_be_asked_for(aws: str, tmp_path: Path) -> None:
    """By its stage."""
    manager = client(aws, "secretsmanager")
    manager.create_secret(Name="rotated", SecretString="postgresql://app@one/shop")
    manager.put_secret_value(SecretId="rotated", SecretString="postgresql://app@two/shop")
    assert url_of(tmp_path, aws, "url: 'aws-secretsmanager:rotated'").database_url().parameters["host"] == "two"
    before = url_of(tmp_path, aws, "url: 'aws-secretsmanager:rotated?version_stage=AWSPREVIOUS'")
    assert before.database_url().parameters["host"] == "one"


def test_a_parameter_is_decrypted(aws: str, tmp_path: Path, secret: str) -> None:
    """A whole address, or a field of JSON."""
    store = client(aws, "ssm")
    store.put_parameter(Name="/prod/url", Type="SecureString", Value=f"postgresql://app:{secret}@db/shop")
    store.put_parameter(Name="/prod/json", Type="SecureString", Value=json.dumps({"pw": secret}))
    whole = url_of(tmp_path, aws, "url: 'aws-ssm:/prod/url'")
    assert (whole.database_url().dsn() == f"postgresql://app:{secret}@db/shop") is True
    field = url_of(tmp_path, aws, "url: postgresql://app@db/shop, credentials: 'aws-ssm:/prod/json#pw'")
    assert (field.database_url().dsn() == f"postgresql://app:{secret}@db/shop") is True


def test_a_token_is_signed_for_the_host_port_and_user_of_the_address(aws: str, tmp_path: Path) -> None:
    """It is good for logins for a quarter of an hour, and ends no session."""
    host = f"shop.abc.{REGION}.rds.amazonaws.com"
    database = f"url: 'postgresql://{host}:5433/shop?sslmode=require', credentials: 'aws-rds-iam:migrator'"
    url = url_of(tmp_path, aws, database, region="").database_url()
    opened, credential = url.with_credential()
    assert credential is not None and credential.lasts is not None
    assert (credential.user, credential.lasts.total_seconds(), credential.secret.ends_sessions) == (
        "migrator",
        900.0,
        False,
    )
    token = urlsplit(f"https://{opened.parameters['password']}")
    signed = {name: values[0] for name, values in parse_qs(token.query).items()}
    assert (token.hostname, token.port) == (host, 5433)
    assert (signed["Action"], signed["DBUser"]) == ("connect", "migrator")
    assert f"/{REGION}/rds-db/aws4_request" in signed["X-Amz-Credential"]
    replica = url.with_parameters(host=f"replica.abc.{REGION}.rds.amazonaws.com")
    assert replica.opened().parameters["password"].startswith("replica.abc."), "each host has a token of its own"


def test_the_user_of_a_token_may_stand_in_the_address(aws: str, tmp_path: Path) -> None:
    """An address without one, or with several hosts, is refused in words."""
    url = url_of(tmp_path, aws, "url: postgresql://ann@db/shop, credentials: 'aws-rds-iam:'")
    credential = url.database_url().with_credential()[1]
    assert credential is not None and credential.user == "ann"
    for database, says in (
        ("url: postgresql://db/shop, credentials: 'aws-rds-iam:'", "a token is for one user."),
        ("url: 'postgresql://ann@a,b/shop', credentials: 'aws-rds-iam:'", "a token is for one host."),
    ):
        with pytest.raises(ConfigurationError, match=says):
            url_of(tmp_path, aws, database).database_url().dsn()


@pytest.mark.parametrize(
    ("reference", "region", "says", "cure"),
    [
        ("aws-secretsmanager:none", REGION, "ResourceNotFoundException (none).", "Check its name, the region"),
        ("aws-ssm:/none", REGION, "ParameterNotFound (/none).", "Check its name, the region"),
        ("aws-ssm:/none", "", "NoRegionError (ssm).", "Set secrets.aws.region in erm.yaml"),
    ],
)
def test_what_fails_is_told_by_its_kind(
    aws: str, tmp_path: Path, reference: str, region: str, says: str, cure: str
) -> None:
    """Not in the words of AWS, which may quote what was sent."""
    with pytest.raises(ConfigurationError) as caught:
        url_of(tmp_path, aws, f"url: '{reference}'", region).reveal()
    assert caught.value.what == f"database.environments.dev.url cannot be had from AWS: {says}"
    assert caught.value.cure.startswith(cure)


def test_without_keys_the_ways_to_log_in_are_told(aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And without the package, what to install."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ConfigurationError) as caught:
        url_of(tmp_path, aws, "url: 'aws-ssm:/prod/url'").reveal()
    assert caught.value.what.endswith("NoCredentialsError (/prod/url).")
    assert caught.value.cure.startswith("Log in to AWS (`aws configure`, `aws sso login`)")
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    with pytest.raises(ConfigurationError) as missing:
        url_of(tmp_path, aws, "url: 'aws-ssm:/prod/url'").reveal()
    assert missing.value.cure == 'pip install "erm-alembic[aws]"'
