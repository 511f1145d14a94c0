"""A project on a file system that cannot be written: what needs to write says so, what need not works."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.deploying import Project, mounted, tables, told
from tests.support.cli import run_erm
from tests.support.databases import Database


@pytest.fixture
def make_read_only() -> Iterator[Callable[[Path], None]]:
    """Make a folder and everything in it read-only until the test ends."""
    undo: list[Callable[[], object]] = []

    def chmod(folder: Path) -> None:
        for path in (folder, *folder.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode & ~0o222)
            undo.append(lambda path=path, mode=mode: path.chmod(mode))  # type: ignore[misc]

    def mount(folder: Path) -> None:
        # Root writes through every mode; a read-only mount stops it too.
        for options in (["--bind", folder], ["-o", "remount,ro,bind"]):
            if not mounted(*options, folder):
                pytest.skip("root, on a machine that lets nobody mount: nothing is read-only for it")
            if options[0] == "--bind":
                undo.append(lambda: subprocess.run(["umount", folder], check=True))

    yield mount if os.geteuid() == 0 else chmod
    for step in reversed(undo):
        step()


def test_apply_needs_no_writable_project(
    project: Project, one_database: Database, make_read_only: Callable[[Path], None]
) -> None:
    """A read-only project, as in a container, is planned, applied and rolled back."""
    project.table("a1", "first")
    make_read_only(project.root)
    assert project.apply("--mode", "plan").returncode == 0
    assert project.apply().returncode == 0
    assert tables(one_database) == {"first", "alembic_version"}
    assert project.apply("--mode", "rollback").returncode == 0


def test_restore_into_a_read_only_project(
    project: Project, tmp_path_factory: pytest.TempPathFactory, make_read_only: Callable[[Path], None]
) -> None:
    """A file that cannot be written back can be written elsewhere."""
    path = project.table("a1", "first")
    source = path.read_text()
    assert project.apply().returncode == 0
    path.unlink()
    make_read_only(project.root)
    code, lines = told(project.erm("history", "restore", "a1"))
    assert (code, lines[1:]) == (2, ["effect: Nothing was written.", "cure:   Say --out PATH."])
    assert lines[0].startswith(f"error:  {path} cannot be written: ")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a1.py"
    assert project.erm("history", "restore", "a1", "--out", elsewhere).returncode == 0
    assert elsewhere.read_text() == source


@pytest.mark.parametrize("command", ["init", "new"])
def test_writing_commands(command: str, project: Project, make_read_only: Callable[[Path], None]) -> None:
    """`erm init` and `erm new` say what cannot be written, and leave nothing half done."""
    root = project.root / "fresh" if command == "init" else project.root
    root.mkdir(exist_ok=True)
    before = sorted(project.root.rglob("*"))
    make_read_only(project.root)
    arguments = ["init"] if command == "init" else ["new", "add reviews"]
    done = run_erm(*arguments, cwd=root, env=project.environ())
    assert done.returncode in (1, 2), done.stdout
    assert "defect" not in done.stderr
    assert sorted(project.root.rglob("*")) == before


def test_the_embedded_server_needs_a_place(tmp_path: Path, make_read_only: Callable[[Path], None]) -> None:
    """The embedded server cannot live in a read-only project; that is said, rather than a stack of errors."""
    project = Project(tmp_path, url="embedded://shop")
    project.table("a1", "first")
    make_read_only(tmp_path)
    done = project.apply()
    assert done.returncode == 1
    assert "defect" not in done.stderr
    assert str(tmp_path) in told(done)[1][0]
    assert told(done)[1][2].startswith("cure:   ")
