"""Vault and OpenBao: what a reference reads, how one gets in, and what is said when that fails."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from erm_alembic.config.loader import load_settings
from erm_alembic.config.secrets import SecretContext
from erm_alembic.config.secrets.protocol import Secret
from erm_alembic.config.secrets.settings import SecretsSettings, VaultAuthSettings, VaultSettings
from erm_alembic.config.secrets.vault import VaultProvider
from erm_alembic.config.settings import SealedUrl
from erm_alembic.errors import ConfigurationError
from tests.support.vault import Bao, bao_server, free_port

READS_KV = 'path "kv/data/*" { capabilities = ["read"] }\n'


def context(bao: Bao, folder: Path, auth: VaultAuthSettings | None = None, **environ: str) -> SecretContext:
    """The place of a reference, with or without the root token."""
    known = {**bao.environ, **environ} if auth is None else {"VAULT_ADDR": bao.address, **environ}
    settings = SecretsSettings(VaultSettings(auth=auth or VaultAuthSettings()))
    return SecretContext("database.url", folder, {k: v for k, v in known.items() if v}, settings=settings)


def fetched(bao: Bao, folder: Path, reference: str, scheme: str = "vault", **environ: str) -> Secret:
    """What a provider of the test's own gives: no token is known yet."""
    return VaultProvider(scheme).fetch(reference, context(bao, folder, **environ))


