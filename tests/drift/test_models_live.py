"""The first look: the models are compared with the live database while the history is replayed, and once only."""

from __future__ import annotations

from typing import Any

import pytest

from erm_alembic.config.settings import Settings
from erm_alembic.revisions.cache import inputs
from erm_alembic.shadow.ahead import Ahead
from erm_alembic.shadow.child.running import Child
from tests.drift.looking import ENV_PY, looked, told, with_models
from tests.drift.test_models import _forget
from tests.faults.deploying import Project

ADDED = "sa.Column('nick', sa.Text)"


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that child processes were given; files count as unchanged although they were just written."""
    found: list[str] = []
    real = Child.run

    def noting(child: Child, job: Any, *further: Any) -> list[dict[str, Any]]:
        found.append(job.task)
        return real(child, job, *further)

    monkeypatch.setattr(Child, "run", noting)
    monkeypatch.setattr(inputs, "COARSEST_STEP_NS", -(10**15))
    return found


def _begun(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with models at the heads, whose history nobody has replayed."""
    _forget(monkeypatch)
    with_models(project)
    assert project.database is not None
    project.env_py(f"{ENV_PY}\n# {project.database.name}\n")


def _ahead(project: Project) -> None:
    """The models get a column that no revision makes."""
    models = project.root / "models.py"
    models.write_text(models.read_text().replace("sa.Text))", f"sa.Text), {ADDED})"), encoding="utf-8")


def test_what_agrees_with_an_unchanged_database_agrees_with_its_history(
    project: Project, tasks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an unchanged database only the history is replayed, and its verdict is known again."""
    _begun(project, monkeypatch)
    for _ in range(2):
        report = looked(project, monkeypatch)
        assert report.agrees and [each.verdict for each in report.comparisons] == ["same"] * 3
        assert tasks == ["replay"]


def test_a_column_that_only_the_live_database_and_the_models_have_is_told_twice(
    project: Project, tasks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the models agree with the live database says nothing where that is not what the revisions make."""
    _begun(project, monkeypatch)
    _ahead(project)
    assert project.database is not None
    project.database.execute("ALTER TABLE users ADD nick text")
    report = looked(project, monkeypatch)
    found = [(each.source, each.kind, each.object) for each in report.drift]
    assert ("database", "column", "public.users.nick") in found and ("models", "column", "public.users.nick") in found
    assert tasks == ["replay", "models"]


def test_models_that_differ_from_an_unchanged_database_are_told_by_the_shadow(
    project: Project, tasks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What differs from the live database is compared with what the revisions make."""
    _begun(project, monkeypatch)
    _ahead(project)
    assert told(looked(project, monkeypatch)) == [("column", "public.users.nick")]
    assert tasks == ["replay", "models"]


def test_what_is_left_out_settles_nothing(project: Project, tasks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the live database has another history's schema besides, the models are compared in the shadow."""
    _begun(project, monkeypatch)
    assert project.database is not None
    project.database.execute(
        "CREATE SCHEMA tenant; CREATE TABLE tenant.alembic_version (version_num varchar(32)); "
        "CREATE TABLE tenant.things (a int)"
    )
    assert looked(project, monkeypatch).agrees
    assert tasks == ["replay", "models"]


def test_a_history_that_cannot_be_replayed_is_replayed_once(
    project: Project, tasks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails in the thread is told by whoever asks for the catalog."""
    _begun(project, monkeypatch)
    project.revision("a1", "op.execute('SELECT nothing_of_the_kind')")
    report = looked(project, monkeypatch, sources=["database", "models"])
    assert {each.verdict for each in report.comparisons} == {"unknown"}
    assert all("nothing_of_the_kind" in (each.reason or "") for each in report.comparisons)
    assert tasks[0] == "replay" and len(tasks) <= 2


def test_a_thread_ends_with_its_owner() -> None:
    """A child process that the thread waits for is ended, and none is begun afterwards."""

    class Endless:
        ended = False

        def kill(self) -> None:
            self.ended = True

    ahead, child = Ahead(), Endless()
    begun = ahead.begin(lambda: Settings)
    assert begun.result() is Settings
    with ahead.ends(child):  # type: ignore[arg-type]  # as far as it is asked
        ahead.close()
    assert child.ended
    with pytest.raises(Exception, match="ending"), ahead.ends(child):  # type: ignore[arg-type]  # as above
        pass
