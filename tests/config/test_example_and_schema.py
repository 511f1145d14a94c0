"""What is shipped beside the code agrees with it: the example, the schema, and the commands that show them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from erm_alembic.cli.init import write_project
from erm_alembic.config.durations import format_duration, parse_duration
from erm_alembic.config.loader import load_settings
from erm_alembic.config.schema import generate_schema, shipped_schema
from tests.support.cli import REPOSITORY, run_erm

EXAMPLE = REPOSITORY / "erm.yaml.example"


@pytest.mark.parametrize("env", ["dev", "staging", "prod"])
def test_the_example_loads_as_it_stands(env: str) -> None:
    """Every profile of the example is in force without a problem."""
    settings = load_settings(env, EXAMPLE, environ={})
    assert settings.url is not None
    assert settings.notes == ()


def test_the_example_names_the_schema_that_exists() -> None:
    """The editor's line at the top of the example leads to the schema."""
    first = EXAMPLE.read_text().splitlines()[0]
    assert (REPOSITORY / first.removeprefix("# yaml-language-server: $schema=")).is_file()


def test_the_shipped_schema_is_the_models() -> None:
    """The schema in the package and the one in docs/ are what the model generates now."""
    assert shipped_schema() == generate_schema()
    assert (REPOSITORY / "docs" / "erm.schema.json").read_text(encoding="utf-8") == generate_schema()


@pytest.mark.parametrize("text", ["500ms", "15s", "45m", "1h", "1h30m", "1m500ms"])
def test_durations_are_read_and_written(text: str) -> None:
    """A duration is written again as it was read."""
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize(("text", "seconds"), [("1.5s", 1.5), ("0.5h", 1800.0), ("1m0.25s", 60.25), ("2.5ms", 0.0025)])
def test_a_duration_may_be_a_fraction(text: str, seconds: float) -> None:
    """As people write it."""
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize(
    "text", ["", "15", "m", "1.h", ".5s", "1.5", "1,5s", "1s1h", "-1s", "1d", "9" * 40 + "h", "١s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without unit, half a fraction, a sign, a wrong order or a foreign digit is no duration."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_config_show_hides_secrets_and_names_origins(tmp_path: Path, secret: str) -> None:
    """`erm config show` prints each setting with its origin, and opens no address."""
    (tmp_path / "erm.yaml").write_text(
        f"database:\n  environments:\n    dev: {{url: 'postgresql://app:{secret}@db/shop', pool: {{max_conns: 3}}}}\n"
        f"backup: {{method: command, command: store --key {secret}}}\nshadow: {{url: 'cmd:false --token {secret}'}}\n"
    )
    done = run_erm("config", "show", "--env", "dev", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)["settings"]
    assert shown["database.url"] == {"value": "postgresql://app:***@db/shop", "origin": "erm.yaml:3"}
    assert shown["database.pool.max_conns"] == {"value": 3, "origin": "erm.yaml:3"}
    assert shown["shadow.url"]["value"] == "cmd:false ***"
    assert shown["backup.command"]["value"] == "***"
    text = run_erm("config", "show", "--env", "dev", cwd=tmp_path)
    assert text.returncode == 0
    rows = [line.split() for line in text.stdout.splitlines()]
    assert ["database.pool.max_conns", "3", "erm.yaml:3"] in rows
    assert ["database.pool.max_conn_lifetime", "1h", "default"] in rows


def test_config_check_reports_all_problems_with_exit_2(tmp_path: Path) -> None:
    """`erm config check` says that a file is right, or lists its problems on stderr."""
    (tmp_path / "erm.yaml").write_text("databse: {}\nsafty: {}\n")
    done = run_erm("config", "check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "line 1: databse: unknown key; did you mean database?" in done.stderr
    assert "line 2: safty: unknown key; did you mean safety?" in done.stderr
    (tmp_path / "erm.yaml").write_text("ledger: {schema: ours}\n")
    right = run_erm("config", "check", cwd=tmp_path)
    assert (right.returncode, right.stdout) == (0, f"{tmp_path / 'erm.yaml'} is right.\n")


WRONG_ABOUT_OTHERS = """\
database:
  url: postgresql://app:typed-in@db/shop
  environments:
    dev: {}
    prod: {url: "postgresql://app:typed too@db/shop", replicas: [{name: r, url: "postgresql://a:typed-r@db/s"}]}
    quiet: {safety: {rules: {plaintext-password: off}}}
    stage: {migrations: {alembic_ini: absent.ini}}
migrations: {directory: migrations}
safety:
  downgrades_since: "9999"
  rules:
    data-los: off
    several-heads: off
"""


def test_config_check_tells_what_the_file_misnames(tmp_path: Path) -> None:
    """Unknown rules, files and revisions and typed passwords are told together, each by its line."""
    write_project(tmp_path, "generic")
    (tmp_path / "erm.yaml").write_text(WRONG_ABOUT_OTHERS)
    done = run_erm("config", "check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "typed-in" not in done.stderr
    assert "typed too" not in done.stderr
    typed = "a password is typed into the file for environment"
    for line in (
        f"line 2: database.url: {typed} stage;",
        f"line 5: database.environments.prod.replicas[0].url: {typed} prod;",
        f"line 5: database.environments.prod.url: {typed} prod;",
        "line 7: database.environments.stage.migrations.alembic_ini: there is no file",
        "line 10: safety.downgrades_since: '9999' is not a revision of this project",
        "line 12: safety.rules.data-los: this is not a rule; did you mean data-loss?",
    ):
        assert line in done.stderr
    assert "environment dev" not in done.stderr
    assert "environment quiet" not in done.stderr
    assert "several-heads" not in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "nothing is configured in it"),
        ("# database:\ndatabase:\n", "nothing is configured in it"),
        ("migrations: {directory: elsewhere}\n", "line 1: migrations.directory: there is no env.py in"),
        ("safty: {}\nsafety: {rules: {nope: off}}\n", "line 2: safety.rules.nope: this is not a rule"),
    ],
)
def test_config_check_does_not_praise_a_file_that_does_nothing(tmp_path: Path, text: str, says: str) -> None:
    """An empty file, and one that names a folder that is not there, are not right."""
    (tmp_path / "erm.yaml").write_text(text)
    done = run_erm("config", "check", cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr


def test_config_schema_prints_the_schema(tmp_path: Path) -> None:
    """`erm config schema` prints the shipped schema and nothing else."""
    assert run_erm("config", "schema", cwd=tmp_path).stdout == shipped_schema()
