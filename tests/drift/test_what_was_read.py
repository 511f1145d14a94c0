"""What env.py was read from, by which a verdict is known again: a wrong answer is never the price of speed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.revisions.cache.inputs import Inputs, watched


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file."""
    (tmp_path / "settings.txt").write_text("a", encoding="utf-8")
    return tmp_path


def _read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Inputs | None:
    """What is noted of reading a file and listing a folder, an hour from now."""
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 3600 * 10**9)
    with watched() as watch:
        (folder / "settings.txt").read_text(encoding="utf-8")
        os.listdir(folder)  # noqa: PTH208 - what importing does
    found = watch.inputs()
    monkeypatch.undo()
    return found


def test_what_stays_the_same_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two looks at the same files give the same hash."""
    first, second = _read(folder, monkeypatch), _read(folder, monkeypatch)
    assert first is not None and second is not None
    assert first.are_the_same() and first.digest == second.digest
    assert str(folder / "settings.txt") in first.files


def test_an_edit_that_keeps_size_and_time_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of last change cannot be put back."""
    path = folder / "settings.txt"
    found = _read(folder, monkeypatch)
    before = path.stat()
    path.write_text("b", encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found is not None and not found.are_the_same()


def test_a_new_file_in_a_listed_folder_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that was missing may be there now."""
    found = _read(folder, monkeypatch)
    (folder / "local_settings.py").write_text("", encoding="utf-8")
    assert found is not None and not found.are_the_same()


def test_another_environment_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any variable may be one that env.py looks at."""
    found = _read(folder, monkeypatch)
    monkeypatch.setenv("TENANT", "acme")
    assert found is not None and not found.are_the_same()


def test_a_file_that_was_just_changed_is_not_trusted(folder: Path) -> None:
    """Its next change might not show: the clock of a file system moves in steps."""
    (folder / "settings.txt").write_text("c", encoding="utf-8")
    with watched() as watch:
        (folder / "settings.txt").read_text(encoding="utf-8")
    assert watch.inputs() is None


def test_whoever_asks_another_program_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would answer the next time cannot be known."""
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 3600 * 10**9)
    with watched() as watch:
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    assert watch.inputs() is None


@pytest.mark.parametrize(("port", "remembered"), [(5432, True), (443, False)])
def test_only_the_target_may_be_asked(monkeypatch: pytest.MonkeyPatch, port: int, remembered: bool) -> None:
    """A driver written in Python connects to the target; any other connection is one whose answer is not known."""
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 3600 * 10**9)
    with watched(DatabaseUrl.parse("postgresql://u@db.invalid/app")) as watch:
        sys.audit("socket.getaddrinfo", "db.invalid", port, 0, 0, 0)
        sys.audit("socket.connect", None, ("192.0.2.1", port))
    assert (watch.inputs() is not None) is remembered
