"""How runs of smoke tests end that are cut short, and what they leave: nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.smoke.projects import ALONE, SESSIONS, is_untouched, make_project, run_smoke
from tests.support.cli import erm_environment
from tests.support.databases import Database
from tests.support.forking import start
from tests.support.waiting import until

CLOSING = """
import os

import pytest

pytestmark = pytest.mark.erm_smoke(writes=True)


def test_before(erm_smoke_session): ...


def test_becomes_a_daemon(erm_smoke_connection):
    erm_smoke_connection.exec_driver_sql("INSERT INTO t (n) VALUES (2)")
    os.closerange(3, 256)


def test_after(erm_smoke_session): ...
"""


WAITING = """
import pathlib
import time

import pytest
from sqlalchemy import text


@pytest.mark.erm_smoke(writes=True)
def test_waits(erm_smoke_session):
    erm_smoke_session.execute(text("INSERT INTO t (n) VALUES (2)"))
    pathlib.Path("waiting").touch()
    {wait}
"""


@pytest.mark.parametrize(
    ("number", "code", "wait"),
    [
        (signal.SIGINT, 130, 'erm_smoke_session.execute(text("SELECT pg_sleep(60)"))'),
        (signal.SIGKILL, -9, "time.sleep(60)"),
    ],
)
def test_a_run_that_is_ended_leaves_nothing(
    number: int, code: int, wait: str, filled: Database, tmp_path: Path
) -> None:
    """Neither rows nor sessions, whichever signal it is."""
    project = make_project(tmp_path, WAITING.format(wait=wait), "smoke: {paths: [tests], timeout: 60s}")
    environ = erm_environment({"ERM_DATABASE_URL": filled.url, **ALONE})
    process = start("erm_alembic", "smoke", cwd=project, environ=environ, input="")
    try:
        until((project / "waiting").exists)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=30)
        assert process.returncode == code, (out, err)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    until(lambda: filled.execute(SESSIONS) == [(0,)])
    assert is_untouched(filled)


LEAVING = """
import contextlib
import os
import pathlib
import stat
import sys
import time

import pytest

IS_LINUX = sys.platform == "linux"
left = os.fork()
if left == 0:
    if IS_LINUX:  # out of the session, the group and the family
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
    pathlib.Path("left").write_text(str(os.getpid()))
    time.sleep(120)
    os._exit(0)


@pytest.mark.erm_smoke
def test_leaves():
    for number in range(3, 30):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                os.write(number, b"{'event': 1}\\n[]\\n" b'{"event": "nothing"}\\n')
    print("::error::of a row")
    while not pathlib.Path("left").exists():
        time.sleep(0.01)
    if pathlib.Path("kill").exists():  # in C, where no other thread of Python's comes to its turn
        sum(range(10**12)) if IS_LINUX else time.sleep(120)
    raise AssertionError("shown")
"""


@pytest.mark.parametrize("number", [None, signal.SIGKILL])
def test_what_a_test_leaves_behind_is_ended(number: int | None, filled: Database, tmp_path: Path) -> None:
    """Processes are, however the run ends; what it writes where it should not is told, and acts in no workflow."""
    project = make_project(tmp_path, LEAVING)
    (project / "tests" / "conftest.py").write_text(
        "import os, pathlib\npathlib.Path('tests').joinpath('pid').write_text(str(os.getpid()))\n"
    )
    if number is not None:
        (project / "kill").touch()
    process = start(
        "erm_alembic",
        "smoke",
        cwd=project,
        environ=erm_environment({"ERM_DATABASE_URL": filled.url, **ALONE}),
        input="",
    )
    try:
        until(lambda: (project / "left").exists() and (project / "left").read_text() != "")
        if number is not None:
            os.kill(process.pid, number)
        out, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    left = int((project / "left").read_text())
    until(lambda: not is_running(left))
    until(lambda: not is_running(int((project / "tests" / "pid").read_text())))
    if number is None:
        assert process.returncode == 1, (out, err)
        assert out.count("written into a file that was not its own") >= 1
        assert "test_leaves" in out and "Whatever tests did was rolled back." in out
        assert "\n\\x3a:error::of a row" in out and "\n::error" not in out


def is_running(pid: int) -> bool:
    """Whether a process does anything any more; one that nobody has taken leave of yet does not."""
    if Path("/proc/self/stat").exists():
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
        except OSError:
            return False
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(told.strip()) and not told.strip().startswith("Z")


def test_a_run_that_takes_too_long_is_ended(filled: Database, tmp_path: Path) -> None:
    """Whatever the test does, within a statement or without."""
    project = make_project(tmp_path, WAITING.format(wait="time.sleep(60)"))
    document = run_smoke(project, filled, "--run-timeout", "2s", code=1)
    assert document["outcome"] == "timed-out"
    assert re.fullmatch(r"The run was ended after 2s( while .*test_waits ran)?\.", document["problems"][0])
    until(lambda: is_untouched(filled))


def test_a_test_that_closes_what_is_not_its_own_ends_the_run_in_words(filled: Database, tmp_path: Path) -> None:
    """Nothing can be heard of it any more; what it was, is told, and its transaction is rolled back."""
    project = make_project(tmp_path, CLOSING)
    document = run_smoke(project, filled, code=1)
    assert document["problems"] == [
        "A test has closed files that were not its own, as os.closerange() does, so that the run ended while "
        "tests/test_smoke.py::test_becomes_a_daemon ran."
    ]
    assert [test["outcome"] for test in document["tests"]] == ["passed"]
    until(lambda: is_untouched(filled))
