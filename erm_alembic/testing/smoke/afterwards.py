"""After the tests: their session is gone, their transactions are aborted, their report is kept."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from erm_alembic.config.redaction import redact
from erm_alembic.errors import ErmError
from erm_alembic.postgres.rolled_back import end_backend, fate_of, has_backend
from erm_alembic.target import Target
from erm_alembic.testing.smoke.job import APPLICATION

__all__ = ["control_session", "end_session", "keep_junit", "not_rolled_back"]

# How long a session may take to end once its client is gone.
ENDING_SECONDS, LOOK_AGAIN_SECONDS = 5.0, 0.02


@contextlib.contextmanager
def control_session(target: Target) -> Iterator[Any]:
    """A session of erm's own, which looks after the one of the tests.

    Args:
        target: where they run.
    """
    connection = target.connect("erm smoke control")
    try:
        with target.reported():
            connection.autocommit = True
            target.lift_session_limits(connection)
            yield connection
    finally:
        connection.close()


def end_session(control: Any, pid: int | None) -> list[str]:
    """Make sure that the session of the tests is gone, and its transaction with it; say so where it is not.

    Args:
        control: erm's own session.
        pid: the server process of theirs; None where there was none.
    """
    if pid is None:
        return []
    with control.cursor() as cursor:
        deadline, was_told = time.monotonic() + ENDING_SECONDS, False
        while has_backend(cursor, pid, APPLICATION):
            if time.monotonic() > deadline:
                return [f"The session {pid} of the tests is still there: SELECT pg_terminate_backend({pid})"]
            if not was_told:
                end_backend(cursor, pid)
                was_told = True
            time.sleep(LOOK_AGAIN_SECONDS)
    return []


def not_rolled_back(control: Any, transactions: Mapping[str, str]) -> list[str]:
    """Which of the tests' transactions the server does not say to be aborted, asked from outside.

    Args:
        control: erm's own session.
        transactions: their ids, by test.
    """
    found = []
    with control.cursor() as cursor:
        for test, number in transactions.items():
            if (fate := fate_of(cursor, number)) != "aborted":
                found.append(f"The transaction {number} of {test} is not rolled back: {fate}.")
    return found


def keep_junit(written: Path, wanted: Path) -> None:
    """Keep pytest's report where it is wanted, readable to its owner only, without secrets.

    Args:
        written: where pytest wrote it.
        wanted: where it is wanted.

    Raises:
        ErmError: it cannot be written there.
    """
    if not written.exists():
        return
    text = redact(written.read_text(encoding="utf-8"))
    try:
        with os.fdopen(os.open(wanted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ErmError(
            f"--junit {wanted} cannot be written: {error.strerror}.",
            effect="The tests were run, and rolled back.",
            cure="Name a file in a folder that can be written.",
        ) from None
