"""The process of the smoke tests: `python -m erm_alembic.testing.smoke.child`.

Its job comes as one line on its standard input, and the descriptor of its events as its argument. It opens its one
connection, closes all other doors, and runs pytest. When its parent is gone, however it went, so is it; and the server
rolls back what it left.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Psycopg2Connection

from erm_alembic.config.redaction import first_line, redact
from erm_alembic.config.sealed import register_address
from erm_alembic.testing.smoke.job import APPLICATION, FILES_CLOSED, SmokeJob
from erm_alembic.testing.smoke.supervising import end_with_supervisor, supervised

__all__ = ["main"]

PARENT_GONE = 3
CANNOT_CONNECT = 4
# pytest would rewrite the package of every plugin, and this process runs in erm's: it warns, which a project may have
# made an error of.
NO_REWRITING = ("-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning")


def main() -> int:
    """Do the job that stands on the standard input."""
    orders = os.fdopen(os.dup(0), "rb")
    is_supervised = supervised(orders.fileno(), int(sys.argv[1]))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    job = SmokeJob.from_json(orders.readline().decode("utf-8"))
    register_address(job.dsn)
    emit = _emitter(job.events)
    os.environ.clear()
    os.environ.update(job.environ)
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as it is spelled there
    try:
        code = _run(job, emit, lambda: _end_with_parent(orders), is_supervised)
    except psycopg2.Error as error:
        emit({"event": "fatal", "what": first_line(error)})
        code = CANNOT_CONNECT
    emit({"event": "end", "code": code})
    return code


def _run(
    job: SmokeJob, emit: Callable[[dict[str, Any]], None], watch_parent: Callable[[], None], is_supervised: bool
) -> int:
    import pytest

    from erm_alembic import testing
    from erm_alembic.testing.smoke.collecting import SmokePlugin
    from erm_alembic.testing.smoke.connection import SmokeConnection
    from erm_alembic.testing.smoke.engines import JoinedEngines
    from erm_alembic.testing.smoke.escapes import Escapes
    from erm_alembic.testing.smoke.gate import SmokeGate
    from erm_alembic.testing.smoke.guard import close_doors
    from erm_alembic.testing.smoke.transaction import SmokeTransaction

    connection = psycopg2.connect(job.dsn, connection_factory=SmokeConnection, application_name=APPLICATION)
    emit({"event": "connected", "pid": connection.info.backend_pid})
    escapes = Escapes(
        lambda what: emit({"event": "escape", "what": what}),
        lambda what: emit({"event": "note", "what": redact(what)}),
    )
    transaction = SmokeTransaction(connection, escapes, major=job.major, limits=job.limits, role=job.role)
    transaction.look_around()
    connection.gate = SmokeGate(transaction)
    engines = JoinedEngines(transaction, job.database)
    close_doors(escapes, job.hosts)
    if is_supervised:  # the system forgets it of a process that leaves its network
        end_with_supervisor()
    threading.Thread(target=watch_parent, name="erm-lifeline", daemon=True).start()
    header = f"erm smoke: {job.environment}; each test in a transaction that is rolled back"
    plugin = SmokePlugin(transaction, engines, is_standby=job.is_standby, emit=emit, header=header)
    try:
        return int(pytest.main([*NO_REWRITING, *job.arguments], plugins=[testing, plugin]))
    finally:
        Psycopg2Connection.close(connection)  # whatever it is in is rolled back by the server


def _end_with_parent(orders: Any) -> None:
    """Nobody writes after the job: what is read is the end, which comes with that of the parent."""
    try:
        orders.read(1)
        os.fstat(orders.fileno())
    except (OSError, ValueError):
        os._exit(FILES_CLOSED)
    if os.getpgrp() == os.getpid():  # with all that tests have started
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(PARENT_GONE)


def _emitter(descriptor: int) -> Callable[[dict[str, Any]], None]:
    os.set_inheritable(descriptor, False)
    lock, own = threading.Lock(), os.getpid()

    def emit(event: dict[str, Any]) -> None:
        if os.getpid() == own:  # a process that a test has forked speaks for nobody
            with lock:
                try:
                    os.write(descriptor, json.dumps(event).encode("utf-8") + b"\n")
                except OSError:  # nobody hears what becomes of the tests any more
                    os._exit(FILES_CLOSED)

    return emit


if __name__ == "__main__":
    os._exit(main())  # threads that tests have left behind do not hold the run up
