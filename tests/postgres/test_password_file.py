"""A password file that others may read is told once, and libpq keeps quiet about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from erm_alembic.postgres.password_file import exposed_password_file, without_exposed_file
from tests.faults.deploying import Project
from tests.support.databases import Database


def test_an_exposed_password_file_is_told_once(tmp_path: Path, database: Database, secret: str) -> None:
    """One line that names the file and the cure, in place of libpq's own at each connection."""
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"h:1:d:u:{secret}\n", encoding="utf-8")
    passwords.chmod(0o644)
    project = Project(tmp_path / "shop", database)
    project.env["PGPASSFILE"] = str(passwords)
    warned = project.erm("history")
    line = f"{passwords} may be read by others, so that no password is taken from it: chmod 600 {passwords}"
    assert (warned.returncode, warned.stderr) == (0, f"{line}\n")
    passwords.chmod(0o600)
    assert str(passwords) not in project.erm("history").stderr


def test_only_what_libpq_ignores_is_kept_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private file is libpq's to read; none is no exposed one."""
    passwords = tmp_path / "pgpass"
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert exposed_password_file() is None
    passwords.touch(mode=0o600)
    assert (exposed_password_file(), without_exposed_file()) == (None, {})
    passwords.chmod(0o640)
    assert exposed_password_file() == passwords
    assert set(without_exposed_file()) == {"passfile"}
