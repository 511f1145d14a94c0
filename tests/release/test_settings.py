"""The section `release` of erm.yaml: what is wrong in it is said with its line, and a profile wins key by key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from erm_alembic.config.document import InvalidConfiguration
from erm_alembic.config.loader import check_file, load_settings
from erm_alembic.config.review import Surroundings

PROFILE = "{url: 'postgresql:///x', release: {observe: {for: 1h}, on_failure: rollback}}"
DATABASE = f"database: {{environments: {{prod: {PROFILE}}}}}"


def _problems(tmp_path: Path, release: str) -> list[str]:
    path = tmp_path / "erm.yaml"
    path.write_text(f"release: {release}\n{DATABASE}\n")
    with pytest.raises(InvalidConfiguration) as raised:
        load_settings("prod", path)
    return raised.value.what.splitlines()[1:]


@pytest.mark.parametrize(
    ("release", "problem"),
    [
        ("{stages: {warm: {after: aply, run: x}}}", "there is no stage 'aply'; did you mean apply?"),
        ("{stages: {smoke: {after: apply, run: x}}}", "a stage of erm's own has this name; choose another one"),
        ("{stages: {a: {after: b, run: x}, b: {after: a, run: x}}}", "it comes after itself"),
        ("{stages: {A b: {after: apply, run: x}}}", "a stage is called by small letters, digits and hyphens"),
        ("{stages: {warm: {after: apply}}}", "this key is missing"),
        ('{promote: ["git \'tag"]}', "the command has a quote that is not closed"),
        ("{observe: {for: 30}}", "'30' is not a duration"),
        ("{on_failure: undo}", "one of 'stop' or 'rollback' is expected here"),
        ("{promot: [x]}", "unknown key; did you mean promote?"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, release: str, problem: str) -> None:
    """A mistyped stage would be one that never runs."""
    told = _problems(tmp_path, release)
    assert all(line.startswith("  line 1: release.") for line in told)
    assert problem in told[0]


def test_a_profile_wins_key_by_key(tmp_path: Path) -> None:
    """What it does not say is the base's; a command is left its variables."""
    path = tmp_path / "erm.yaml"
    path.write_text(f"release: {{promote: [[echo, '${{TAG}}']], observe: {{for: 5m}}, timeout: 1m}}\n{DATABASE}\n")
    found = load_settings("prod", path, environ={"TAG": "v1"}).release
    assert (found.observe.duration, found.on_failure) == (timedelta(hours=1), "rollback")
    assert (found.promote, found.timeout) == (("echo '${TAG}'",), timedelta(minutes=1))


def test_a_command_that_is_not_there_is_noticed_before_a_release(tmp_path: Path) -> None:
    """`erm config check` looks for the programs of the project, as it does for hooks."""
    path = tmp_path / "erm.yaml"
    path.write_text(f"release: {{stages: {{warm: {{after: apply, run: ./warm.sh}}}}}}\n{DATABASE}\n")
    with pytest.raises(InvalidConfiguration, match=r"release\.stages\.warm\.run: there is no file .*warm\.sh"):
        check_file(path, around=Surroundings((), (), lambda *_: None))
