"""`erm doctor` on logins: passwords in git, and roles that a secret manager drops."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from erm_alembic.config.loader import load_settings
from erm_alembic.doctor.leaks import Leak, find_leaks, passwords_in_use
from tests.support.cli import run_erm
from tests.support.vault import Engine

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main")


def repository(folder: Path, **files: str) -> None:
    """A work tree that tracks some files."""
    subprocess.run([*GIT, "init", "-q"], cwd=folder, check=True)
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run([*GIT, "add", "-A"], cwd=folder, check=True)


def examined(folder: Path, env: dict[str, str]) -> dict[str, Any]:
    """What the doctor says of prod, as JSON."""
    done = run_erm("doctor", "--env", "prod", "--format", "json", cwd=folder, env=env)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_password_in_use_is_found_in_whatever_file_git_tracks(tmp_path: Path, awkward_secret: str) -> None:
    """As it is or as a URL has it; what git does not track is nobody else's business."""
    app = tmp_path / "app"
    encoded = quote(awkward_secret, safe="")
    repository(
        tmp_path,
        deploy__values=f"a: 1\nurl: postgresql://app:{encoded}@db/shop\n",
        app__erm=f"# one\n# two\n{awkward_secret}\n",
        app__clean="nothing\n",
    )
    (app / "untracked").write_text(awkward_secret)
    (app / "erm.yaml").write_text("database: {url: 'postgresql://app:${PW}@db/shop', replicas: []}\n")
    passwords = passwords_in_use(load_settings(cwd=app, environ={"PW": encoded}))
    found = find_leaks(app, passwords, frozenset())
    assert found == (
        Leak("erm", 3, "the primary"),
        Leak(str(tmp_path / "deploy" / "values"), 2, "the primary"),
    )
    assert find_leaks(app, passwords, frozenset([app / "erm", tmp_path / "deploy" / "values"])) == ()
    assert find_leaks(app, {}, frozenset()) == ()


def test_what_is_no_work_tree_is_not_looked_through(tmp_path: Path) -> None:
    """And an environment whose password is too short to be known again has none to look for."""
    assert find_leaks(tmp_path, {"correct horse": "the primary"}, frozenset()) == ()
    (tmp_path / "erm.yaml").write_text("database: {url: 'postgresql://app:${PW}@db/shop'}\n")
    assert passwords_in_use(load_settings(cwd=tmp_path, environ={"PW": "short"})) == {}
    assert passwords_in_use(load_settings(cwd=tmp_path, environ={})) == {}


def test_a_role_that_is_dropped_wants_an_owner_and_time(engine: Engine, tmp_path: Path) -> None:
    """Both are told with what to write; with an owner and a lease that lasts there is nothing to say."""
    path = engine.role("mig", "60s", "60s")
    yaml = engine.yaml(path).replace("dev:", "prod:")
    (tmp_path / "erm.yaml").write_text(yaml)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "env.py").write_text("")
    found = examined(tmp_path, engine.bao.environ)
    (owner,) = [each for each in found["findings"] if each["check"] == "login-owner"]
    assert owner["level"] == "error"
    assert owner["what"] == "The role that logs in is dropped after a while, and migrations.role names no other one."
    engine.role("mig", "1h", "2h")
    (tmp_path / "erm.yaml").write_text(f"{yaml}migrations: {{role: app_owner}}\n")
    verdicts = {each["check"]: each["verdict"] for each in examined(tmp_path, engine.bao.environ)["checks"]}
    assert [verdicts[check] for check in ("login-owner", "login-lasts", "ledger-rights")] == ["healthy"] * 3
