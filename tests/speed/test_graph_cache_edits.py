"""What is known of the graph without loading it is forgotten with every edit, whatever the edit looks like."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from erm_alembic.revisions.cache import known
from erm_alembic.revisions.cache.listing import identity_of
from erm_alembic.revisions.cache.memo import from_bytes, to_bytes
from erm_alembic.revisions.cache.place import read_kept, write_kept
from tests.speed.projects import CachedProject, later, make_project, rewritten


def test_an_unchanged_project_is_known_without_loading_a_file(
    project: CachedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads, parents and hashes are those that Alembic found, and no revision file is loaded for them."""
    with project.alembic.entered():
        scripts = project.alembic.scripts()
        heads = tuple(scripts.get_heads())
    monkeypatch.setattr(known.Script, "_from_path", lambda *_: pytest.fail("a revision file was loaded"))
    found = project.known()
    assert found is not None
    assert (found.heads, found.complete_at) == (heads, frozenset(heads))
    assert found.parents == {"a1": (), "b2": ("a1",)}
    assert set(found.hashes) == {"a1", "b2"}


def same_size_and_time(project: CachedProject) -> None:
    rewritten(project.versions / "b2.py", "'a1'", "None")


def renamed_over_each_other(project: CachedProject) -> None:
    one, other = project.versions / "a1.py", project.versions / "b2.py"
    moment = one.stat().st_mtime_ns
    os.utime(other, ns=(moment, moment))
    project.remember()
    aside = project.versions / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    os.utime(one, ns=(moment, moment))
    os.utime(other, ns=(moment, moment))


def replaced_by_a_copy(project: CachedProject) -> None:
    path = project.versions / "b2.py"
    shutil.copy2(path, project.versions / "copy")
    (project.versions / "copy").replace(path)


def added(project: CachedProject) -> None:
    project.write("c3", "b2")


def removed(project: CachedProject) -> None:
    (project.versions / "b2.py").unlink()


def renamed(project: CachedProject) -> None:
    (project.versions / "b2.py").rename(project.versions / "b2_renamed.py")


def touched(project: CachedProject) -> None:
    (project.versions / "b2.py").touch()


def set_back_in_time(project: CachedProject) -> None:
    path = project.versions / "b2.py"
    path.write_text(path.read_text().replace("SELECT 1", "SELECT 3"))
    os.utime(path, (1, 1))


def made_a_folder(project: CachedProject) -> None:
    path = project.versions / "b2.py"
    path.unlink()
    path.mkdir()


def made_a_dangling_link(project: CachedProject) -> None:
    path = project.versions / "b2.py"
    path.unlink()
    path.symlink_to("nowhere.py")


def made_unreadable_for_the_listing(project: CachedProject) -> None:
    shutil.rmtree(project.versions)
    project.versions.write_text("")


EDITS: tuple[Callable[[CachedProject], None], ...] = (
    same_size_and_time,
    renamed_over_each_other,
    replaced_by_a_copy,
    added,
    removed,
    renamed,
    touched,
    set_back_in_time,
    made_a_folder,
    made_a_dangling_link,
    made_unreadable_for_the_listing,
)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_every_edit_is_seen(project: CachedProject, edit: Callable[[CachedProject], None]) -> None:
    """Nothing is known after an edit, though size, time or name are what they were."""
    edit(project)
    assert project.known() is None


def test_a_link_that_leads_elsewhere_is_seen(tmp_path: Path) -> None:
    """A revision file that is a symbolic link, turned to a file of the same size and time, is another file."""
    project = make_project(tmp_path / "project")
    link = project.versions / "b2.py"
    store = tmp_path / "store"
    store.mkdir()
    link.rename(store / "one.py")
    shutil.copy2(store / "one.py", store / "two.py")
    rewritten(store / "two.py", "SELECT 1", "SELECT 7")
    link.symlink_to(store / "one.py")
    project.remember()
    assert project.known() is not None
    link.unlink()
    link.symlink_to(store / "two.py")
    assert project.known() is None


