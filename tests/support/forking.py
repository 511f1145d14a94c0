"""Processes of `erm` and `alembic`, forked from one that has imported what they need: that is most of a short run.

What is forked is a process like any other: it has its own streams, environment, working directory, signals and exit
code, and begins with `__main__`. Where the imports themselves could differ (a variable that Python reads as it starts,
a module in the working directory that would come before an imported one), a Python of its own is started.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.forker import PID_WIDTH, WRITES_BYTECODE, receive, send

# Python and the C library read these as a process starts; later is too late.
READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "DYLD_", "MALLOC_")

MAIN = "import sys; from tests.support.forker import serve; serve(sys.argv[1], int(sys.argv[2]))"


class Forked:
    """A process that was forked; what a test needs of `subprocess.Popen`.

    Args:
        pid: its process id.
        end: a pipe that says how it ended.
        stdout: what it writes.
        stderr: what it writes there.
    """

    def __init__(self, pid: int, end: int, stdout: IO[str], stderr: IO[str]) -> None:
        self.pid = pid
        self.stdout: IO[str] | None = stdout
        self.stderr: IO[str] | None = stderr
        self.returncode: int | None = None
        self._end = end
        self._streams = (stdout, stderr)
        self._said: dict[IO[str], str] = {}
        self._readers: list[threading.Thread] = []

    def _read(self, stream: IO[str]) -> None:
        with stream:
            self._said[stream] = stream.read()

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, for so many seconds at most."""
        if self.returncode is None:
            ready, _, _ = select.select([self._end], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            said = os.read(self._end, 32)
            os.close(self._end)
            assert said, "the process that forks ended"
            self.returncode = os.waitstatus_to_exitcode(int(said))
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read what it says until it ends, and answer stdout and stderr."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._readers:
            self._readers = [
                threading.Thread(target=self._read, args=(stream,), daemon=True) for stream in self._streams
            ]
            for reader in self._readers:
                reader.start()
        for reader in self._readers:
            reader.join(_left(deadline))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        self.wait(_left(deadline))
        out, err = (self._said[stream] for stream in self._streams)
        return out, err


def start(
    package: str,
    *args: str | Path,
    cwd: str | Path,
    environ: Mapping[str, str],
    input: str = "",
    own_group: bool = False,
) -> Forked | subprocess.Popen[str]:
    """Start `python -m package` with arguments in a folder; what it says goes into pipes.

    Args:
        package: `erm_alembic` or `alembic`.
        args: the arguments after it.
        cwd: working directory.
        environ: its whole environment.
        input: what it reads from its standard input, a pipe.
        own_group: whether it leads a process group of its own.
    """
    words = list(map(str, args))
    stdin, ours = os.pipe()
    threading.Thread(target=_write, args=(ours, input), daemon=True).start()
    try:
        # Libraries of macOS do not survive a fork.
        if sys.platform != "darwin" and not (server := _server(package)).would_differ(Path(cwd), environ):
            return server.start(words, str(cwd), dict(environ), stdin, own_group)
        return subprocess.Popen(
            [sys.executable, "-m", package, *words],
            cwd=cwd,
            env=environ,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0 if own_group else None,
        )
    finally:
        os.close(stdin)


def _write(descriptor: int, text: str) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "w") as stream:
        stream.write(text)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _ignored_signals() -> frozenset[int]:
    return frozenset(number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN)


def _module(path: Path) -> str | None:
    """The name under which a file or folder can be imported."""
    if path.suffix in (".py", ".so"):
        return path.name.partition(".")[0]
    return path.name if (path / "__init__.py").exists() else None


@dataclass
class _Server:
    """The process that forks, and how to talk to it.

    Args:
        process: that process.
        control: what it hears.
        environ: its environment.
        ignored: the signals that it was born to ignore.
        imported: the names of all modules and packages that it has imported.
        lock: held while it is talked to.
    """

    process: subprocess.Popen[bytes]
    control: socket.socket
    environ: dict[str, str]
    ignored: frozenset[int]
    imported: frozenset[str]
    lock: threading.Lock

    def would_differ(self, cwd: Path, environ: Mapping[str, str]) -> bool:
        """Whether a Python that starts now, in this folder and environment, could be another one."""
        if _ignored_signals() != self.ignored:
            return True
        for name in self.environ.keys() | environ.keys():
            differs = self.environ.get(name) != environ.get(name)
            if differs and name.startswith(READ_AT_START) and name != WRITES_BYTECODE:
                return True
        # `python -m` looks there first.
        return any(_module(path) in self.imported for path in cwd.iterdir())

    def start(self, words: list[str], cwd: str, environ: dict[str, str], stdin: int, own_group: bool) -> Forked:
        """Have a process forked."""
        # What a test has set for its own process holds for the ones that it starts, too.
        mask = os.umask(0)
        os.umask(mask)
        request = {"words": words, "cwd": cwd, "environ": environ, "umask": mask, "own_group": own_group}
        (stdout, their_out), (stderr, their_err), (end, their_end) = (os.pipe() for _ in range(3))
        try:
            with self.lock:
                send(self.control, request, [stdin, their_out, their_err, their_end])
        finally:
            for descriptor in (their_out, their_err, their_end):
                os.close(descriptor)
        return Forked(int(os.read(end, PID_WIDTH)), end, os.fdopen(stdout), os.fdopen(stderr))

    def close(self) -> None:
        """End it."""
        self.control.close()
        self.process.communicate(timeout=10)


_started: dict[tuple[int, str], _Server] = {}
_starting = threading.Lock()


def _server(package: str) -> _Server:
    """The process that forks those of a package, for this test process."""
    key = (os.getpid(), package)
    with _starting:
        if key not in _started:
            _started[key] = server = _start_server(package)
            atexit.register(server.close)
        return _started[key]


def _start_server(package: str) -> _Server:
    from tests.support.cli import REPOSITORY, erm_environment

    environ, ignored = erm_environment(), _ignored_signals()
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, package, str(theirs.fileno())],
            cwd=REPOSITORY,
            env=environ,
            # Pipes like those that take their places: a stream remembers what it was made for.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
    try:
        imported, _ = receive(ours)
    except EOFError:
        raise AssertionError(process.communicate()[1].decode()) from None
    return _Server(process, ours, environ, ignored, frozenset(imported), threading.Lock())
