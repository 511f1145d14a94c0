"""Whatever a killed run leaves behind is gone after the next one, and what a living run uses is left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.deploying import Project, until
from tests.shadow.projects import asked, named_like_a_shadow, shadow_of
from tests.support.cli import erm_environment

# Opens a shadow as any command does, and says where it is once it is there.
RUN = """
import sys
from erm_alembic.opening import open_project
from erm_alembic.shadow.opened import open_shadow
opened = open_project(None, None)
with open_shadow(opened.settings, opened.project, opened.target) as shadow, shadow.at(sys.argv[1:]) as database:
    print(database.name, flush=True)
    sys.stdin.read()
"""


@contextmanager
def running(project: Project, *revisions: str) -> Iterator[subprocess.Popen[str]]:
    """A run that has a shadow, in another process, until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *revisions],
        cwd=project.root,
        env=erm_environment(project.environ()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def scratch_databases(project: Project) -> list[str]:
    """The scratch databases of the shadow's server, templates left out."""
    return [name for name in named_like_a_shadow(project.url or "") if "_template_" not in name]


def test_the_next_run_sweeps_what_kill_9_left_in_the_middle_of_a_replay(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scratch database stays until the next run, which drops it; the target was never touched."""
    reached = tmp_path / "reached"
    project.table("a1", "first")
    project.revision("b2", f"open({str(reached)!r}, 'w').close()\nop.execute('SELECT pg_sleep(600)')", down="a1")
    with running(project, "b2") as process:
        until(reached.exists)
        left = scratch_databases(project)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert len(left) == 1 and scratch_databases(project) == left
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]) as database:
        assert scratch_databases(project) == [database.name]
    assert scratch_databases(project) == []
    assert asked(project.url or "", "SELECT count(*)::int FROM pg_class WHERE relname = 'first'") == [0]


def test_a_living_runs_database_is_left_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run at the same time sweeps nothing of it, and both take the same template."""
    project.table("a1", "first")
    with running(project, "a1") as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]) as database:
            assert sorted(scratch_databases(project)) == sorted([name, database.name])
        assert scratch_databases(project) == [name]
        process.communicate(timeout=20)
    assert scratch_databases(project) == []


def test_the_child_ends_with_its_parent(project: Project, tmp_path: Path) -> None:
    """A parent that is killed leaves no process behind that goes on running revisions."""
    told = tmp_path / "pid"
    project.revision("a1", f"import os, time\nopen({str(told)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    with running(project, "a1") as process:
        until(lambda: told.exists() and told.read_text())
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    child = Path("/proc") / told.read_text()
    until(lambda: not child.exists())
