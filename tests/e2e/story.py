"""The story as it is told: acts, what was typed, what came of it, and how long it took."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from tests.support.cli import erm_environment
from tests.support.secrecy import without_secrets

__all__ = ["Story", "WentWrong"]

# Lines of a command's output that are told; the whole output is kept.
SHOWN = 24
# What a terminal would be told by other means.
SPINNING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class WentWrong(Exception):
    """Something is not as the story says."""


@dataclass
class Story:
    """Tells a story on a stream, and in a file where one is wanted.

    Args:
        outputs: the folder that keeps what each command wrote.
        stream: where it is told.
        file: where it is told as well.
        environ: the variables that every command has.
    """

    outputs: Path
    stream: TextIO = field(default_factory=lambda: sys.stdout)
    file: TextIO | None = None
    environ: dict[str, str | None] = field(default_factory=dict)
    acts: list[tuple[str, float]] = field(default_factory=list)
    typed: int = 0

    def tell(self, text: str = "") -> None:
        """A paragraph, a line."""
        # Whoever reads this must not find there what is looked for afterwards.
        safe = without_secrets(text)
        for stream in filter(None, (self.stream, self.file)):
            print(safe, file=stream, flush=True)

    @contextmanager
    def act(self, title: str, why: str) -> Iterator[None]:
        """One act: its title, why it is there, and at its end how long it took."""
        self.tell(f"\n== {len(self.acts) + 1}. {title}\n\n{why}\n")
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self.acts.append((title, took))
        self.tell(f"\n({took:.1f} s)")

    def erm(
        self,
        *words: str | Path,
        cwd: Path,
        exits: int = 0,
        shown: int = SHOWN,
        environ: Mapping[str, str | None] | None = None,
    ) -> str:
        """Type a command of erm's; what it wrote to stdout.

        Args:
            words: after `erm`.
            cwd: the folder.
            exits: the exit code that the story expects.
            shown: how many lines of its output are told; 0 tells none.
            environ: further variables.

        Raises:
            WentWrong: it ended otherwise.
        """
        self.typed += 1
        command = shlex.join(["erm", *map(str, words)])
        self.tell(f"  $ {command}")
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "erm_alembic", *map(str, words)],
            cwd=cwd,
            env=erm_environment({**self.environ, "COLUMNS": "110", **(environ or {})}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        took = time.monotonic() - began
        (self.outputs / f"{self.typed:02}.out").write_text(f"{command}\n{done.stdout}", encoding="utf-8")
        (self.outputs / f"{self.typed:02}.err").write_text(done.stderr, encoding="utf-8")
        told = done.stdout + (f"\n{done.stderr}" if done.returncode not in (0, exits) or not done.stdout else "")
        self._show(told, shown)
        self.tell(f"    -> exit code {done.returncode}, {took:.1f} s")
        if done.returncode != exits:
            raise WentWrong(
                f"`{command}` ended with {done.returncode}, not {exits}:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
            )
        return done.stdout

    def _show(self, text: str, shown: int) -> None:
        lines = [line.rstrip() for line in SPINNING.sub("", text).splitlines() if line.strip()]
        if len(lines) > shown:
            first = shown * 2 // 3
            left_out = f"... {len(lines) - shown} lines ..."
            lines = [*lines[:first], left_out, *lines[len(lines) - (shown - first) :]] if shown else []
        for line in lines:
            self.tell(f"    {line}")

    def hold(self, holds: object, what: str, otherwise: object = "") -> None:
        """Say what is so; the story ends where it is not.

        Raises:
            WentWrong: it is not so.
        """
        if not holds:
            raise WentWrong(f"It is not so: {what}. {otherwise}")
        self.tell(f"  = {what}")

    def figures(self, rows: Sequence[tuple[str, object]]) -> None:
        """A table of figures."""
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            self.tell(f"  {name:<{width}}  {value}")