def refusal(bao: Bao, folder: Path, reference: str, **environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        fetched(bao, folder, reference, **environ)
    return caught.value


@pytest.mark.parametrize("path", ["kv/team/app", "kv/data/team/app", "plain/team/app"])
def test_a_path_is_what_people_type_or_what_the_api_takes(bao: Bao, tmp_path: Path, secret: str, path: str) -> None:
    """`data/` of a versioned engine may be left out; a plain engine has none."""
    values = {"url": f"postgresql://app:{secret}@db/app", "note": "x"}
    bao.ask("post", "kv/data/team/app", data=values)
    bao.ask("post", "plain/team/app", **values)
    assert (fetched(bao, tmp_path, f"{path}#url").text == values["url"]) is True
    assert (dict(fetched(bao, tmp_path, path).fields) == values) is True


def test_an_older_version_can_be_asked_for(bao: Bao, tmp_path: Path) -> None:
    """Of an engine that keeps them."""
    for word in ("one", "two"):
        bao.ask("post", "kv/data/versions", data={"word": word})
    assert fetched(bao, tmp_path, "kv/versions?version=1#word").text == "one"
    assert fetched(bao, tmp_path, "kv/versions#word").text == "two"


def test_a_policy_may_permit_just_the_value(bao: Bao, tmp_path: Path, secret: str) -> None:
    """Nothing else is needed, neither with `data/` nor without."""
    bao.ask("post", "kv/data/app", data={"password": secret})
    token = bao.token_for(READS_KV)
    for path in ("kv/app", "kv/data/app"):
        assert (fetched(bao, tmp_path, f"{path}#password", VAULT_TOKEN=token).text == secret) is True


def test_an_address_is_read_from_vault(bao: Bao, tmp_path: Path, secret: str) -> None:
    """As a whole, or from the fields that make one; variables stand in the reference."""
    bao.ask("post", "kv/data/shop/prod", data={"url": f"postgresql://app:{secret}@db/app"})
    bao.ask("post", "kv/data/parts", data={"host": "db", "dbname": "app", "username": "a b", "password": secret})
    (tmp_path / "erm.yaml").write_text(
        "database: {environments: {dev: {url: 'vault:kv/shop/${STAGE}#url'}, prod: {url: 'vault:kv/parts'}}}"
    )
    environ = {**bao.environ, "STAGE": "prod"}
    whole, parts = (load_settings(env, cwd=tmp_path, environ=environ).url for env in ("dev", "prod"))
    assert whole is not None and parts is not None
    assert whole.shown == "vault:kv/shop/${STAGE}#url"
    assert whole.database_url().redacted == "postgresql://app:***@db/app"
    assert (parts.database_url().dsn() == f"postgresql://a%20b:{secret}@db/app") is True


def test_a_variable_may_hold_the_reference(bao: Bao, tmp_path: Path, secret: str) -> None:
    """ERM_DATABASE_URL, as it is used in pipelines."""
    bao.ask("post", "kv/data/ci", data={"url": f"postgresql://app:{secret}@db/app"})
    url = load_settings(cwd=tmp_path, environ={**bao.environ, "ERM_DATABASE_URL": "vault:kv/ci#url"}).url
    assert isinstance(url, SealedUrl)
    assert (url.shown, url.database_url().redacted) == ("vault:kv/ci#url", "postgresql://app:***@db/app")


def test_a_password_that_was_changed_is_read_again(bao: Bao, tmp_path: Path) -> None:
    """When a server refuses the former one; the address is asked for its login each time."""
    (tmp_path / "erm.yaml").write_text("database: {url: 'vault:kv/rotated#url'}")
    bao.ask("post", "kv/data/rotated", data={"url": "postgresql://app:first-one@db/app"})
    sealed = load_settings(cwd=tmp_path, environ=bao.environ).url
    assert sealed is not None
    url = sealed.database_url()
    opened, credential = url.with_credential()
    bao.ask("post", "kv/data/rotated", data={"url": "postgresql://app:second-one@db/app"})
    assert url.opened().parameters["password"] == opened.parameters["password"] == "first-one"
    assert url.logins is not None and credential is not None
    credential.issued_at -= 60  # what was read just now is not read again
    assert url.logins.after_refusal(url.parameters, credential) is not None
    assert url.opened().parameters["password"] == "second-one"


def test_openbaos_own_variables_win_for_its_own_scheme(bao: Bao, tmp_path: Path) -> None:
    """And Vault's for `vault:`, as the vendors' tools have it."""
    bao.ask("post", "kv/data/app", data={"word": "found-by-erm"})
    right = {"BAO_ADDR": bao.address, "BAO_TOKEN": bao.token}
    wrong = {"VAULT_ADDR": f"http://127.0.0.1:{free_port()}", "VAULT_TOKEN": ""}
    assert fetched(bao, tmp_path, "kv/app#word", "bao", **right, **wrong).text == "found-by-erm"
    nothing = {"VAULT_ADDR": "", "VAULT_TOKEN": ""}
    assert fetched(bao, tmp_path, "kv/app#word", "vault", **right, **nothing).text == "found-by-erm"


def test_erm_yaml_wins_over_the_environment(bao: Bao, tmp_path: Path) -> None:
    """A shell that was set up for another Vault does not lead a deployment there."""
    bao.ask("post", "kv/data/app", data={"word": "found-by-erm"})
    (tmp_path / "token").write_text(f"{bao.token}\n")
    (tmp_path / "erm.yaml").write_text(
        "database: {url: 'vault:kv/app#word'}\n"
        f"secrets: {{vault: {{address: '{bao.address}', auth: {{token_file: token}}}}}}\n"
    )
    environ = {"VAULT_ADDR": f"http://127.0.0.1:{free_port()}", "VAULT_TOKEN": "another"}
    url = load_settings(cwd=tmp_path, environ=environ).url
    assert url is not None and url.reveal() == "found-by-erm"


def test_a_token_is_found_where_the_vendors_tool_leaves_it(bao: Bao, tmp_path: Path) -> None:
    """In ~/.vault-token, after `vault login`."""
    bao.ask("post", "kv/data/app", data={"word": "found-by-erm"})
    (tmp_path / ".vault-token").write_text(bao.token)
    assert fetched(bao, tmp_path, "kv/app#word", VAULT_TOKEN="", HOME=str(tmp_path)).text == "found-by-erm"


def test_a_namespace_holds_for_every_path(bao: Bao, tmp_path: Path) -> None:
    """Of the environment or of erm.yaml."""
    bao.ask("post", "sys/namespaces/team")
    bao.ask("post", "team/sys/mounts/kv", type="kv", options={"version": "2"})
    bao.ask("post", "team/kv/data/app", data={"word": "there"})
    assert fetched(bao, tmp_path, "kv/app#word", VAULT_NAMESPACE="team").text == "there"


def test_an_approle_gets_in_and_leaves_no_token_behind(bao: Bao, tmp_path: Path) -> None:
    """The secret id is read from elsewhere; the token of the login is revoked at the end of the process."""
    bao.ask("post", "kv/data/app", data={"word": "found-by-erm"})
    auth = login(bao, "approle")
    bao.ask("put", "sys/policies/acl/reads", policy=READS_KV)
    bao.ask("post", f"auth/{auth}/role/r", token_policies=["reads"])
    role_id = bao.ask("get", f"auth/{auth}/role/r/role-id")["data"]["role_id"]
    secret_id = bao.ask("post", f"auth/{auth}/role/r/secret-id")["data"]["secret_id"]
    (tmp_path / "secret-id").write_text(f"{secret_id}\n")
    settings = VaultAuthSettings("approle", auth, role_id=role_id, secret_id="file:secret-id")
    before = tokens(bao)
    provider = VaultProvider()
    assert provider.fetch("kv/app#word", context(bao, tmp_path, settings)).text == "found-by-erm"
    assert tokens(bao) == before + 1
    provider.close()
    assert tokens(bao) == before
    # The same by the environment alone, as pipelines have it.
    known = {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id, "VAULT_AUTH_MOUNT": auth, "VAULT_TOKEN": ""}
    assert fetched(bao, tmp_path, "kv/app#word", **known).text == "found-by-erm"


def test_a_user_gets_in_with_a_password(bao: Bao, tmp_path: Path, secret: str) -> None:
    """Which is a variable, or kept elsewhere."""
    bao.ask("post", "kv/data/app", data={"word": "found-by-erm"})
    mount = login(bao, "userpass")
    bao.ask("put", "sys/policies/acl/reads", policy=READS_KV)
    bao.ask("post", f"auth/{mount}/users/ann", password=secret, token_policies=["reads"])
    settings = VaultAuthSettings("userpass", mount, username="ann", password="${PW}")
    found = VaultProvider().fetch("kv/app#word", context(bao, tmp_path, settings, PW=secret))
    assert found.text == "found-by-erm"


def test_a_pod_gets_in_with_its_service_account(bao: Bao, tmp_path: Path, cluster_api: str) -> None:
    """The JWT is read at each login from where Kubernetes mounts it, or from where erm.yaml says."""
    bao.ask("post", "kv/data/app", data={"word": "found-by-erm"})
    mount = login(bao, "kubernetes")
    bao.ask("put", "sys/policies/acl/reads", policy=READS_KV)
    bao.ask("post", f"auth/{mount}/config", kubernetes_host=cluster_api, kubernetes_ca_cert=authority())
    bound = {"bound_service_account_names": ["migrator"], "bound_service_account_namespaces": ["shop"]}
    bao.ask("post", f"auth/{mount}/role/erm", token_policies=["reads"], **bound)
    (tmp_path / "jwt").write_text(service_account_token())
    settings = VaultAuthSettings("kubernetes", mount, role="erm", jwt_file=tmp_path / "jwt")
    assert VaultProvider().fetch("kv/app#word", context(bao, tmp_path, settings)).text == "found-by-erm"
    gone = VaultAuthSettings("kubernetes", mount, role="erm", jwt_file=tmp_path / "gone")
    with pytest.raises(ConfigurationError, match=r"there is no JWT to log in there with in .*gone\."):
        VaultProvider().fetch("kv/app#word", context(bao, tmp_path, gone))


def test_a_token_that_was_revoked_is_replaced_by_another_login(bao: Bao, tmp_path: Path, secret: str) -> None:
    """In the middle of a process; a token of the environment's own has no other."""
    bao.ask("post", "kv/data/app", data={"word": "found-by-erm"})
    mount = login(bao, "userpass")
    bao.ask("put", "sys/policies/acl/reads", policy=READS_KV)
    bao.ask("post", f"auth/{mount}/users/ann", password=secret, token_policies=["reads"])
    place = context(bao, tmp_path, VaultAuthSettings("userpass", mount, username="ann", password="${PW}"), PW=secret)
    provider = VaultProvider()
    provider.fetch("kv/app", place)
    bao.ask("put", f"sys/leases/revoke-prefix/auth/{mount}")
    assert provider.fetch("kv/app#word", place).text == "found-by-erm"
    token = bao.token_for(READS_KV)
    (tmp_path / "token").write_text(token)
    again = context(bao, tmp_path, VaultAuthSettings(token_file=tmp_path / "token"))
    provider.fetch("kv/app", again)
    bao.ask("post", "auth/token/revoke", token=token)
    (tmp_path / "token").write_text(bao.token_for(READS_KV))
    assert provider.fetch("kv/app#word", again).text == "found-by-erm", "the file has another one"


def test_a_static_role_has_a_password_until_it_is_rotated(engine: Any, tmp_path: Path) -> None:
    """Its time is until then; its sessions go on."""
    engine.server.execute(f'CREATE ROLE "static-{engine.database}" LOGIN')
    engine.server.execute(f'GRANT "static-{engine.database}" TO vault WITH ADMIN OPTION')
    path = f"{engine.mount}/static-roles/s"
    body = {"db_name": "pg", "username": f"static-{engine.database}", "rotation_period": "1h"}
    engine.bao.ask("post", path, **body)
    found = fetched(engine.bao, tmp_path, f"{engine.mount}/static-creds/s")
    assert (found.fields["username"], found.ends_sessions) == (f"static-{engine.database}", False)
    assert found.lasts is not None and 3_500 < found.lasts.total_seconds() <= 3_600


def test_a_lease_is_no_longer_than_the_token_that_it_hangs_on(engine: Any, tmp_path: Path) -> None:
    """Vault drops the role together with the token."""
    path = engine.role("short", "1h", "2h")
    token = engine.bao.token_for(f'path "{engine.mount}/creds/*" {{ capabilities = ["read"] }}', ttl="100s")
    found = fetched(engine.bao, tmp_path, path, VAULT_TOKEN=token)
    assert found.lasts is not None and 90 < found.lasts.total_seconds() <= 100


def test_a_renewal_prolongs_the_token_too(engine: Any, tmp_path: Path) -> None:
    """So that the lease lasts as long as it may."""
    path = engine.role("long", "50s", "2h")
    policy = f'path "{engine.mount}/creds/*" {{ capabilities = ["read"] }}'
    token = engine.bao.token_for(policy, ttl="60s", period="60s")
    provider, place = VaultProvider(), context(engine.bao, tmp_path, VAULT_TOKEN=token)
    first = provider.fetch(path, place)
    renewed = provider.renew(first, place)
    assert renewed is not None and renewed.lasts is not None and renewed.renewable
    assert 45 < renewed.lasts.total_seconds() <= 50
    engine.bao.ask("put", f"sys/leases/revoke-prefix/{engine.mount}")
    assert provider.renew(renewed, place) is None, "what is gone cannot be prolonged"


def test_what_was_lent_is_given_back(engine: Any, tmp_path: Path) -> None:
    """At the end of the process: the role does not live on for an hour."""
    path = engine.role("lent", "1h", "2h")
    provider = VaultProvider()
    found = provider.fetch(path, context(engine.bao, tmp_path))
    roles = "SELECT count(*) FROM pg_roles WHERE rolname = %s"
    assert engine.server.execute(roles, found.fields["username"]) == [(1,)]
    provider.close()
    assert engine.server.execute(roles, found.fields["username"]) == [(0,)]


def test_what_is_wrong_is_told_in_words(bao: Bao, tmp_path: Path, secret: str) -> None:
    """The path and what to type; never what Vault said, nor the token."""
    bao.ask("post", "kv/data/app", data={"url": secret})
    missing = refusal(bao, tmp_path, "kv/nothing")
    assert missing.what == "database.url cannot be had from Vault: there is nothing there (kv/nothing)."
    assert missing.cure == "Check the path: `vault read kv/nothing` says the same."
    field = refusal(bao, tmp_path, "kv/app#uri")
    assert field.what == "database.url cannot be had from Vault: there is no field 'uri' at kv/app."
    assert field.cure == "It has: url."
    denied = refusal(bao, tmp_path, "kv/app", VAULT_TOKEN=bao.token_for('path "x/*" { capabilities = ["read"] }'))
    assert denied.what == "database.url cannot be had from Vault: it does not permit that (kv/app)."
    assert "does not permit" in refusal(bao, tmp_path, "kv/app", VAULT_TOKEN="token-of-none").what
    away = refusal(bao, tmp_path, "kv/app", VAULT_ADDR=f"http://127.0.0.1:{free_port()}")
    assert "does not answer (ConnectionError)" in away.what
    assert "VAULT_ADDR" in away.cure and "vault status" in away.cure
    nobody = refusal(bao, tmp_path, "kv/app", VAULT_TOKEN="")
    assert "there is no token to read it with" in nobody.what and "vault login" in nobody.cure
    assert "names no path" in refusal(bao, tmp_path, "#url").what
    method = refusal(bao, tmp_path, "kv/app", VAULT_AUTH_METHOD="approal")
    assert "'approal', which is none of token, approle" in method.what


def test_its_certificate_is_verified_by_the_authority_that_is_named() -> None:
    """Without one that signs it nothing is sent."""
    with bao_server(tls=True) as bao:
        bao.ask("post", "secret/data/app", data={"word": "found-by-erm"})
        assert fetched(bao, Path("/"), "secret/app#word").text == "found-by-erm"
        unknown = refusal(bao, Path("/"), "secret/app", VAULT_CACERT="", VAULT_CLIENT_TIMEOUT="2s")
        assert "the certificate of https://127.0.0.1" in unknown.what
        assert "VAULT_CACERT" in unknown.cure
        with pytest.warns(Warning, match="Unverified HTTPS request"):
            assert (
                fetched(bao, Path("/"), "secret/app#word", VAULT_CACERT="", VAULT_SKIP_VERIFY="true").text
                == "found-by-erm"
            )


def test_no_redirect_leads_a_token_to_another_server(tmp_path: Path, secret: str) -> None:
    """What another server answers is not believed, and it hears nothing; a redirect within the server is followed."""
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.headers["Host"], self.headers.get("X-Vault-Token")))
            self.send_response(307)
            within = self.path.startswith("/v1/auth/")
            there = "/v1/elsewhere" if within else f"http://localhost:{server.server_port}{self.path}"
            self.send_header("Location", there)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        environ = {"VAULT_ADDR": f"http://127.0.0.1:{server.server_port}", "VAULT_TOKEN": secret}
        with pytest.raises(ConfigurationError) as caught:
            VaultProvider().fetch("kv/app#url", SecretContext("database.url", tmp_path, environ))
        server.shutdown()
        thread.join()
    assert "it leads to another server, http://localhost" in caught.value.what
    assert asked and {host.partition(":")[0] for host, _ in asked} == {"127.0.0.1"}


