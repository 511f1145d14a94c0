"""A plan on a real pseudo-terminal with an emulator behind it: what an engineer sees at 80 and at 200 columns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.pictures.terminal import Shown, picture, shown
from tests.support.cli import REPOSITORY

# The command line over the stand-in pipeline, with a plan that has much to say.
PROGRAM = """
import sys, pytest
from tests.cli.pipeline import FakePipeline, install
from tests.report.plans import BLOCKED
from erm_alembic.cli.main import run
install(pytest.MonkeyPatch(), FakePipeline(answer_plan=BLOCKED))
run(sys.argv[1:])
"""
COMMAND = (sys.executable, "-c", PROGRAM, "migrate", "--mode", "plan", "--to", "b2")


def environ(**more: str) -> dict[str, str]:
    """The variables of a command, without what decides on colour."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "TERM")}
    return {**kept, "PYTHONPATH": str(REPOSITORY), **more}


def seen(columns: int, cwd: Path, *more: str, **env: str) -> Shown:
    """The plan on a terminal."""
    return shown((*COMMAND, *more), columns=columns, cwd=cwd, env=environ(**env))


@pytest.fixture(scope="module")
def piped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The plan in a pipe."""
    folder = tmp_path_factory.mktemp("piped")
    done = subprocess.run(
        COMMAND, cwd=folder, env=environ(TERM="xterm-256color"), capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert b"\x1b" not in done.stdout + done.stderr
    return done.stdout.decode()


@pytest.mark.parametrize("columns", [80, 200])
def test_a_terminal_shows_every_word_whole(columns: int, tmp_path: Path, piped: str) -> None:
    """What a pipe gets stands there word for word, none cut by the edge, but in the command that is to be copied."""
    result = seen(columns, tmp_path)
    assert result.exit_code == 1
    lines = result.text[result.text.index(piped.split("\n")[0]) :]
    command = next(line for line in piped.splitlines() if line.startswith("  erm migrate"))
    told = "\n".join(lines)
    for row in range(0, len(command), columns):
        assert command[row : row + columns].strip() in told
        told = told.replace(command[row : row + columns].rstrip(), "", 1)
    assert told.split() == piped.replace(command, "", 1).split()
    assert max(map(len, lines)) <= columns
    assert lines != piped.splitlines() or columns == 200


def test_what_goes_on_in_the_next_line_is_set_in(tmp_path: Path) -> None:
    """At 80 columns, no line that goes on begins at the margin."""
    lines = seen(80, tmp_path).text
    at = next(number for number, line in enumerate(lines) if "blocks reads and writes of public.orders" in line)
    first = lines.index("Findings:")
    assert all(line.startswith("  ") for line in lines[first + 1 : first + 8] if line)
    assert lines[at].startswith("           blocks")


def test_what_objects_is_red_and_what_is_beside_the_point_faint(tmp_path: Path) -> None:
    """The looks tell what to read first."""
    result = seen(120, tmp_path)
    looks = {"".join(cell.text for cell in line if cell.colour == "red" and cell.bold).strip() for line in result.lines}
    assert "error" in looks
    assert any(cell.faint for line in result.lines for cell in line)


def test_verbose_leaves_texts_as_they_are(tmp_path: Path) -> None:
    """With -v, statements are to be copied: the terminal breaks them, erm does not."""
    result = seen(80, tmp_path, "-v")
    whole = "blocks reads and writes of public.orders for 21 ms to 4.0 s: changes the catalog only"
    assert whole in result.sent


def test_no_color_leaves_the_words(tmp_path: Path) -> None:
    """The same lines without colour."""
    with_colour, without = seen(80, tmp_path), seen(80, tmp_path, NO_COLOR="1")
    assert "\x1b[" in with_colour.sent
    assert "\x1b[" not in without.sent
    assert with_colour.text == without.text


def test_a_picture_of_a_terminal_is_well_formed(tmp_path: Path) -> None:
    """Each line is text in it, and names in it are no markup."""
    result = seen(80, tmp_path)
    told = ElementTree.fromstring(picture(result, "erm migrate --mode plan <&>", 80))
    words = " ".join(each.text or "" for each in told.iter("{http://www.w3.org/2000/svg}tspan"))
    assert "$ erm migrate --mode plan <&>" in words
    assert "Undo" in words
