"""The parent's side of the child process: start it, hand it its job, hear its events, and never outlive it.

It may be started before its job is known: most of its time goes into loading, which needs no job.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.shadow.child.closed_parent import closed_to_others
from erm_alembic.shadow.child.job import Job

__all__ = ["Child"]

LAST_WORDS = 400
ENDING_SECONDS = 5.0
# What Python itself needs to start; the project's code sees the job's variables instead.
NEEDED = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV"})


class Child:
    """A process for one task, which waits until it is told which; it is ended with the block.

    Example:
        with Child() as child:
            events = child.run(job, environ)
    """

    def __init__(self) -> None:
        packages = str(Path(__file__).parents[2])
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in NEEDED or name.startswith(("LC_", "PYTHON", "COVERAGE"))
        }
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (packages, os.environ.get("PYTHONPATH"))))
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        with ExitStack() as closing:
            closing.enter_context(closed_to_others())
            # A session of its own: Ctrl-C is the parent's, which ends the child.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "erm_alembic.shadow.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=kept,
                start_new_session=True,
            )
            self._closing = closing.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def run(
        self, job: Job, environ: Mapping[str, str], on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> list[dict[str, Any]]:
        """Run a task, and wait for its end.

        Args:
            job: what is to be done; its `environ` is filled in here.
            environ: the variables that the project's code sees.
            on_event: told each event as it comes.

        Returns:
            The events, in order, without the last one that says that it ended well.

        Raises:
            ShadowUnavailable: the task failed, with its reason; or the process ended without a word.
        """
        job = replace(job, environ=environ)
        orders, results = self._process.stdin, self._process.stdout
        assert orders is not None and results is not None
        with contextlib.suppress(BrokenPipeError):
            orders.write(job.to_json().encode("utf-8") + b"\n")
            orders.flush()
        events = []
        for line in results:
            event = json.loads(line)
            events.append(event)
            if event["event"] in ("end", "error"):
                break
            if on_event is not None:
                on_event(event)
        self._wait(ENDING_SECONDS)
        return self._well_ended(events)

    def kill(self) -> None:
        """End the process while another thread hears it, which is then told that it is gone."""
        self._process.kill()

    def end(self) -> None:
        """End the process, whatever it does."""
        self._wait(0.0)
        self._said.close()

    def _wait(self, patience: float) -> None:
        """Wait for its end; one that goes on (a thread of the project's, a signal here) is ended."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._closing.close()

    def _well_ended(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        last = events[-1] if events else {"event": "nothing"}
        if last["event"] == "end":
            return events[:-1]
        if last["event"] == "error":
            error = ShadowUnavailable(redact(last["what"]), cure=last["cure"])
            error.sqlstate = last.get("sqlstate")
            raise error
        self._said.seek(0)
        words = " ".join(self._said.read()[-LAST_WORDS:].decode("utf-8", "replace").split())
        raise ShadowUnavailable(
            f"The process that runs revisions in the shadow ended with code {self._process.returncode}: "
            f"{redact(words) or 'it said nothing'}",
            cure="Run env.py and the revisions by themselves: `alembic upgrade head` on an empty database says more.",
        )
