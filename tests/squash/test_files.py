"""Wherever a process is killed between two files, the revisions are one graph, and all can be finished or undone."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from erm_alembic.squash.files import Work, begin, finish, go, put_back, under_way_in
from tests.cli.pipeline import erm


class Killed(BaseException):
    """What the process does not live to see."""


def revision(name: str, down: str | None) -> bytes:
    return f'revision = "{name}"\ndown_revision = {down!r}\n'.encode()


def project(root: Path) -> tuple[Path, Work, dict[str, bytes]]:
    """Three revisions, of which the last becomes one of all."""
    scripts = root / "migrations"
    (scripts / "versions").mkdir(parents=True)
    for name, down in (("a1", None), ("b2", "a1"), ("c3", "b2"), ("d4", "c3")):
        (scripts / "versions" / f"{name}.py").write_bytes(revision(name, down))
    moved = tuple((f"versions/{name}.py", f"{name}.py") for name in ("a1", "b2", "c3"))
    work = Work(
        "c3", "squashed/c3", "versions/c3.py", "versions/c3_all.py", moved, (("versions/c3.sql", "c3.sql"),), ""
    )
    return scripts, work, {"c3_all.py": revision("c3", None), "c3.sql": b"SELECT 1;"}


def heads(scripts: Path) -> set[str]:
    """The heads of the graph, which Alembic must be able to read."""
    return set(ScriptDirectory(str(scripts)).get_heads())


def files(scripts: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (scripts / "versions").iterdir() if path.is_file()}


def dying(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the process die at the n-th change of a file."""
    left = [after]
    for name in ("replace", "unlink"):
        real: Any = getattr(Path, name)

        def counted(self: Path, *args: Any, real: Any = real, **kw: Any) -> Any:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return real(self, *args, **kw)

        monkeypatch.setattr(Path, name, counted)


@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("ends", [go, put_back])
def test_no_kill_breaks_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, ends: Any) -> None:
    """After each step Alembic reads the project, and d4 builds on c3; a second process finishes, or puts all back."""
    scripts, work, new = project(tmp_path)
    before = files(scripts)
    begin(scripts, work, new)
    with monkeypatch.context() as patch:
        dying(patch, after)
        with contextlib.suppress(Killed):
            go(scripts, work)
    assert heads(scripts) - {"a1", "b2"} == {"d4"}
    found = under_way_in(scripts)
    assert found == work
    with monkeypatch.context() as patch:
        dying(patch, after)
        with contextlib.suppress(Killed):
            ends(scripts, found)
    assert heads(scripts) - {"a1", "b2"} == {"d4"}
    if under_way_in(scripts) is not None:
        ends(scripts, work)
    if ends is put_back:
        assert files(scripts) == before and under_way_in(scripts) is None
        return
    finish(scripts, work)
    assert files(scripts) == {"c3_all.py": new["c3_all.py"], "c3.sql": b"SELECT 1;", "d4.py": revision("d4", "c3")}
    assert under_way_in(scripts) is None
    assert (scripts / "squashed" / "c3" / "a1.py").read_bytes() == revision("a1", None)


@pytest.mark.parametrize("ending", ["--undo", "--continue"])
@pytest.mark.parametrize("option", [["--dry-run"], ["-m", "one"]])
def test_what_ends_a_squash_takes_no_option_of_a_new_one(
    capsys: pytest.CaptureFixture[str], ending: str, option: list[str]
) -> None:
    """A dry run of what would write files is refused, and so is a message that nobody reads."""
    code, out, err = erm(capsys, "squash", ending, *option)
    name = {"-m": "--message"}.get(option[0], option[0])
    assert (code, out) == (2, "")
    assert f"{name} goes with REV only, not with {ending}" in err
    assert "No file was changed." in err
    assert f"Leave out {name}" in err
