"""The cache's file: private, whole or not at all, and never in the way."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.revisions.cache import known, memo
from tests.speed.projects import CachedProject, make_project
from tests.support.cli import REPOSITORY


def signed(content: bytes) -> bytes:
    """Content with the checksum that a whole file has."""
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def content_of(path: Path) -> bytes:
    return path.read_bytes().partition(b"\n")[2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit flipped": flipped,
    "cut short": lambda whole: whole[:-20],
    "empty": lambda _: b"",
    "only the checksum": lambda whole: whole.partition(b"\n")[0],
    "no JSON": lambda _: signed(b"\xff\xfe"),
    "not an object": lambda _: signed(b"[1, 2]"),
    "nested without end": lambda _: signed(b"[" * 100_000),
    "another format": lambda whole: signed(whole.partition(b"\n")[2].replace(b'"format":2', b'"format":0')),
    "a key too few": lambda whole: signed(whole.partition(b"\n")[2].replace(b'"heads":', b'"hands":')),
    "values of another kind": lambda whole: signed(whole.partition(b"\n")[2].replace(b'"young":{}', b'"young":[1]')),
    "null": lambda _: signed(b"null"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_no_memo_and_is_replaced(project: CachedProject, damage: Callable[[bytes], bytes]) -> None:
    """Whatever is wrong with the file, Alembic loads the revisions, and the next memo is whole again."""
    (path,) = project.memos
    whole = path.read_bytes()
    damaged = damage(whole)
    assert damaged != whole
    path.write_bytes(damaged)
    assert project.known() is None
    project.remember()
    assert project.known() is not None


def test_it_belongs_to_its_owner_alone(project: CachedProject) -> None:
    """The file can be read by its owner alone, and git does not see it."""
    (path,) = project.memos
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.parent.joinpath(".gitignore").read_text().splitlines()[-1] == "*"


@pytest.mark.parametrize("mode", [0o640, 0o602, 0o666])
def test_a_file_that_others_can_touch_is_not_trusted(project: CachedProject, mode: int) -> None:
    """What somebody else may read or write is written anew instead."""
    project.memos[0].chmod(mode)
    assert project.known() is None
    project.remember()
    assert project.known() is not None


def test_a_link_in_its_place_is_not_followed(project: CachedProject, tmp_path: Path) -> None:
    """A symbolic link where the file should be is no memo, and what it leads to stays as it is."""
    (path,) = project.memos
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    content = elsewhere.read_bytes()
    path.symlink_to(elsewhere)
    assert project.known() is None
    project.remember()
    assert elsewhere.read_bytes() == content and not path.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_of_somebody_else_is_not_trusted(project: CachedProject) -> None:
    """A memo that another user planted is no memo."""
    os.chown(project.memos[0], 65534, 65534)
    assert project.known() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_nothing_is_written_into_a_project_of_somebody_else(project: CachedProject, own_cache: Path) -> None:
    """In somebody else's project the memo lies at home: its owner could not remove a folder of ours."""
    project.memos[0].unlink()
    os.chown(project.root, 65534, 65534)
    project.remember()
    assert project.memos == []
    assert len(list(own_cache.glob("graph-*.json"))) == 1
    assert project.known() is not None


def test_a_folder_that_others_can_write_is_not_used(project: CachedProject, own_cache: Path) -> None:
    """Where others could exchange the file, it lies at home."""
    project.memos[0].unlink()
    (project.root / ".erm" / "cache").chmod(0o777)
    project.remember()
    assert project.memos == []
    assert len(list(own_cache.glob("graph-*.json"))) == 1


def test_a_project_that_takes_no_files_is_remembered_at_home(tmp_path: Path, own_cache: Path) -> None:
    """A read-only checkout has its memo in the user's own cache."""
    project = make_project(tmp_path / "project")
    (project.root / ".erm").write_text("")  # a file where the folder would be: root too is stopped by it
    project.remember()
    assert project.known() is not None
    assert len(list(own_cache.glob("graph-*.json"))) == 1


