"""`erm observe`: what is printed where, and how the command ends."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from erm_alembic.observing.model import Gap
from erm_alembic.render.observation import observation_line, observation_text
from erm_alembic.render.observation_json import observation_json_text
from tests.observing.observed import NOW, sample, seen
from tests.support.cli import erm_environment, run_erm
from tests.support.databases import Database
from tests.support.waiting import until

SHORT = ("--for", "300ms", "--interval", "100ms")


@pytest.fixture
def env(one_database: Database) -> dict[str, str]:
    """What leads to a database with a table whose name is awkward."""
    one_database.execute('CREATE TABLE "we\x1b[31mird" (id int)')
    return {"ERM_DATABASE_URL": one_database.url}


def test_each_look_is_a_line_where_nobody_can_watch(tmp_path: Path, env: dict[str, str]) -> None:
    """In a pipe there are lines, and the summary at the end, without any colour."""
    done = run_erm("observe", *SHORT, "--look-at", 'public."we\x1b[31mird"', cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    looks = [line for line in lines if "waiting for locks 0" in line]
    assert len(looks) >= 2
    assert any(line.startswith("Observed ") and " of 300 ms, " in line for line in lines)
    assert "Nothing became worse." in lines
    assert r'Table    public."we\x1b[31mird"' in done.stdout
    assert "\x1b" not in done.stdout
    assert any(line.startswith("Not seen pg_stat_statements") for line in lines)


def test_json_is_one_object_and_jsonl_one_for_each_look_besides(tmp_path: Path, env: dict[str, str]) -> None:
    """Programs read the one or the other; nothing else stands on stdout."""
    done = run_erm("observe", *SHORT, "--format", "json", cwd=tmp_path, env=env)
    document = json.loads(done.stdout)
    assert document["complete"] and not document["worse"] and document["samples"] >= 2
    assert document["now"]["connections"]["used"] >= 0 and document["unseen"]["pg_stat_statements"]
    done = run_erm("observe", *SHORT, "--format", "jsonl", cwd=tmp_path, env=env)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["event"] for event in events[:-1]} == {"sample"} and events[-1]["event"] == "observed"


def test_check_exits_with_1_when_it_became_worse(tmp_path: Path, env: dict[str, str]) -> None:
    """A lock that is waited for makes it worse; without --check the command has done what it should."""
    (tmp_path / "erm.yaml").write_text("observe: {max_connections: 0, for: 200ms, interval: 100ms}\n")
    one = {**env, "ERM_DATABASE_URL": env["ERM_DATABASE_URL"]}
    with _connected(one["ERM_DATABASE_URL"]):
        done = run_erm("observe", "--check", cwd=tmp_path, env=one)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "It became worse: 1 finding" in done.stdout and "error connections-used-up" in done.stdout
        assert run_erm("observe", cwd=tmp_path, env=one).returncode == 0
    (tmp_path / "erm.yaml").write_text("observe: {rules: {connections: off}}\n")
    done = run_erm("observe", cwd=tmp_path, env=one)
    assert done.returncode == 2 and "there is no rule 'connections'" in done.stderr


@contextmanager
def _connected(url: str) -> Iterator[None]:
    import psycopg2

    connection = psycopg2.connect(url)
    try:
        yield
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--for", "soon"), "--for: 'soon' is not a duration"),
        (("--interval", "0s"), "--interval 0s is no time at all"),
    ],
)
def test_what_is_no_time_is_refused(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """Before anything is connected to."""
    done = run_erm("observe", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr


def test_a_database_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    """There is nothing to observe where there was never an answer."""
    done = run_erm("observe", cwd=tmp_path, env={"ERM_DATABASE_URL": f"postgresql:///x?host={tmp_path}"})
    assert done.returncode == 1 and "cannot be reached" in done.stderr


def test_a_picture_changes_in_its_place_and_fits_80_columns(tmp_path: Path, env: dict[str, str]) -> None:
    """A terminal shows one picture, with its history; Ctrl-C leaves the summary, and exits with 130."""
    import pyte

    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    environ = {**erm_environment(env), "TERM": "xterm", "LANG": "C.UTF-8"}
    environ.pop("COLUMNS", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "erm_alembic", "observe", "--interval", "100ms"],
        cwd=tmp_path,
        env=environ,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    screen, received = pyte.Screen(80, 40), b""
    stream = pyte.ByteStream(screen)
    try:
        while chunk := _read(controller):
            received += chunk
            stream.feed(chunk)
            if received.count(b"Nothing became worse so far") == 3:
                received += b"."
                process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        os.close(controller)
    shown = [line.rstrip() for line in screen.display]
    assert sum(line.startswith("Target ") for line in shown) == 1
    assert "Nothing became worse." in shown
    assert any(line.startswith("connections") and "▁" in line and "most" in line for line in shown)
    lines = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", received.decode()).splitlines()
    assert max(len(line) for line in lines if "://" not in line) <= 80  # an address is to be copied


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 65536)
    except OSError:  # Linux reports the end of a pseudo-terminal as an input/output error.
        return b""


def test_a_signal_ends_it_with_the_summary(tmp_path: Path, env: dict[str, str]) -> None:
    """What was observed so far is printed, as one object where that is asked for."""
    process = subprocess.Popen(
        [sys.executable, "-m", "erm_alembic", "observe", "--format", "json", "--interval", "100ms"],
        cwd=tmp_path,
        env=erm_environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = env["ERM_DATABASE_URL"]

    def observes() -> bool:
        import psycopg2

        connection = psycopg2.connect(url)
        with connection.cursor() as cursor:
            cursor.execute("SELECT query FROM pg_stat_activity WHERE application_name = 'erm observe'")
            found = cursor.fetchall()
        connection.close()
        return any("pg_stat_replication" in query for (query,) in found)

    try:
        until(observes)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 143, err
    assert json.loads(out)["complete"] is False


def test_what_a_server_says_does_not_act_on_a_terminal() -> None:
    """Names, and what other sessions call themselves, are shown with their control characters made visible."""
    from erm_alembic.observing.model import ReplicaLag
    from erm_alembic.postgres.health.sessions import LockWait

    observation = seen(
        sample(
            0,
            waits=(LockWait(7, 12.0, 'table "\x1b[2J"', ("pid 8 (\x1b]0;owned\x07)",)),),
            replicas=(ReplicaLag("\x1b[31m", 0.5),),
        )
    )
    for text in (observation_text(observation, is_under_way=True), observation_line(observation)):
        assert "\x1b" not in text and "\x07" not in text
    assert "\x1b" not in observation_json_text(observation)


def test_a_gap_is_shown_as_such() -> None:
    """While nobody answers, no number of before is shown as if it held."""
    from dataclasses import replace

    observation = replace(seen(sample(0)), gaps=(Gap(NOW, None, "silence", "connection refused"),))
    assert observation_line(observation).endswith("no answer: connection refused")
    assert "waiting for locks" in observation_text(observation) and "?" in observation_text(observation)
