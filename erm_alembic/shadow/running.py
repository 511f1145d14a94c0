"""The parent's side of the child process: start it, hand it its job, hear its events, and never outlive it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.shadow.job import Job

__all__ = ["run_child"]

LAST_WORDS = 400
ENDING_SECONDS = 5.0


def run_child(
    job: Job, environ: Mapping[str, str], on_event: Callable[[dict[str, Any]], None] | None = None
) -> list[dict[str, Any]]:
    """Run a task in a process of its own, and wait for its end.

    Args:
        job: what is to be done; its `path` and `variables` are filled in here.
        environ: the environment that the project's code sees.
        on_event: told each event as it comes.

    Returns:
        The events, in order, without the last one that says that it ended well.

    Raises:
        ShadowUnavailable: the task failed, with its reason; or the process ended without a word.
    """
    started = dict(environ)
    packages = str(Path(__file__).parents[2])
    started["PYTHONPATH"] = os.pathsep.join(filter(None, (packages, environ.get("PYTHONPATH"))))
    job = replace(
        job,
        path=tuple(os.path.abspath(entry) for entry in sys.path),  # noqa: PTH100 - zip files and missing folders too
        variables={"PYTHONPATH": environ.get("PYTHONPATH")},
    )
    with tempfile.TemporaryFile() as said:
        # A session of its own: Ctrl-C is the parent's, which ends the child.
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "erm_alembic.shadow.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=started,
            start_new_session=True,
        )
        try:
            assert child.stdin is not None and child.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(job.to_json().encode("utf-8") + b"\n")
                child.stdin.flush()
            events = _events(child.stdout, on_event)
        finally:
            _end(child)
        return _well_ended(events, child.returncode, said)


def _events(results: IO[bytes], on_event: Callable[[dict[str, Any]], None] | None) -> list[dict[str, Any]]:
    events = []
    for line in results:
        event = json.loads(line)
        events.append(event)
        if event["event"] in ("end", "error"):
            break
        if on_event is not None:
            on_event(event)
    return events


def _end(child: subprocess.Popen[bytes]) -> None:
    """Wait for the child; one that goes on (a thread of the project's, a signal here) is ended."""
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        child.wait(ENDING_SECONDS if child.poll() is None and sys.exc_info()[0] is None else 0.2)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _well_ended(events: list[dict[str, Any]], code: int, said: IO[bytes]) -> list[dict[str, Any]]:
    last = events[-1] if events else {"event": "nothing"}
    if last["event"] == "end":
        return events[:-1]
    if last["event"] == "error":
        raise ShadowUnavailable(redact(last["what"]), cure=last["cure"])
    said.seek(0)
    words = " ".join(said.read()[-LAST_WORDS:].decode("utf-8", "replace").split())
    raise ShadowUnavailable(
        f"The process that runs revisions in the shadow ended with code {code}: {redact(words) or 'it said nothing'}",
        cure="Run env.py and the revisions by themselves: `alembic upgrade head` on an empty database says more.",
    )