def test_without_the_extra_the_way_to_it_is_told(bao: Bao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package, and what to type."""
    monkeypatch.setitem(__import__("sys").modules, "hvac", None)
    missing = refusal(bao, tmp_path, "kv/app")
    assert missing.what == "database.url needs the Python package hvac, which is not installed."
    assert missing.cure == 'pip install "erm-alembic[vault]"'


REVIEW = (
    b'{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": {"authenticated": true, "user": '
    b'{"username": "system:serviceaccount:shop:migrator", "uid": "u1", "groups": ["system:serviceaccounts"]}}}'
)


@pytest.fixture
def cluster_api() -> Iterator[str]:
    """What a Kubernetes cluster says of a service account's token: that it is good."""

    class Reviews(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(REVIEW)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Reviews)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def service_account_token() -> str:
    """As Kubernetes gives it: header, claims, and a signature that the stand-in does not verify."""
    account = "kubernetes.io/serviceaccount"
    claims = {"iss": account, "sub": "system:serviceaccount:shop:migrator", f"{account}/namespace": "shop"}
    claims |= {f"{account}/service-account.name": "migrator", f"{account}/service-account.uid": "u1"}
    parts = [json.dumps(each).encode() for each in ({"alg": "RS256", "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in (*parts, b"signature"))


def authority() -> str:
    """A certificate that signs others, as PEM."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1)).sign(key, SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def login(bao: Bao, method: str) -> str:
    """Mount an auth method at a place of the test's own."""
    mount = f"{method}-{free_port()}"
    bao.ask("post", f"sys/auth/{mount}", type=method)
    return mount


def tokens(bao: Bao) -> int:
    """How many tokens there are."""
    return len(bao.ask("list", "auth/token/accessors")["data"]["keys"])
