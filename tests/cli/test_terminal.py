"""Colour and the progress bar: only on a terminal, tried on a real pseudo-terminal."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from erm_alembic.cli.progress import bar_of_steps

REPOSITORY = Path(__file__).resolve().parents[2]

# The command line over the stand-in pipeline, which needs no database to have something to show.
PROGRAM = """
import sys, pytest
from tests.cli.pipeline import FakePipeline, install
from erm_alembic.cli.main import run
install(pytest.MonkeyPatch(), FakePipeline())
run(sys.argv[1:])
"""


def on_a_terminal(*arguments: str, **env: str) -> str:
    """What a terminal receives from the command line, stdout and stderr together."""
    controller, terminal = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "120", **env}
    if "NO_COLOR" not in env:
        environ.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdin=terminal, stdout=terminal, stderr=terminal, env=environ
    )
    os.close(terminal)
    received = b""
    try:
        while chunk := os.read(controller, 65536):
            received += chunk
    # Linux reports the end of a pseudo-terminal as an input/output error.
    except OSError:
        pass
    finally:
        os.close(controller)
    assert process.wait(timeout=30) == 0
    return received.decode()


def test_a_terminal_gets_colour() -> None:
    """On a terminal, the verdict is coloured."""
    assert "\x1b[32mNothing objects. Nothing was changed.\x1b[0m" in on_a_terminal("migrate", "--mode", "plan")


def test_no_color_is_honoured_on_a_terminal() -> None:
    """NO_COLOR and a dumb terminal take the colour away."""
    assert "\x1b[" not in on_a_terminal("migrate", "--mode", "plan", NO_COLOR="1")
    assert "\x1b[" not in on_a_terminal("migrate", "--mode", "plan", TERM="dumb")


def test_an_empty_no_color_is_none() -> None:
    """An empty NO_COLOR forbids nothing."""
    assert "\x1b[32m" in on_a_terminal("migrate", "--mode", "plan", NO_COLOR="")


def test_a_file_gets_no_colour() -> None:
    """A pipe gets the same words without colour."""
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "migrate"], env=environ, capture_output=True, timeout=60, check=True
    )
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"Done: 2 revisions applied" in done.stdout
    assert b"Reading the revisions" not in done.stderr


def test_a_terminal_gets_a_bar_with_finished_steps_above_it() -> None:
    """On a terminal, a bar shows the step; each finished step leaves a line, once, and the result follows."""
    shown = on_a_terminal("migrate")
    assert shown.startswith("\x1b[2mReading the revisions ...\x1b[0m\r\n")
    assert shown.count("  done     a1b2c3  add orders  (40 ms, 2 statements)\r\n") == 1
    assert "Target" not in shown.partition("Done: 2 revisions")[2]
    assert "2/2" in shown or "1/2" in shown
    assert "Done: 2 revisions applied" in shown


def test_a_narrow_terminal_shortens_the_statement_and_nothing_else() -> None:
    """The counter and the time stay whole, on one line."""
    bar = bar_of_steps()
    bar.add_task("d4e5f6  line 12: CREATE TABLE orders (id integer NOT NULL, note text)", total=12, completed=4)
    console = Console(width=60, file=io.StringIO(), force_terminal=False)
    with console.capture() as captured:
        console.print(bar.get_renderable())
    assert captured.get().rstrip("\n").endswith("  4/12 0:00:00 d4e5f6  line 12: CREATE …")
