"""What a terminal shows of a command, and a picture of it: a pseudo-terminal, an emulator behind it, SVG."""

from __future__ import annotations

import fcntl
import html
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyte

__all__ = ["Cell", "Shown", "picture", "shown"]

# More lines than any picture has: nothing scrolls away.
LINES = 400
WIDE, HIGH, EDGE, BAR = 8.4, 19, 20, 34
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"
INK, PAPER, FRAME = "#d7dee8", "#12171e", "#1d242d"
COLOURS = {
    "default": INK,
    "green": "#7fd9a4",
    "red": "#ff8f86",
    "brown": "#f2bf63",  # what the standard calls yellow
    "blue": "#86adff",
    "cyan": "#7bd5e0",
    "magenta": "#d9a1f2",
}
FAINT = "#8b98a8"


@dataclass(frozen=True)
class Cell:
    """A character with its looks.

    Args:
        text: the character.
        colour: the name of its colour.
        bold: whether it is bold.
        faint: whether it is faint.
    """

    text: str
    colour: str = "default"
    bold: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Shown:
    """What a terminal shows at the end.

    Args:
        lines: its lines, without the empty ones below.
        sent: all that the command wrote to it.
        exit_code: how the command ended.
    """

    lines: tuple[tuple[Cell, ...], ...]
    sent: str
    exit_code: int

    @property
    def text(self) -> list[str]:
        """The lines without their looks."""
        return ["".join(cell.text for cell in line).rstrip() for line in self.lines]


class _Screen(pyte.Screen):
    """A screen that knows faint characters, which the emulator passes over: they are told by a flag that it has."""

    def select_graphic_rendition(self, *attrs: int, **kwargs: bool) -> None:
        super().select_graphic_rendition(*(3 if each == 2 else each for each in attrs), **kwargs)


def shown(
    command: Sequence[str | Path], *, columns: int, cwd: Path, env: Mapping[str, str], timeout: float = 120
) -> Shown:
    """Run a command on a terminal of so many columns.

    Args:
        command: its words.
        columns: the terminal's width.
        cwd: its working directory.
        env: its variables; the terminal's own are added.
        timeout: seconds until it has to have ended, once it has said its last word.
    """
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    environ = {**env, "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"}
    for name in ("COLUMNS", "LINES"):
        environ.pop(name, None)
    process = subprocess.Popen(
        list(map(str, command)), cwd=cwd, env=environ, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    received = b""
    try:
        while chunk := os.read(controller, 65536):
            received += chunk
    except OSError:  # how Linux reports the end of a pseudo-terminal
        pass
    finally:
        os.close(controller)
    code = process.wait(timeout=timeout)
    screen = _Screen(columns, LINES)
    pyte.ByteStream(screen).feed(received)
    lines = [tuple(_cell(screen.buffer[row][column]) for column in range(columns)) for row in range(LINES)]
    while lines and not "".join(cell.text for cell in lines[-1]).strip():
        lines.pop()
    return Shown(tuple(lines), received.decode(), code)


def _cell(char: pyte.screens.Char) -> Cell:
    return Cell(char.data, char.fg if char.fg in COLOURS else "default", char.bold, char.italics)


def picture(what: Shown, typed: str, columns: int) -> str:
    """An SVG of what a terminal shows, under the command that was typed.

    Args:
        what: what it shows.
        typed: the command.
        columns: the terminal's width.
    """
    prompt = (Cell("$", "green"), Cell(" "), *(Cell(each, bold=True) for each in typed))
    lines = (prompt, *what.lines)
    width, height = round(columns * WIDE + 2 * EDGE), BAR + len(lines) * HIGH + EDGE
    rows = [_row(line, BAR + 14 + at * HIGH) for at, line in enumerate(lines)]
    bar = f"M0 {BAR - 6}V10a10 10 0 0 1 10-10h{width - 20}a10 10 0 0 1 10 10v{BAR - 16}z"
    dots = "".join(f'<circle cx="{EDGE + at * 18}" cy="17" r="5.5" fill="#3a4552"/>' for at in range(3))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{html.escape(typed)}" font-family="{FONT}" font-size="14" fill="{INK}">\n'
        f'<rect width="{width}" height="{height}" rx="10" fill="{PAPER}"/>\n'
        f'<path d="{bar}" fill="{FRAME}"/>{dots}\n' + "".join(row for row in rows if row) + "</svg>\n"
    )


def _row(line: Sequence[Cell], y: int) -> str:
    """A line as one text, in which each run of looks has its place: no font decides where a column is."""
    spans, column = [], 0
    for looks, same in groupby(line, key=lambda cell: (cell.colour, cell.bold, cell.faint)):
        text = "".join(cell.text for cell in same)
        # Several spaces would become one.
        spans += [_span(part[0], column + part.start(), looks) for part in re.finditer(r"\S+(?: \S+)*", text)]
        column += len(text)
    return f'<text y="{y}">{"".join(spans)}</text>\n' if spans else ""


def _span(text: str, column: int, looks: tuple[str, bool, bool]) -> str:
    colour, bold, faint = looks
    fill = FAINT if faint and colour == "default" else COLOURS[colour]
    told = "" if fill == INK else f' fill="{fill}"'
    weight = ' font-weight="700"' if bold else ""
    length = f' textLength="{len(text) * WIDE:.1f}"' if len(text) > 1 else ""
    return f'<tspan x="{EDGE + column * WIDE:.1f}"{length}{told}{weight}>{html.escape(text)}</tspan>'
