"""Signatures of plans: who may approve them stands in erm.yaml."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from erm_alembic.approvals import keep_plan, open_approved, refuse_unsigned, sign_plan
from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import SafetySettings, Settings
from erm_alembic.errors import ConfigurationError, Refused
from tests.approval.conftest import document, forge
from tests.approval.test_files import PLAN
from tests.faults.deploying import Project, tables, told
from tests.support.databases import Database

pytest.importorskip("cryptography", reason="signatures need the extra `sign`")


def openssl(*args: str | Path) -> None:
    """Run openssl as the documentation does."""
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with two pairs of keys: `ci` and `other`."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for name in ("ci", "other"):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pem").write_bytes(private)
        (tmp_path / f"{name}.pub").write_bytes(public)
    return tmp_path


def settings(folder: Path, *names: str) -> Settings:
    """Settings in which these keys may sign, the first one as a file and the others as text."""
    texts = [f"file:{names[0]}", *((folder / name).read_text() for name in names[1:])]
    return Settings("prod", folder, safety=SafetySettings(plan_keys=tuple(texts)))


def test_a_plan_that_was_signed_is_accepted(keys: Path) -> None:
    """A key of erm.yaml verifies it, as a file or as text, and its short name goes to the ledger."""
    keep_plan(PLAN, keys / "plan.json", sign_key=str(keys / "ci.pem"))
    approved = open_approved(keys / "plan.json", "upgrade")
    short = document(keys / "plan.json")["approval"]["signature"]["key"]
    assert refuse_unsigned(settings(keys, "ci.pub"), approved) == short
    assert refuse_unsigned(settings(keys, "other.pub", "ci.pub"), approved) == short
    assert refuse_unsigned(Settings("prod", keys), approved) is None


def test_what_was_not_signed_by_such_a_key_is_refused(keys: Path) -> None:
    """No signature, one of another key, one of another plan, and one that is none."""
    path = keys / "plan.json"
    keep_plan(PLAN, path)
    with pytest.raises(Refused, match="is not signed, and safety"):
        refuse_unsigned(settings(keys, "ci.pub"), open_approved(path, "upgrade"))
    keep_plan(PLAN, path, sign_key=str(keys / "other.pem"))
    with pytest.raises(Refused, match="is not signed by a key"):
        refuse_unsigned(settings(keys, "ci.pub"), open_approved(path, "upgrade"))
    keep_plan(PLAN, path, sign_key=str(keys / "ci.pem"))
    whole = path.read_text()
    for change in (
        lambda found: found["pending"][0].update(message="another"),
        lambda found: found["approval"]["signature"].update(value="AAAA"),
        lambda found: found["approval"]["signature"].update(value="not base64!"),
        lambda found: found["approval"].update(signature=["x"]),
        lambda found: found["approval"].update(signature={"key": 5}),
    ):
        path.write_text(whole)
        forge(path, change)
        with pytest.raises(Refused):
            refuse_unsigned(settings(keys, "ci.pub"), open_approved(path, "upgrade"))


def test_where_the_private_key_comes_from(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path, a reference to a file, a variable that holds it, and a command that prints it."""
    monkeypatch.chdir(keys)
    monkeypatch.setenv("PLAN_KEY", (keys / "ci.pem").read_text())
    monkeypatch.setenv("WHERE", "ci.pem")
    for reference in ("ci.pem", "file:ci.pem", "${PLAN_KEY}", "${WHERE}", "cmd:cat ci.pem"):
        keep_plan(PLAN, keys / "plan.json", sign_key=reference)
        assert refuse_unsigned(settings(keys, "ci.pub"), open_approved(keys / "plan.json", "upgrade"))