def test_nowhere_to_write_is_no_error(tmp_path: Path, own_cache: Path) -> None:
    """With neither the project nor a home to write to, every plan loads the files."""
    project = make_project(tmp_path / "project")
    (project.root / ".erm").write_text("")
    own_cache.parent.write_text("")
    project.remember()
    assert project.known() is None


def test_it_can_be_switched_off(project: CachedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ERM_NO_CACHE set nothing is read from it, and nothing written."""
    monkeypatch.setenv("ERM_NO_CACHE", "1")
    assert project.known() is None
    project.memos[0].unlink()
    project.remember()
    assert project.memos == []


OTHER_PROGRAMS = (
    (known, "__version__", "0.0.1"),
    (known.alembic, "__version__", "1.0.0"),
    (known.sys, "version", "2.7.18"),
    (memo, "FORMAT", 3),
)


@pytest.mark.parametrize(("place", "name", "value"), OTHER_PROGRAMS, ids=["erm", "alembic", "python", "format"])
def test_another_version_of_a_program_remembers_for_itself(
    project: CachedProject, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, value: object
) -> None:
    """What another Python, Alembic or erm has remembered is not used."""
    monkeypatch.setattr(place, name, value)
    assert project.known() is None
    project.remember()
    assert project.known() is not None


def test_another_set_of_version_locations_is_another_graph(project: CachedProject) -> None:
    """Changed `version_locations` or `recursive_version_locations` are seen; each set has a memo of its own."""
    ini = project.root / "alembic.ini"
    before = ini.read_text()
    (project.root / "more").mkdir()
    ini.write_text(before + "version_locations = %(here)s/migrations/versions:%(here)s/more\n")
    assert project.known() is None
    project.write("c3", "b2", project.root / "more")
    project.remember()
    found = project.known()
    assert found is not None and found.heads == ("c3",)
    ini.write_text(before)
    found = project.known()
    assert found is not None and found.heads == ("b2",)
    ini.write_text(before + "recursive_version_locations = true\n")
    assert project.known() is None


def test_files_in_deeper_folders_count_where_alembic_counts_them(tmp_path: Path) -> None:
    """With `recursive_version_locations` a new file in a folder below is seen; without it, it is none of Alembic's."""
    recursive = make_project(tmp_path / "recursive", "recursive_version_locations = true\n")
    flat = make_project(tmp_path / "flat")
    for project in (recursive, flat):
        (project.versions / "2024" / "deeper").mkdir(parents=True)
        project.remember()
        assert project.known() is not None
        project.write("c3", "b2", project.versions / "2024" / "deeper")
    assert recursive.known() is None
    assert flat.known() is not None


def test_projects_without_sources_are_not_remembered(tmp_path: Path) -> None:
    """With `sourceless`, bytecode files are revisions too: such a project is always loaded."""
    project = make_project(tmp_path / "project", "sourceless = true\n")
    project.remember()
    assert project.memos == []
    assert project.known() is None


def test_bytecode_beside_the_sources_is_none_of_the_graph(project: CachedProject) -> None:
    """A .pyc file in the version location changes nothing, as for Alembic."""
    (project.versions / "c3.pyc").write_bytes(b"no bytecode")
    assert project.known() is not None


WRITER = """
import sys
from pathlib import Path
from tests.speed.projects import CachedProject
project = CachedProject(Path(sys.argv[1]))
for _ in range(20):
    project.remember()
"""


def test_several_writers_at_once_leave_a_whole_file(project: CachedProject) -> None:
    """Whoever reads while two processes write has a whole memo each time, and no unfinished file stays behind."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, project.root], cwd=REPOSITORY, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    read = 0
    while any(writer.poll() is None for writer in writers):
        assert project.known() is not None
        read += 1
    assert read > 0
    for writer in writers:
        _, said = writer.communicate()
        assert writer.returncode == 0, said.decode()
    assert [path.name for path in project.memos[0].parent.iterdir()] == [project.memos[0].name]


def test_what_it_holds_is_no_code(project: CachedProject) -> None:
    """The file is JSON with a checksum: nothing in it is run, whoever wrote it."""
    assert content_of(project.memos[0]).startswith(b'{"format":2,')
