"""What was typed stands in every command that an error names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from erm_alembic.cli.main import COMMANDS
from erm_alembic.cli.typed import WITH_PROFILE, completed, typed_around
from erm_alembic.errors import ErmError
from tests.cli.pipeline import FakePipeline, erm, install


@pytest.mark.parametrize(
    ("cure", "told"),
    [
        ("`erm status` shows it.", "`erm status --env prod` shows it."),
        (
            "Keep it with: erm migrate --mode plan --out p.json",
            "Keep it with: erm migrate --env prod --mode plan --out p.json",
        ),
        ("`erm history restore REV`", "`erm history restore --env prod REV`"),
        ("`erm status --env dev` shows it. erm drift", "`erm status --env dev` shows it. erm drift --env prod"),
        ("Look again: erm repair b2 --env staging.", "Look again: erm repair b2 --env staging."),
        ("`erm backup list` shows them.", "`erm backup list --env prod` shows them."),
        ("erm release resume; erm preview list", "erm release resume --env prod; erm preview list --env prod"),
        ("Start one with `erm init`, or `erm dev reset`.", "Start one with `erm init`, or `erm dev reset`."),
        ("Did you mean `--to`? See erm migrate --help", "Did you mean `--to`? See erm migrate --help"),
        ("Run erm where alembic.ini stands.", "Run erm where alembic.ini stands."),
    ],
)
def test_a_cure_names_the_profile_that_was_typed(cure: str, told: str) -> None:
    """Where it does not name one itself, and only for commands that take one."""
    assert completed(cure, {"--env": "prod"}) == told
    assert completed(cure, {}) == cure


def _with_profile(name: str, command: Any) -> Iterator[str]:
    if {"--env", "--config"} <= {flag for option in command.params for flag in option.opts}:
        yield name
    for part, nested in getattr(command, "commands", {}).items():
        yield from _with_profile(f"{name} {part}", nested)


def test_no_command_that_takes_a_profile_is_forgotten() -> None:
    """A cure that is pasted without its profile would act on another database."""
    found = [name for table in COMMANDS for name in _with_profile(table.name, table.load())]
    assert sorted(WITH_PROFILE) == sorted(found)


def test_what_was_typed_is_quoted_for_a_shell() -> None:
    """Both spellings of an option count, and what stands behind `--` does not."""
    typed = typed_around(["--config", "my file.yaml", "status", "--env=prod", "--", "--env", "x"])
    assert completed("erm status", typed) == "erm status --config 'my file.yaml' --env prod"
    assert typed_around(["status", "--env"]) == {}


def test_the_error_of_a_command_is_about_its_profile(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr and in the JSON object alike."""
    install(
        monkeypatch, FakePipeline(raises=ErmError("It is gone.", effect="Nothing was run.", cure="See `erm status`."))
    )
    code, out, err = erm(capsys, "migrate", "--env", "prod", "--format", "json")
    assert (code, json.loads(out)["error"]["cure"]) == (1, "See `erm status --env prod`.")
    assert err.endswith("cure:   See `erm status --env prod`.\n")