def test_what_is_no_private_key(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong key is a configuration error that says what to do, and shows nothing of it."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    monkeypatch.chdir(keys)
    locked = form.BestAvailableEncryption(b"a passphrase")
    other = ec.generate_private_key(ec.SECP256R1())
    pem, pkcs8 = form.Encoding.PEM, form.PrivateFormat.PKCS8
    (keys / "locked").write_bytes(Ed25519PrivateKey.generate().private_bytes(pem, pkcs8, locked))
    (keys / "ec").write_bytes(other.private_bytes(pem, pkcs8, form.NoEncryption()))
    (keys / "large").write_bytes(b"x" * 70_000)
    (keys / "der").write_bytes(b"\x30\xff\x00")
    for reference, said in (
        ("locked", "is protected by a passphrase"),
        ("ec", "is no Ed25519 key"),
        ("ci.pub", "is no private key in PEM"),
        ("large", "it is too large for a key"),
        ("der", "it is not PEM text"),
        ("missing", "no such file or directory"),
        ("${UNSET}", "cannot be read"),
        ("cmd:false", "failed with exit code 1"),
    ):
        with pytest.raises(ConfigurationError) as error:
            keep_plan(PLAN, keys / "plan.json", sign_key=reference)
        assert said in error.value.what
        assert not (keys / "plan.json").exists()


def test_the_public_keys_of_erm_yaml(keys: Path) -> None:
    """A private key where the public one belongs, or a missing file, is told with its place."""
    (keys / "erm.yaml").write_text("database: {url: 'postgresql:///x'}\nsafety: {plan_keys: ['file:nowhere']}\n")
    keep_plan(PLAN, keys / "plan.json")
    approved = open_approved(keys / "plan.json", "upgrade")
    with pytest.raises(ConfigurationError, match=r"safety.plan_keys\[0\]: .*nowhere cannot be read"):
        refuse_unsigned(load_settings(None, keys / "erm.yaml", environ={}), approved)
    text = (keys / "ci.pem").read_text().replace("\n", "\n      ")
    (keys / "erm.yaml").write_text(f"safety:\n  plan_keys:\n    - |\n      {text}")
    with pytest.raises(ConfigurationError) as error:
        load_settings(None, keys / "erm.yaml", environ={})
    assert "this is a private key, which must not stand here" in error.value.what
    assert text.split()[4] not in error.value.what


def test_from_the_keys_of_openssl_to_the_ledger(project: Project, one_database: Database, tmp_path: Path) -> None:
    """The two commands of the documentation make keys; a signed plan runs, an unsigned one does not."""
    private, public = tmp_path / "plan-key.pem", tmp_path / "plan-key.pub"
    try:
        openssl("genpkey", "-algorithm", "ed25519", "-out", private)
        openssl("pkey", "-in", private, "-pubout", "-out", public)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("there is no openssl that knows Ed25519")
    project.config(f"safety: {{require_plan: true, plan_keys: ['file:{public}']}}")
    assert project.apply("--mode", "plan", "--out", "plan.json").returncode == 0
    refused = project.apply("--plan", "plan.json")
    assert (refused.returncode, "plan.json is not signed" in refused.stderr) == (1, True)
    kept = project.apply("--mode", "plan", "--out", "plan.json", "--sign-key", private)
    assert (kept.returncode, "kept in plan.json, signed: digest" in kept.stderr) == (0, True), kept.stderr
    assert project.apply("--plan", "plan.json").returncode == 0
    assert tables(one_database) == {"first", "second", "alembic_version"}
    signature = document(project.root / "plan.json")["approval"]["signature"]
    assert project.history()[-1]["approved"]["signed_by"] == signature["key"]


def test_a_plan_is_signed_afterwards(keys: Path) -> None:
    """Whoever has the key signs the kept file, again with another key, and never another plan than the one meant."""
    path = keys / "plan.json"
    digest = keep_plan(PLAN, path)
    with pytest.raises(Refused, match=r"which does not begin with '0{12}'\.$"):
        sign_plan(path, str(keys / "ci.pem"), digest="0" * 12)
    with pytest.raises(Refused, match="does not begin with"):
        sign_plan(path, str(keys / "ci.pem"), digest=digest[:4])
    assert sign_plan(path, str(keys / "other.pem"), digest=digest[:12].upper()).digest == digest
    signed = sign_plan(path, str(keys / "ci.pem"))
    assert refuse_unsigned(settings(keys, "ci.pub"), open_approved(path, "upgrade")) == signed.signature["key"]  # type: ignore[index]
    forge(path, lambda found: found["pending"][0].update(message="another"))
    with pytest.raises(Refused):
        refuse_unsigned(settings(keys, "ci.pub"), open_approved(path, "upgrade"))
    path.write_text(path.read_text().replace('"another"', '"a third"'))
    with pytest.raises(Refused):  # what was changed without its checksum is not signed
        sign_plan(path, str(keys / "ci.pem"))


def test_signing_runs_nothing_of_the_project(keys: Path, project: Project) -> None:
    """`erm sign` shows what it signs, needs no configuration and no database, and runs no env.py."""
    plan = project.root / "plan.json"
    assert project.erm("migrate", "--mode", "plan", "--out", str(plan)).returncode == 0
    project.env_py("raise SystemExit(7)")
    done = project.erm(
        "sign", str(plan), "--sign-key", "${PLAN_KEY}", PLAN_KEY=(keys / "ci.pem").read_text(), ERM_DATABASE_URL=""
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Signed for apply: ")
    assert "    CREATE TABLE first" in done.stdout
    digest = document(plan)["digest"]
    assert f"digest {digest}" in done.stdout.splitlines()
    again = project.erm("sign", str(plan), "--sign-key", str(keys / "ci.pem"), "--format", "json")
    assert json.loads(again.stdout)["digest"] == digest
    code, lines = told(project.erm("sign", str(plan), "--sign-key", str(keys / "ci.pem"), "--digest", "f" * 64))
    assert (code, lines[1]) == (1, "effect: It was not signed.")
    assert told(project.erm("sign", str(keys / "ci.pub"), "--sign-key", str(keys / "ci.pem")))[0] == 2
