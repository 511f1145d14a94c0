"""The example applications, each in processes of its own: written by one request, read by the next, elsewhere."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.routing.applications import Application, application
from tests.routing.servers import EAST, Servers
from tests.support.cli import REPOSITORY

FOLDER = REPOSITORY / "examples" / "replicas"
FLASK = ("-m", "flask", "--app", "flask_app", "run", "--port", "{port}")
FASTAPI = ("-m", "uvicorn", "fastapi_app:app", "--port", "{port}", "--log-level", "warning")


@pytest.fixture
def app(newest_servers: Servers) -> Iterator[Application]:
    """A database for notes, empty."""
    with application(newest_servers, "psycopg2") as app:
        app.on_primary("CREATE TABLE IF NOT EXISTS notes (id int PRIMARY KEY, text text NOT NULL)")
        app.on_primary("TRUNCATE notes")
        newest_servers.catch_up()
        yield app


def _environment(app: Application, **further: str) -> dict[str, str]:
    addresses = {"NOTES_PRIMARY": app.url(app.servers.primary), "NOTES_REPLICA": app.url(app.servers.east)}
    return {**os.environ, **addresses, "NOTES_SECRET": "of this test", "PYTHONPATH": str(REPOSITORY), **further}


@contextmanager
def _process(app: Application, *arguments: str, **further: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=FOLDER,
        env=_environment(app, **further),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def _served(app: Application, command: tuple[str, ...]) -> Iterator[str]:
    """An instance of a web application, known to read from its replica; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with _process(app, *(word.format(port=port) for word in command)) as process:
        _until(lambda: process.poll() is not None or _get(address).get("from") == "replica")
        yield address


def _get(address: str, client: Any = httpx) -> dict[str, Any]:
    try:
        found: dict[str, Any] = client.get(f"{address}/notes", timeout=10).json()
    except httpx.TransportError:
        return {}
    return found


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("command", [FLASK, FASTAPI], ids=["flask", "fastapi"])
def test_one_process_writes_and_another_reads_what_was_written(command: tuple[str, ...], app: Application) -> None:
    """The cookie sends its bearer to the primary while the replica is behind, and nobody else."""
    with _served(app, command) as one, _served(app, command) as other, httpx.Client() as browser:
        app.servers.pause(EAST)
        wrote = browser.post(f"{one}/notes/1", params={"text": "buy milk"})
        assert wrote.json() == {"wrote": "buy milk"}
        assert "HttpOnly" in wrote.headers["set-cookie"]
        for instance in (one, other):
            assert _get(instance, browser) == {"notes": ["buy milk"], "from": "primary"}
            assert _get(instance) == {"notes": [], "from": "replica"}
            forged = {"erm_causal": "forged"}
            assert httpx.get(f"{instance}/notes", cookies=forged).json()["from"] == "replica"
        app.servers.resume(EAST)
        app.servers.catch_up(EAST)
        _until(lambda: _get(other, browser) == {"notes": ["buy milk"], "from": "replica"})


def test_a_task_sees_what_its_sender_wrote(app: Application, tmp_path: Path) -> None:
    """The token travels in the message's header."""
    for folder in ("messages", "results"):
        (tmp_path / folder).mkdir()
    broker = {
        "NOTES_BROKER": "filesystem://",
        "NOTES_FOLDER": str(tmp_path / "messages"),
        "NOTES_RESULTS": (tmp_path / "results").as_uri(),
    }
    sender = (
        "import celery_app, notes, sys\n"
        "if sys.argv[1] == 'write':\n"
        "    with celery_app.new_session() as session:\n"
        "        session.add(notes.Note(id=1, text='buy milk')); session.commit()\n"
        "print(celery_app.read.delay().get(timeout=60))\n"
    )

    def send(what: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", sender, what],
            cwd=FOLDER,
            env=_environment(app, **broker),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    with _process(app, "-m", "celery", "-A", "celery_app", "worker", "--pool", "solo", "--without-mingle", **broker):
        _until(lambda: send("ask") == str({"notes": [], "from": "replica"}))
        app.servers.pause(EAST)
        assert send("write") == str({"notes": ["buy milk"], "from": "primary"})
        assert send("ask") == str({"notes": [], "from": "replica"})
