"""Whole processes, timed side by side: A, B, A, B ..., so that a load on the machine falls on both alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Command", "Timing", "environment", "measured", "median_ratio", "side_by_side"]


@dataclass(frozen=True)
class Command:
    """One command line.

    Args:
        argv: the program and its arguments.
        folder: where it runs.
        before: called before each run, outside the measured time (to empty a database, say).
        environment: variables on top of this process's.
    """

    argv: Sequence[str | Path]
    folder: Path
    before: Callable[[], None] | None = None
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Timing:
    """What one run took.

    Args:
        wall: seconds from start to end.
        cpu: seconds of processor time, the process's own and its children's.
        memory: the most memory that it held at once, in bytes.
    """

    wall: float
    cpu: float
    memory: int


def environment(further: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a measured process: this checkout's erm, its bytecode kept apart from everybody else's."""
    bytecode = Path(tempfile.gettempdir(), f"erm-benchmarks-bytecode-{os.getuid()}")
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    checkout = str(Path(__file__).resolve().parents[1])
    return {**inherited, "PYTHONPATH": checkout, "PYTHONPYCACHEPREFIX": str(bytecode), **(further or {})}


def measured(command: Command) -> Timing:
    """Run a command once.

    Raises:
        RuntimeError: it failed; a failing command is quick, and proves nothing.
    """
    if command.before is not None:
        command.before()
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command.argv],
        cwd=command.folder,
        env=environment(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode != 0:
        raise RuntimeError(f"{command.argv} ended with {process.returncode}:\n{said.decode(errors='replace')[-2000:]}")
    return Timing(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def side_by_side(commands: Mapping[str, Command], rounds: int) -> dict[str, list[Timing]]:
    """Run all commands in turn, `rounds` times, after one round that only warms up caches and bytecode."""
    for command in commands.values():
        measured(command)
    found: dict[str, list[Timing]] = {name: [] for name in commands}
    for number in range(rounds):
        # Every other round backwards: whatever a command leaves to its follower, each one gets.
        for name in list(commands) if number % 2 == 0 else reversed(list(commands)):
            found[name].append(measured(commands[name]))
    return found


def median_ratio(found: Mapping[str, list[Timing]], name: str, beside: str) -> float:
    """The median over the rounds of what `name` took, as a multiple of what `beside` took in the same round."""
    return statistics.median(one.wall / other.wall for one, other in zip(found[name], found[beside], strict=True))
