"""The section `backup`: what is in force in a profile, and what is wrong with it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from erm_alembic.config.backup import BackupSettings
from erm_alembic.config.loader import load_settings
from erm_alembic.errors import ConfigurationError

FILE = """
database:
  url: postgresql:///app
  environments:
    quiet: {backup: {before: never}}
    prod: {backup: {keep: 5, max_age: 1h, directory: "${KEPT}/prod"}}
    tool: {backup: {method: command, command: ["store", "--key", "${KEY}"]}}
backup: {method: pg_dump, tables: at-risk, compress: 6}
"""


def test_a_method_demands_and_a_profile_wins_key_by_key(tmp_path: Path) -> None:
    """A method is the demand, until `before` says otherwise; the ${VAR} of a command is left to it."""
    (tmp_path / "erm.yaml").write_text(FILE)
    found = {
        name: load_settings(name, cwd=tmp_path, environ={"KEPT": "/srv"}).backup
        for name in ("dev", "quiet", "prod", "tool")
    }
    assert found["dev"] == BackupSettings(before="destructive", tables="at-risk", compress="6")
    assert not found["quiet"].demanded and found["quiet"].tables == "at-risk"
    assert (found["prod"].keep, found["prod"].max_age) == (5, timedelta(hours=1))
    assert (found["prod"].directory, found["prod"].before) == (Path("/srv/prod"), "destructive")
    assert (found["tool"].method, found["tool"].command) == ("command", "store --key '${KEY}'")


def test_without_the_section_nothing_is_demanded(tmp_path: Path) -> None:
    """A project that says nothing of backups has none taken; what is not a method does not demand one either."""
    (tmp_path / "erm.yaml").write_text("database: {url: postgresql:///app}\nbackup: {directory: kept}\n")
    found = load_settings(None, cwd=tmp_path, environ={}).backup
    assert (found.demanded, found.method, found.directory) == (False, "pg_dump", tmp_path / "kept")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("{metod: pg_dump}", "method"),
        ("{method: rsync}", "one of 'pg_dump', 'pg_basebackup', 'command' or 'none' is expected here"),
        ("{method: command}", "its command is missing"),
        ("{method: pg_basebackup, tables: at-risk}", "pg_basebackup copies the whole cluster"),
        ("{compress: brotli}", "none, a number from 0 to 9, or gzip, lz4 or zstd"),
        ("{max_age: 15}", "a duration"),
        ("{keep: -1}", "the number must be 0 or more"),
        ("{jobs: 0}", "the number must be 1 or more"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, section: str, words: str) -> None:
    """Each mistake is named at its key."""
    (tmp_path / "erm.yaml").write_text(f"database: {{url: postgresql:///app}}\nbackup: {section}\n")
    with pytest.raises(ConfigurationError, match="backup") as caught:
        load_settings(None, cwd=tmp_path, environ={})
    assert words in str(caught.value)
