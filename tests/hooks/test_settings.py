"""The `hooks:` section of erm.yaml."""

from __future__ import annotations

import shlex
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from erm_alembic.config.document import InvalidConfiguration
from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import HooksSettings
from erm_alembic.render.settings import settings_text
from tests.support.cli import run_erm


def hooks(folder: Path, text: str, env: str = "dev") -> HooksSettings:
    """The hooks in force for a file."""
    (folder / "erm.yaml").write_text("database: {url: postgresql:///shop}\n" + dedent(text), encoding="utf-8")
    return load_settings(env, cwd=folder, environ={"SET": "replaced"}).hooks


def test_a_command_is_a_text_as_a_shell_splits_it_or_a_list_of_words(tmp_path: Path) -> None:
    """Both forms come out as the same words, spaces and quotes included, and no variable is replaced in either."""
    found = hooks(
        tmp_path,
        """
        hooks:
          before_run: ["./gate.sh --note 'two words' ${SET}", [./gate.sh, --note, two words, "${SET}"]]
        """,
    )
    assert [shlex.split(command) for command in found.before_run] == [
        ["./gate.sh", "--note", "two words", "${SET}"]
    ] * 2
    assert found.timeout == timedelta(seconds=60)


def test_a_profile_replaces_an_event_and_keeps_the_others(tmp_path: Path) -> None:
    """Event by event the profile wins, and an empty list silences what the base has."""
    text = """
      environments:
        prod: {hooks: {before_run: [./prod.sh], on_failure: [], timeout: 5m}}
    hooks: {before_run: [./base.sh], on_failure: [./page.sh], after_run: [./tell.sh]}
    """
    (tmp_path / "erm.yaml").write_text(
        "database:\n  url: postgresql:///shop" + dedent(text).replace("\n  env", "\n  env")
    )
    found = load_settings("prod", cwd=tmp_path, environ={}).hooks
    assert (found.before_run, found.on_failure, found.after_run) == (("./prod.sh",), (), ("./tell.sh",))
    assert found.timeout == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{before_run: ./gate.sh}", "line 2: hooks.before_run: a list is expected here"),
        ('{after_run: ["a \'b"]}', "line 2: hooks.after_run[0]: the command has a quote that is not closed"),
        ("{after_run: [[]]}", "line 2: hooks.after_run[0]: the command is empty"),
        ("{after_run: ['']}", "line 2: hooks.after_run[0]: the command is empty"),
        ("{after_run: [{run: x}]}", "line 2: hooks.after_run[0]: a command is a text, or a list of its words"),
        ('{after_run: ["a\\0b"]}', "line 2: hooks.after_run[0]: the command has a NUL character"),
        ("{before_runs: []}", "line 2: hooks.before_runs: unknown key; did you mean before_run?"),
        ("{timeout: 60}", "line 2: hooks.timeout: '60' is not a duration"),
    ],
)
def test_what_is_wrong_in_the_section_is_said_with_its_line(section: str, said: str, tmp_path: Path) -> None:
    """A command that could not be started as it is typed, a mistyped event and a bare number are found on loading."""
    with pytest.raises(InvalidConfiguration) as caught:
        hooks(tmp_path, f"hooks: {section}\n")
    assert said in caught.value.what


def test_what_is_shown_of_a_command_hides_the_password_of_an_address(tmp_path: Path) -> None:
    """`erm config show` has every command with its line, and masks what stands where a password stands."""
    hooks(tmp_path, "hooks: {after_run: ['curl https://bot:hunter2@chat/deploys']}\n")
    shown = settings_text(load_settings(cwd=tmp_path, environ={}))
    assert "curl https://bot:***@chat/deploys  erm.yaml:2" in " ".join(shown.split()).replace(" erm.yaml", "  erm.yaml")
    assert "hunter2" not in shown


def test_a_script_that_is_not_there_is_found_before_the_deploy(tmp_path: Path) -> None:
    """`erm config check` names hooks whose file is missing or not executable; programs of the system it lets be."""
    (tmp_path / "gate.sh").write_text("#!/bin/sh\n")
    (tmp_path / "fine.sh").write_text("#!/bin/sh\n")
    (tmp_path / "fine.sh").chmod(0o755)
    commands = "[./nowhere.sh, scripts/none.py, ./gate.sh, ./fine.sh --x, somewhere-else, /opt/none]"
    (tmp_path / "erm.yaml").write_text(f"database: {{url: postgresql:///shop}}\nhooks:\n  before_run: {commands}\n")
    done = run_erm("config", "check", cwd=tmp_path)
    assert done.returncode == 2
    found = [line.strip() for line in done.stderr.splitlines() if "hooks." in line]
    assert found == [
        f"line 3: hooks.before_run[0]: there is no file {tmp_path / 'nowhere.sh'}",
        f"line 3: hooks.before_run[1]: there is no file {tmp_path / 'scripts/none.py'}",
        f"line 3: hooks.before_run[2]: {tmp_path / 'gate.sh'} is not executable",
    ]