def test_a_version_location_that_leads_elsewhere_is_seen(tmp_path: Path) -> None:
    """A version location that is a symbolic link, turned to a folder with hard links to the same files, is another."""
    project = make_project(tmp_path / "project")
    project.versions.rename(tmp_path / "one")
    project.versions.symlink_to(tmp_path / "one")
    project.remember()
    assert project.known() is not None
    (tmp_path / "two").mkdir()
    for file in (tmp_path / "one").glob("*.py"):
        os.link(file, tmp_path / "two" / file.name)
    project.versions.unlink()
    project.versions.symlink_to(tmp_path / "two")
    assert project.known() is None


def identities_taken_over(project: CachedProject) -> None:
    """Give the memo the identities that the files have now, as a clock that did not move on would have."""
    with project.alembic.entered():
        scripts = project.alembic.script_directory(project.alembic.config())
        name = known._name(scripts)
    content = read_kept(project.root, name)
    assert content is not None
    memo = from_bytes(content)
    assert memo is not None
    files = {path: identity_of(Path(path).stat()) for path in memo.files}
    assert write_kept(project.root, name, to_bytes(replace(memo, files=files)))


def test_an_edit_within_the_same_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    """A file that was young when it was remembered is compared by its content, whatever its times say."""
    project = make_project(tmp_path / "project")
    project.remember(clock=time.time_ns)
    assert project.known(clock=time.time_ns) is not None
    rewritten(project.versions / "b2.py", "SELECT 1", "SELECT 9")
    identities_taken_over(project)
    assert project.known(clock=time.time_ns) is None


def test_only_a_settled_file_is_trusted_by_its_times(project: CachedProject) -> None:
    """The counterpart: of an old file with the very same identity, the content is not read again."""
    rewritten(project.versions / "b2.py", "SELECT 1", "SELECT 9")
    identities_taken_over(project)
    assert project.known() is not None


def test_with_the_clock_set_back_nothing_is_trusted_by_its_times(tmp_path: Path) -> None:
    """Files from the future are compared by their content until the clock has passed them."""
    project = make_project(tmp_path / "project")
    project.remember(clock=lambda: 1)
    rewritten(project.versions / "b2.py", "SELECT 1", "SELECT 9")
    identities_taken_over(project)
    assert project.known() is None


def test_a_young_file_that_stayed_the_same_grows_old(tmp_path: Path) -> None:
    """Once the clock has passed them, files are trusted by their times, and the memo says so."""
    project = make_project(tmp_path / "project")
    project.remember(clock=time.time_ns)
    young = project.memos[0].read_bytes()
    assert project.known(clock=later) is not None
    (memo,) = project.memos
    assert memo.read_bytes() != young
    assert b'"young":{}' in memo.read_bytes()
    assert project.known() is not None


def test_an_edit_while_it_is_remembered_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes between Alembic's loading and the end of the remembering leaves no memo behind."""
    project = make_project(tmp_path / "project")
    note = known._note

    def edited_meanwhile(*arguments: object) -> None:
        note(*arguments)  # type: ignore[arg-type]
        rewritten(project.versions / "b2.py", "SELECT 1", "SELECT 9")
        monkeypatch.setattr(known, "_note", note)

    monkeypatch.setattr(known, "_note", edited_meanwhile)
    project.remember()
    assert project.memos == []


SQL_STUB = 'revision = "c3"\ndown_revision = "b2"\nupgrade_sql = "c3.sql"\ndowngrade_sql = "c3_down.sql"\n'


@pytest.mark.parametrize("script", ["c3.sql", "c3_down.sql"])
@pytest.mark.parametrize("edit", ["rewritten", "removed", "added"])
def test_a_script_of_a_revision_in_sql_is_a_part_of_it(tmp_path: Path, script: str, edit: str) -> None:
    """An edit of a SQL script is an edit of its revision."""
    project = make_project(tmp_path / "project")
    (project.versions / "c3.py").write_text(f"{SQL_STUB}def upgrade(): pass\ndef downgrade(): pass\n")
    path = project.versions / script
    if edit != "added":
        path.write_text("SELECT 1;")
    project.remember()
    before = project.known()
    assert before is not None
    if edit == "rewritten":
        rewritten(path, "SELECT 1", "SELECT 2")
    elif edit == "removed":
        path.unlink()
    else:
        path.write_text("SELECT 1;")
    assert project.known() is None
    project.remember()
    after = project.known()
    assert after is not None and after.hashes["c3"] != before.hashes["c3"]
