"""What was typed stands in every command that an error names."""

from __future__ import annotations

import json

import pytest

from erm_alembic.cli.typed import completed, typed_around
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
        ("`erm history restore REV`", "`erm history --env prod restore REV`"),
        ("`erm status --env dev` shows it. erm drift", "`erm status --env dev` shows it. erm drift --env prod"),
        ("Look again: erm repair b2 --env staging.", "Look again: erm repair b2 --env staging."),
        ("Start one with `erm init`, or `erm dev reset`.", "Start one with `erm init`, or `erm dev reset`."),
        ("Did you mean `--to`? See erm migrate --help", "Did you mean `--to`? See erm migrate --help"),
        ("Run erm where alembic.ini stands.", "Run erm where alembic.ini stands."),
    ],
)
def test_a_cure_names_the_profile_that_was_typed(cure: str, told: str) -> None:
    """Where it does not name one itself, and only for commands that take one."""
    assert completed(cure, {"--env": "prod"}) == told
    assert completed(cure, {}) == cure


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
