"""Where the project's `.erm` cannot be made, the error says what that means for whoever wanted it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from erm_alembic.backup.store import store_of
from erm_alembic.config.own_folder import servers_folder
from erm_alembic.errors import BackupError, ErmError, ServerError
from erm_alembic.release import files


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose `.erm` is a file, of which nobody, root included, makes a folder."""
    (tmp_path / ".erm").write_text("")
    return tmp_path


def test_only_the_embedded_server_speaks_of_itself(project: Path) -> None:
    """Its data stands there, and a backup's does too."""
    with pytest.raises(ServerError, match="cannot be written: File exists") as server:
        servers_folder(project)
    assert server.value.effect == "The embedded server keeps its data there; it was not started."
    settings: Any = SimpleNamespace(project_dir=project, backup=SimpleNamespace(directory=None))
    with pytest.raises(BackupError, match="cannot be written: File exists") as backup:
        store_of(settings)
    assert (backup.value.effect, backup.value.cure) == (
        "No backup was taken.",
        "Make it writable, or set `backup.directory`.",
    )


def test_a_report_of_a_release_that_has_no_place_is_no_matter_of_a_server(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is named, what was released stays, and the cure leads to where it is told as well."""
    monkeypatch.setattr(files, "_as", lambda *_: "report")
    course: Any = SimpleNamespace(
        id=7,
        settings=SimpleNamespace(project_dir=project, environment="prod"),
        request=SimpleNamespace(reports=()),
        command=lambda *words: " ".join(["erm", *words]),
    )
    nothing: Any = None
    with pytest.raises(ErmError, match=r"prod-7\.md cannot be written: file exists") as caught:
        files.write_paper(course, nothing, nothing, "done")
    assert not isinstance(caught.value, ServerError)
    assert caught.value.effect == "What the release has done stays as it is."
    assert "erm release status" in caught.value.cure
