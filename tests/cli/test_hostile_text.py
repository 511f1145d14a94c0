"""Text of files and databases on its way to a terminal: it is shown, and never obeyed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from erm_alembic.checks.without_target import DowngradeCheck
from erm_alembic.cli import console
from erm_alembic.findings import Finding
from erm_alembic.render.check import check_json, check_text
from tests.support.cli import run_erm

ESCAPE = "\x1b[2J\x1b]0;owned\x07"
NO_CONFIGURATION = {"ERM_ENV": None, "ERM_DATABASE_URL": None}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose only revision steers a terminal by its id, its reason and its file's name."""
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (tmp_path / "migrations" / "env.py").write_text("")
    (versions / f"a{ESCAPE}.py").write_text(
        f"revision = {ESCAPE!r}\ndown_revision = None\ndef upgrade(): op.execute('x')\ndef downgrade(): pass\n"
    )
    return tmp_path


@pytest.mark.parametrize("arguments", [(), ("--format", "json")])
def test_a_check_does_not_hand_on_escapes_of_a_revision(project: Path, arguments: tuple[str, ...]) -> None:
    """A revision's id and its file's name arrive as visible characters, in text and in JSON."""
    done = run_erm("check", "downgrades", *arguments, cwd=project, env=NO_CONFIGURATION)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr and "\x07" not in done.stdout + done.stderr
    assert "\\x1b[2J" in done.stdout or "\\u001b[2J" in done.stdout


def test_the_json_of_a_check_keeps_the_exact_text(project: Path) -> None:
    """Escaped is not altered: a program reads the id as it stands in the file."""
    done = run_erm("check", "downgrades", "--format", "json", cwd=project, env=NO_CONFIGURATION)
    assert json.loads(done.stdout)["findings"][0]["revision"] == ESCAPE


def test_settings_do_not_hand_on_escapes_of_erm_yaml(tmp_path: Path) -> None:
    """A value of erm.yaml with an escape in it is shown by its code."""
    (tmp_path / "erm.yaml").write_text('migrations: {metadata: "a\\e[2J:b"}\n')
    for format_ in ("text", "json"):
        done = run_erm("config", "show", "--format", format_, cwd=tmp_path, env=NO_CONFIGURATION)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert "\\x1b[2J" in done.stdout or "\\u001b[2J" in done.stdout


def test_a_new_project_in_a_folder_with_escapes_in_its_name(tmp_path: Path) -> None:
    """The paths that `erm init` and `erm new` print are made visible too."""
    done = run_erm("init", f"shop{ESCAPE}", cwd=tmp_path, env=NO_CONFIGURATION)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "created shop\\x1b[2J" in done.stdout


def test_a_script_is_exact_in_a_pipe_and_visible_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--sql > FILE` keeps every character; on a terminal the same script cannot move the cursor."""
    script = f"SELECT '{ESCAPE}';\n\tSELECT 2;\n"
    console.write_file(script)
    assert capsys.readouterr().out == script
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    console.write_file(script)
    assert capsys.readouterr().out == "SELECT '\\x1b[2J\\x1b]0;owned\\x07';\n        SELECT 2;\n"


def test_a_finding_cannot_forge_a_line_or_tell_a_secret(secret: str) -> None:
    """A newline in a path stays on its line; further lines of a message are indented; secrets are hidden."""
    from erm_alembic.config.redaction import register_secret

    register_secret(secret)
    finding = Finding("r", "error", f"one\n{secret}", f"two\n{secret}", path="a\nb.py", line=2)
    text = check_text(DowngradeCheck((finding,), 1))
    assert (
        text
        == "a\\nb.py:2: error[r] one\n  ***\n  help: two\n        ***\n1 revision checked, 1 without a down script.\n"
    )
    assert secret not in check_json(DowngradeCheck((finding,), 1))
