"""Between `erm smoke` and the process of the tests, on Linux: who ends all that tests have started, whatever they do.

A process that leaves its session and its group is in none that could be ended as a whole, but it remains a descendant:
this one takes the orphans in. It runs nothing of the project, so that nothing holds it up when the run is over, or
killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

__all__ = ["end_with_supervisor", "supervised"]

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SUPERVISOR_GONE = 3
ENDING_SECONDS = 4.0
LOOK_AGAIN_MS = 100
PAUSE = 0.005


def supervised(lifeline: int, events: int) -> bool:
    """Go on in a process of its own, while this one waits for its end; that of `lifeline` is its end, too.

    Args:
        lifeline: a descriptor that is hung up when the run is over.
        events: a descriptor that the process of the tests has for itself, with its output.

    Returns:
        Whether there is somebody who waits; where the system does not know how, nobody is.
    """
    if not _prctl(PR_SET_CHILD_SUBREAPER, 1):
        return False
    tests = os.fork()
    if tests == 0:
        return True
    try:
        _leave(events)
        _wait(tests, lifeline)
        code = _end_all(tests)
    except BaseException:
        os._exit(SUPERVISOR_GONE)
    if code < 0:  # it was killed, and so it is told
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)


def end_with_supervisor() -> None:
    """Have the system kill this process once the one that waits for it is gone, whatever it is doing then."""
    supervisor = os.getppid()
    if _prctl(PR_SET_PDEATHSIG, signal.SIGKILL) and os.getppid() != supervisor:
        os._exit(SUPERVISOR_GONE)


def _prctl(what: int, value: int) -> bool:
    prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
    return prctl is not None and prctl(what, value, 0, 0, 0) == 0


def _leave(events: int) -> None:
    """Hold nothing by which the process of the tests is heard: that it is silent for good is told by its end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    os.close(events)


def _wait(tests: int, lifeline: int) -> None:
    """Wait for the end of the tests, or of the run."""
    poll = select.poll()
    poll.register(lifeline, 0)  # what is written there is the order, and that of the tests
    with contextlib.suppress(AttributeError, OSError):
        poll.register(os.pidfd_open(tests), select.POLLIN)
    while os.waitid(os.P_PID, tests, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if any(descriptor == lifeline for descriptor, _ in poll.poll(LOOK_AGAIN_MS)):
            return


def _end_all(tests: int) -> int:
    """Kill all descendants, and take leave of them; what the process of the tests exited with."""
    code, deadline = -signal.SIGKILL, time.monotonic() + ENDING_SECONDS
    while time.monotonic() < deadline:
        for pid in _descendants():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if ended == tests:
            code = os.waitstatus_to_exitcode(status)
        elif ended == 0:
            time.sleep(PAUSE)
    return code


def _descendants() -> list[int]:
    """Those that still run: children, and children of children."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError, ValueError):
                state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
                if state not in ("Z", "X"):
                    children.setdefault(int(parent), []).append(int(entry.name))
    found, left = [], [os.getpid()]
    while left:
        mine = children.get(left.pop(), [])
        found += mine
        left += mine
    return found
