"""`credentials` in erm.yaml: which login belongs to which address, and what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from erm_alembic.config.document import InvalidConfiguration
from erm_alembic.config.loader import check_file, load_settings
from erm_alembic.config.schema import shipped_schema
from erm_alembic.config.settings import Settings
from erm_alembic.errors import ConfigurationError
from tests.support.cli import run_erm

BOTH = """\
database:
  url: postgresql://base/app
  credentials: file:base.json
  environments:
    dev: {}
    roles: {credentials: "file:roles.json"}
    own: {url: postgresql://own/app}
    prod: {url: postgresql://prod/app, credentials: "file:prod.json"}
"""


def settings(folder: Path, text: str, env: str = "dev", **environ: str) -> Settings:
    """What is in force for a file."""
    (folder / "erm.yaml").write_text(text)
    return load_settings(env, cwd=folder, environ=environ)


def login_file(folder: Path, name: str, user: str, password: str) -> None:
    (folder / f"{name}.json").write_text(json.dumps({"username": user, "password": password}))


@pytest.mark.parametrize(
    ("env", "environ", "expected"),
    [
        ("dev", {}, "file:base.json"),
        ("roles", {}, "file:roles.json"),
        ("own", {}, None),
        ("prod", {}, "file:prod.json"),
        ("prod", {"ERM_DATABASE_URL": "postgresql://other/app"}, None),
        ("prod", {"ERM_DATABASE_CREDENTIALS": "file:mine.json"}, "file:mine.json"),
        ("own", {"ERM_DATABASE_URL": "postgresql://x/a", "ERM_DATABASE_CREDENTIALS": "file:a"}, "file:a"),
    ],
)
def test_a_login_belongs_to_the_address_beside_it(
    tmp_path: Path, env: str, environ: dict[str, str], expected: str | None
) -> None:
    """Never to an address that stands elsewhere: no password is sent to a server that it was not meant for."""
    url = settings(tmp_path, BOTH, env, **environ).url
    assert url is not None
    assert (url.login.shown if url.login is not None else None) == expected


def test_user_and_password_are_put_into_the_address_when_it_is_used(tmp_path: Path, secret: str) -> None:
    """A JSON object has both; until then the address holds neither."""
    login_file(tmp_path, "base", "ann", secret)
    url = settings(tmp_path, BOTH).url
    assert url is not None
    address = url.database_url()
    assert (address.redacted, "user" in address.parameters) == ("postgresql://base/app", False)
    assert address.opened().redacted == "postgresql://ann:***@base/app"
    assert (address.dsn() == f"postgresql://ann:{secret}@base/app") is True
    assert secret not in repr(url) + repr(address) + repr(address.logins) + str(address)


def test_a_reference_may_hold_the_password_alone(tmp_path: Path, secret: str) -> None:
    """The user stands in the address then; a file of container platforms, or variables alone."""
    (tmp_path / "pw").write_text(f"{secret}\n")
    text = "database: {url: 'postgresql://ann@db/app', credentials: '%s'}\n"
    for reference, environ in (("file:pw", {}), ("${PW}", {"PW": secret})):
        url = settings(tmp_path, text % reference, **environ).url
        assert url is not None
        assert (url.database_url().dsn() == f"postgresql://ann:{secret}@db/app") is True


def test_setting_the_password_ends_the_asking(tmp_path: Path, secret: str) -> None:
    """Whoever takes it away to show an address gets one without any."""
    login_file(tmp_path, "base", "ann", secret)
    url = settings(tmp_path, BOTH).url
    assert url is not None
    shown = url.database_url().with_parameters(password="", sslpassword="")
    assert (shown.logins, shown.dsn()) == (None, "postgresql://base/app")
    assert url.database_url().with_parameters(dbname="other").opened().database == "other"


def test_a_password_in_two_places_is_an_error(tmp_path: Path, secret: str) -> None:
    """It names both, and shows neither."""
    login_file(tmp_path, "base", "ann", secret)
    text = "database: {url: 'postgresql://ann:${PW}@db/app', credentials: 'file:base.json'}\n"
    url = settings(tmp_path, text, PW=secret).url
    assert url is not None
    with pytest.raises(ConfigurationError) as caught:
        url.database_url()
    assert caught.value.what == (
        "database.url (erm.yaml:1) has a password, and database.credentials (erm.yaml:1) names another one."
    )


def test_a_replica_shares_the_login_of_its_primary_unless_it_has_a_user(tmp_path: Path, secret: str) -> None:
    """A standby has the same roles. One with credentials or a user of its own keeps these."""
    login_file(tmp_path, "base", "ann", secret)
    login_file(tmp_path, "east", "eve", secret)
    text = (
        "database:\n  url: postgresql://base/app\n  credentials: file:base.json\n  replicas:\n"
        "    - {name: shared, url: postgresql://r1/app}\n"
        "    - {name: named, url: postgresql://bob@r2/app}\n"
        "    - {name: own, url: postgresql://r3/app, credentials: 'file:east.json'}\n"
    )
    found = settings(tmp_path, text).replicas
    users = [replica.url.database_url().opened().parameters.get("user") for replica in found]
    assert users == ["ann", "bob", "eve"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "database: {url: 'postgresql://db/a', credentials: hunter2}",
            "line 1: database.credentials: a reference is expected here, as vault:database/creds/app or file:PATH: "
            "no user and no password",
        ),
        (
            "secrets: {vault: {auth: {secret_id: hunter2}}}",
            "line 1: secrets.vault.auth.secret_id: ${VARIABLE}, file:PATH, cmd:COMMAND or keyring:SERVICE/USER is "
            "expected here, not the secret",
        ),
        (
            "secrets: {vault: {auth: {method: approal}}}",
            "line 1: secrets.vault.auth.method: one of 'token', 'approle', 'kubernetes', 'jwt', 'userpass', 'ldap' or "
            "'cert' is expected here",
        ),
        (
            "secrets: {providers: {vault: 'a:B'}}",
            "line 1: secrets.providers: 'vault' cannot be a scheme of your own: a word in lower case that is not taken "
            "yet",
        ),
        ("secrets: {providers: {mine: nothing}}", "line 1: secrets.providers: module:attribute is expected for mine"),
        ("secrets: {vualt: {}}", "line 1: secrets.vualt: unknown key; did you mean vault?"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_without_the_secret(tmp_path: Path, text: str, says: str) -> None:
    """All of it by `erm config check`, before anything is opened."""
    (tmp_path / "erm.yaml").write_text(text)
    with pytest.raises(InvalidConfiguration) as caught:
        check_file(cwd=tmp_path, environ={})
    assert says in caught.value.what
    assert "hunter2" not in caught.value.what


def test_what_is_valid_is_so_for_the_editor_too(tmp_path: Path) -> None:
    """The JSON Schema knows every key of `secrets` and `credentials`."""
    import jsonschema

    text = (
        "database: {url: 'postgresql://db/a', credentials: 'vault:database/creds/a'}\n"
        "secrets:\n"
        "  vault: {address: 'https://v:8200', namespace: t, ca_file: ca.pem, timeout: 5s,\n"
        "    auth: {method: approle, mount: m, role_id: r, secret_id: '${S}', token_file: t, jwt_file: j}}\n"
        "  aws: {region: eu-west-1, profile: p, endpoint_url: 'http://127.0.0.1:1'}\n"
        "  providers: {doppler: 'tools.secrets:Doppler'}\n"
    )
    jsonschema.validate(yaml.safe_load(text), json.loads(shipped_schema()))
    (tmp_path / "erm.yaml").write_text(text)
    assert check_file(cwd=tmp_path, environ={}) is not None


def test_config_show_says_where_a_login_is_kept_and_fetches_nothing(tmp_path: Path) -> None:
    """The reference with its line; a Vault that is not there is not asked."""
    (tmp_path / "erm.yaml").write_text(
        "database:\n  url: postgresql://db/app\n  credentials: vault:database/creds/migrator\n"
        "secrets:\n  vault:\n    address: http://127.0.0.1:9\n    auth: {secret_id: 'cmd:get-it --token=hunter2'}\n"
    )
    done = run_erm("config", "show", "--env", "dev", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith(("data", "secr"))}
    assert rows["database.credentials"] == ["vault:database/creds/migrator", "erm.yaml:3"]
    assert rows["secrets.vault.auth.secret_id"] == ["cmd:get-it", "***", "erm.yaml:7"]
    assert "hunter2" not in done.stdout + done.stderr
