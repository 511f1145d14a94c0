"""The parent's side of the process of the smoke tests: start it, hear it, and never leave it behind."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from erm_alembic.config.redaction import redact
from erm_alembic.shadow.child.closed_parent import closed_to_others
from erm_alembic.testing.smoke.job import SmokeJob

__all__ = ["SmokeProcess"]

CHUNK = 64 * 1024
ENDING_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.2
LEAVING_PAUSE = 0.01
WRITTEN_OVER = (
    "Something has written into a file that was not its own: what erm was to hear of the tests may be incomplete."
)
# What Python itself needs to start; the tests see the job's variables instead.
NEEDED = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV"})


class SmokeProcess:
    """A process that runs pytest; it is ended with the block.

    Args:
        cwd: its working directory.
        show: given each line that it writes, without secrets.
        heard: told each event.

    Example:
        with SmokeProcess(folder, show, heard) as process:
            ended_by_itself = process.run(job, seconds=600)
    """

    def __init__(self, cwd: Path, show: Callable[[str], None], heard: Callable[[dict[str, Any]], None]) -> None:
        self._show, self._heard = show, heard
        # Whether it went on after it had closed all by which it is heard.
        self.is_unheard = False
        reading, self._events = os.pipe()
        self._streams: dict[int, bytes] = {}
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in NEEDED or name.startswith(("LC_", "PYTHON", "COVERAGE"))
        }
        packages = str(Path(__file__).parents[3])
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))
        with ExitStack() as closing:
            closing.callback(os.close, reading)
            closing.enter_context(closed_to_others())
            # A session of its own: Ctrl-C is the parent's, which ends it.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-u", "-m", "erm_alembic.testing.smoke.child", str(self._events)],
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=kept,
                pass_fds=[self._events],
                start_new_session=True,
            )
            self._closing = closing.pop_all()
        assert self._process.stdout is not None
        self._output, self._told = self._process.stdout.fileno(), reading

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def run(self, job: SmokeJob, seconds: float) -> bool:
        """Run the tests to their end.

        Args:
            job: what is to be done; `events` is filled in here.
            seconds: how long it may take.

        Returns:
            Whether it ended by itself.
        """
        orders = self._process.stdin
        assert orders is not None
        with contextlib.suppress(BrokenPipeError):
            orders.write(replace(job, events=self._events).to_json().encode("utf-8") + b"\n")
            orders.flush()
        os.close(self._events)
        self._events = -1
        deadline = time.monotonic() + seconds
        self._streams = {self._output: b"", self._told: b""}
        with selectors.DefaultSelector() as selector:
            for stream in self._streams:
                os.set_blocking(stream, False)
                selector.register(stream, selectors.EVENT_READ)
            while self._streams and not self._has_ended():
                if time.monotonic() > deadline:
                    return False
                for key, _ in selector.select(LOOK_AGAIN_SECONDS):
                    if not self._read(key.fd):
                        selector.unregister(key.fd)
                        self._streams.pop(key.fd)
        self._await_end()
        # What still stands in the pipes; a process that a test has left behind may hold them open for ever.
        for stream in list(self._streams):
            while self._read(stream):
                pass
        return True

    def _await_end(self) -> None:
        """Wait a moment for the end of a process that has closed all by which it is heard; it may not be at its end."""
        deadline = time.monotonic() + ENDING_SECONDS
        while not self._has_ended():
            if time.monotonic() > deadline:
                self.is_unheard = True
                return
            time.sleep(LEAVING_PAUSE)

    def end(self) -> int:
        """End the process, whatever it does; what it exited with."""
        if self._events >= 0:
            os.close(self._events)
            self._events = -1
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        # With all that tests have started and left behind. Where somebody supervises them, he ends what has left the
        # session and the group, too; else, and if he does not, these are its own.
        if self._process.returncode is None:
            if sys.platform == "linux":
                self._await_end()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._closing.close()
        return code

    def _has_ended(self) -> bool:
        """Whether it has, without taking leave of it: until then nobody else gets its number."""
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _hear(self, line: bytes) -> None:
        """An event; whatever a test has written there is none."""
        try:
            self._heard(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._heard({"event": "problem", "what": WRITTEN_OVER})

    def _read(self, stream: int) -> bool:
        """Take what can be read now; False at the end."""
        try:
            data = os.read(stream, CHUNK)
        except BlockingIOError:
            return False
        *lines, rest = (self._streams[stream] + data).split(b"\n")
        if not data and rest:
            lines, rest = [rest], b""
        self._streams[stream] = rest
        for line in lines:
            if stream == self._told:
                self._hear(line)
            else:
                self._show(redact(line.decode("utf-8", "replace")))
        return bool(data)
