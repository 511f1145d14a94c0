"""A page with commands, walked through as a reader would: files are written, commands typed, their output compared.

- A block of `python`, `yaml` or `ini` that begins with `# path` is a file; with `# path: at the end` it is added to
  one; with `# path: instead of its last line` its last line is replaced.
- A block of `console` has commands after `$ `, each with what it prints; `...` stands for anything, also for lines.
  A command that fails is followed by `exit code N`.
"""

from __future__ import annotations

import doctest
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "Command", "blocks", "commands", "run_command", "shown_by", "write_file"]

FENCED = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"# (?P<path>[\w./-]+)(?:: (?P<how>.*))?\n")
# What only says that something takes a moment.
UNDER_WAY = ("Starting PostgreSQL ", "Rehearsing ")
EXIT = re.compile(r"exit code (\d+)")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        language: the word behind the fence.
        text: what stands in it.
    """

    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """One command of a page.

    Args:
        line: as it is typed.
        shown: what it prints, as the page has it.
        code: how it ends.
    """

    line: str
    shown: tuple[str, ...]
    code: int = 0


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for found in FENCED.finditer(page):
        yield Block(found["language"], found["text"])


def commands(block: Block) -> Iterator[Command]:
    """The commands of a block of `console`."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, *shown = part.rstrip("\n").split("\n")
        code = EXIT.fullmatch(shown[-1]) if shown else None
        if code is not None:
            shown = shown[:-1]
        yield Command(line, tuple(shown), int(code[1]) if code is not None else 0)


def write_file(block: Block, folder: Path) -> bool:
    """Do what a block says of a file; whether it is about one.

    Args:
        block: the block.
        folder: where the reader stands.
    """
    found = PLACE.match(block.text)
    if block.language not in ("python", "yaml", "ini") or found is None:
        return False
    path, text = folder / found["path"], block.text[found.end() :]
    path.parent.mkdir(parents=True, exist_ok=True)
    if found["how"] == "at the end":
        text = path.read_text(encoding="utf-8") + text
    elif found["how"] is not None:
        assert found["how"] == "instead of its last line"
        text = "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]) + text
    path.write_text(text, encoding="utf-8")
    return True


def run_command(command: Command, folder: Path, environ: Mapping[str, str]) -> tuple[Path, str]:
    """Type a command into a shell.

    Args:
        command: the command.
        folder: where the reader stands.
        environ: the variables.

    Returns:
        Where the reader stands then, and what was printed.
    """
    done = subprocess.run(
        ["bash", "-c", f"{{ {command.line}\n}} 2>&1; code=$?; printf '\\n%s' \"$PWD\"; exit $code"],
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    printed, _, place = done.stdout.rpartition("\n")
    assert done.returncode == command.code, f"$ {command.line}\n{printed}\n{done.stderr}"
    return Path(place), printed


def shown_by(command: Command, printed: str) -> bool:
    """Whether a command has printed what its page shows, where `...` stands for anything.

    Example:
        >>> shown_by(Command("ls", ("a", "...", "z...")), "a\nb\nc\nz9\n")
        True
        >>> shown_by(Command("ls", ("a", "b")), "a\\nc\\n")
        False
    """
    want = "\n".join(command.shown) + "\n"
    lines = [line.rstrip() for line in printed.strip("\n").split("\n")]
    got = "\n".join(line for line in lines if not line.startswith(UNDER_WAY)) + "\n"
    # No line is also anything.
    got = ("\n" if command.shown[:1] == ("...",) else "") + got + ("\n" if command.shown[-1:] == ("...",) else "")
    return doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS) if command.shown else True
