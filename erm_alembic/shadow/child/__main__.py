"""The process that runs env.py and revisions in the shadow: `python -m erm_alembic.shadow.child`.

Its job comes as one line on its standard input, which is then closed to everybody but a thread that waits for its end:
when the parent is gone, however it went, so is the child. Events go as JSON lines to its original standard output;
whatever the project prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

from erm_alembic.config.redaction import first_line, redact
from erm_alembic.config.sealed import register_address
from erm_alembic.errors import ErmError

__all__ = ["main"]

PARENT_GONE = 3
DEEPEST = 20


def main() -> int:
    """Do the job that stands on the standard input, and tell its events on the standard output."""
    orders, results = _private_streams()
    # Before the job is there: the parent is busy meanwhile.
    from erm_alembic.shadow.child import session as _loaded  # noqa: F401 - while the parent is busy
    from erm_alembic.shadow.child.job import Job
    from erm_alembic.shadow.child.tasks import task_named

    line = orders.readline()
    if not line:
        return 0  # nobody has anything to do after all
    job = Job.from_json(line.decode("utf-8"))
    register_address(job.url)
    emit = _emitter(results)
    _settle(job, emit)
    threading.Thread(target=_end_with_parent, args=(orders,), name="erm-lifeline", daemon=True).start()
    try:
        task_named(job.task)(job, emit)
    except ErmError as error:
        emit({**_failure(redact(error.what), redact(error.effect), redact(error.cure)), "sqlstate": _sqlstate(error)})
        return 1
    except BaseException as error:
        emit(_failure(f"{type(error).__name__}: {first_line(error)}"))
        if not isinstance(error, Exception):
            raise
        return 1
    emit({"event": "end"})
    return 0


def _private_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Take both streams away from the project's code: it reads nothing, and prints to stderr."""
    orders = os.fdopen(os.dup(0), "rb")
    results = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, results


def _end_with_parent(orders: IO[bytes]) -> None:
    """Nobody writes after the job: what is read is the end, which comes with that of the parent."""
    orders.read(1)
    os._exit(PARENT_GONE)


def _settle(job: Any, emit: Callable[[dict[str, Any]], None]) -> None:
    """Be as the parent is: the same import path, the same variables; and let nothing connect elsewhere."""
    from erm_alembic.shadow.child.isolation import isolate

    sys.path[:] = job.path
    os.environ.clear()
    os.environ.update(job.environ)
    isolate(job.url, lambda place: emit({"event": "refused", "place": place}))


def _emitter(results: IO[bytes]) -> Callable[[dict[str, Any]], None]:
    lock = threading.Lock()
    own = os.getpid()

    def emit(event: dict[str, Any]) -> None:
        if os.getpid() != own:
            return  # a process that a revision has forked speaks for nobody
        with lock:
            results.write(json.dumps(event, default=str).encode("utf-8") + b"\n")
            results.flush()

    return emit


def _sqlstate(error: BaseException | None) -> str | None:
    """What the server said of a statement that it refused, somewhere beneath an error."""
    for _ in range(DEEPEST):
        if error is None:
            return None
        state = getattr(getattr(error, "orig", error), "pgcode", None)
        if isinstance(state, str):
            return state
        error = error.__cause__ or error.__context__
    return None


def _failure(what: str, effect: str = "", cure: str = "") -> dict[str, Any]:
    return {"event": "error", "what": what, "effect": effect, "cure": cure}


if __name__ == "__main__":
    sys.exit(main())
