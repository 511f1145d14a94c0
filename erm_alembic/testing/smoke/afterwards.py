"""After the tests: their session is gone, their transactions are aborted, their report is kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError, fromstring, tostring

from erm_alembic.config.redaction import redact
from erm_alembic.errors import UsageError
from erm_alembic.planning.private_file import can_write_in, write_private
from erm_alembic.postgres.rolled_back import end_backend, fate_of, has_backend
from erm_alembic.target import Target
from erm_alembic.testing.smoke.job import APPLICATION

__all__ = ["check_junit", "control_session", "end_session", "keep_junit", "not_rolled_back", "without_secrets"]

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


def check_junit(wanted: Path) -> None:
    """Make sure that pytest's report can be kept before anything is run.

    Args:
        wanted: where it is wanted.

    Raises:
        UsageError: it cannot be written there.
    """
    problem = "it is a folder" if wanted.is_dir() else None
    if problem is None and (error := can_write_in(wanted)) is not None:
        problem = error.strerror or type(error).__name__
    if problem is not None:
        raise UsageError(
            f"--junit {wanted} cannot be written: {problem}.",
            effect="No test was run.",
            cure="Name a file in a folder that can be written.",
        )


def keep_junit(written: Path, wanted: Path) -> str | None:
    """Keep pytest's report where it is wanted, readable to its owner only, without secrets.

    Args:
        written: where pytest wrote it.
        wanted: where it is wanted.

    Returns:
        Why it is not there, in words; None where it is.
    """
    if not written.exists():
        return None
    try:
        write_private(wanted, without_secrets(written.read_bytes()))
    except ParseError:
        return f"--junit {wanted}: what pytest wrote is no XML."
    except OSError as error:
        return f"--junit {wanted} cannot be written: {error.strerror}."
    return None


def without_secrets(document: bytes) -> bytes:
    """XML whose texts and values have no known secret, in whichever way XML spells it.

    Args:
        document: XML.

    Raises:
        ParseError: it is none.

    Example:
        >>> without_secrets(b'<a b="password=x">password=&lt;y</a>')
        b'<a b="password=***">password=***</a>'
    """
    root = fromstring(document)
    for element in root.iter():
        element.text, element.tail = _redacted(element.text), _redacted(element.tail)
        for name, value in element.attrib.items():
            element.set(name, redact(value))
    return bytes(tostring(root, encoding="utf-8", xml_declaration=document.startswith(b"<?xml")))


def _redacted(text: str | None) -> str | None:
    return None if text is None else redact(text)
