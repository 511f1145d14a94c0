"""Where erm prints: results to stdout, everything else to stderr, colour only for a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from erm_alembic.errors import ErmError
from erm_alembic.render.safe import Paint, block, one_line, plain

__all__ = [
    "abandon_stderr",
    "note",
    "painter",
    "prepare_streams",
    "print_defect",
    "print_error",
    "print_error_result",
    "print_traceback",
    "stdout_reserved",
    "tell_as_json",
    "tell_event",
    "tell_line",
    "tell_under_way",
    "tells_json",
    "typed_path",
    "wants_bar",
    "wants_colour",
    "write",
    "write_file",
    "write_prose",
]

_CODES = {"good": "32", "bad": "31;1", "warn": "33", "dim": "2", "strong": "1"}


def wants_colour(stream: TextIO) -> bool:
    """Whether colour may be written: a terminal, and neither NO_COLOR nor TERM=dumb forbids it."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def wants_bar(stream: TextIO) -> bool:
    """Whether a progress bar may be drawn: the stream is a terminal that can move its cursor."""
    plain = stream is sys.stderr and _results.as_json
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not plain


def _ansi(text: str, role: str) -> str:
    return f"\x1b[{_CODES[role]}m{text}\x1b[0m"


def painter(stream: TextIO) -> Paint:
    """The paint for a stream: ANSI colours on a terminal, none elsewhere.

    Example:
        >>> import io
        >>> painter(io.StringIO())("done", "good")
        'done'
    """
    return _ansi if wants_colour(stream) else plain


def prepare_streams() -> None:
    """Make no character fatal: what the terminal's encoding lacks is written as a backslash escape."""
    _results.begun = _results.as_json = False
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the caller closed it: what would go there is not wanted
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@dataclass
class _Results:
    """Whether a result stands on stdout: one command prints one JSON object and no second one behind it.

    Args:
        begun: that.
        as_json: whether stderr gets one JSON object a line.
    """

    begun: bool = False
    as_json: bool = False


_results = _Results()


def write(text: str) -> None:
    """Write a result to stdout, as it is; `text` ends with a newline.

    Raises:
        ErmError: what stdout goes to is full.
    """
    _results.begun = True
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing more to fail while the interpreter ends
        raise ErmError(
            f"The result cannot be written to stdout: {error.strerror}.",
            effect="The command itself was carried out.",
            cure="`erm status` and `erm history` show what was done.",
        ) from error


def write_prose(text: str, *, whole: bool = False) -> None:
    """Write a result that is read: no line is wider than the terminal; a file or a pipe gets the lines as they are.

    Args:
        text: the result; it ends with a newline.
        whole: leave its lines whole on a terminal too, where texts are to be copied.
    """
    write(text if whole or not sys.stdout.isatty() else _fitting(text, sys.stdout))


def _fitting(text: str, stream: TextIO) -> str:
    """The text no wider than the terminal that it goes to."""
    from erm_alembic.render.fold import fold

    try:
        columns = int(os.environ.get("COLUMNS") or os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        return text
    return fold(text, columns) if columns > 0 else text


def write_file(text: str) -> None:
    """Write a result that is a file's text: exact for a file or a pipe, made visible line by line on a terminal."""
    write("".join(f"{line}\n" for line in block(text.removesuffix("\n"))) if sys.stdout.isatty() else text)


def typed_path(path: Path) -> str:
    """A path as it may be typed from here: relative where it is below the working directory.

    Args:
        path: an absolute path.

    Example:
        >>> typed_path(Path.cwd() / "migrations" / "env.py")
        'migrations/env.py'
    """
    here = Path.cwd()
    return one_line(str(path.relative_to(here) if path.is_relative_to(here) else path))


@contextmanager
def stdout_reserved() -> Iterator[None]:
    """Keep stdout for the result: what a project's env.py or revisions print goes to stderr meanwhile.

    The file descriptor too, for what programs that they start write.
    """
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # one of the two is closed
        kept = None
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            # What was written to the stream itself still waits in its buffer, and belongs to stderr too.
            with suppress(OSError, ValueError, AttributeError):
                sys.__stdout__.flush()  # type: ignore[union-attr]  # None where the caller closed it
            os.dup2(kept, 1)
            os.close(kept)


def _tell(line: str, *, whole: bool = False) -> None:
    """Write one line to stderr; a reader who hung up, or a full disk, must not stop a migration."""
    from erm_alembic.config.redaction import redact

    try:
        sys.stderr.write((line if whole else redact(line)) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        abandon_stderr()


def abandon_stderr() -> None:
    """Nothing can be written to stderr any more: what a project still prints there goes nowhere, and fails nothing."""
    with suppress(OSError, ValueError):
        void = os.open(os.devnull, os.O_WRONLY)
        os.dup2(void, sys.stderr.fileno())
        os.close(void)


def tell_as_json() -> None:
    """Write to stderr one JSON object a line from now on."""
    _results.as_json = True


def tells_json() -> bool:
    """Whether stderr gets one JSON object a line."""
    return _results.as_json


def tell_line(line: str) -> None:
    """Write one line to stderr, as it is."""
    _tell(line, whole=True)


def tell_event(name: str, level: str, message: str, members: Mapping[str, Any] | None = None) -> None:
    """Write something that happened to stderr, as one JSON object, secrets hidden."""
    from erm_alembic.telemetry.json_lines import json_line

    tell_line(json_line(name, level, message, members))


def note(message: str) -> None:
    """Write something to know to stderr, secrets hidden."""
    if _results.as_json:
        tell_event("note", "info", message)
        return
    for line in block(message):
        _tell(line)


def tell_under_way() -> AbstractContextManager[None]:
    """Tell what long work is under way on stderr, for as long as the block lasts.

    A terminal is told each piece of it; the log of a pipeline, where silence looks like a job that hangs, the first one
    that is not brief.
    """
    from erm_alembic.under_way import listening

    told: list[str] = []
    watched = wants_bar(sys.stderr)

    def tell(words: str) -> None:
        if told[-1:] != [words] and (watched or not told):  # a plan that is made again says it once
            told[:] = [words]
            if _results.as_json:
                tell_event("under_way", "info", words)
                return
            _tell(painter(sys.stderr)(f"{one_line(words[:1].upper() + words[1:])} ...", "dim"))

    return listening(tell, patient=not watched)


def _labelled(label: str, text: str, role: str) -> None:
    first, *rest = block(text)
    lines = [f"{painter(sys.stderr)(label, role)} {first}", *(f"{'':{len(label)}} {line}".rstrip() for line in rest)]
    for line in lines:
        for part in (_fitting(line, sys.stderr) if sys.stderr.isatty() else line).split("\n"):
            _tell(part)


def print_traceback(error: BaseException, *, quoting: bool = True) -> None:
    """Write the traceback of an error to stderr, its secrets hidden.

    Args:
        error: the error.
        quoting: False leaves out what the exceptions say, where it is told elsewhere with its values masked.
    """
    from erm_alembic.render.traceback import traceback_lines

    if _results.as_json:
        lines = list(traceback_lines(error, quoting=quoting))
        tell_event("traceback", "debug", type(error).__name__, {"lines": lines})
        return
    for line in traceback_lines(error, quoting=quoting):
        _tell(line)


def print_error(error: ErmError, *, verbose: bool) -> None:
    """Write an error of erm to stderr: what happened, its effect, the cure.

    Args:
        error: the error.
        verbose: add the traceback, its secrets hidden.
    """
    if verbose:
        print_traceback(error)
    if _results.as_json:
        tell_event("error", "error", error.what, {"effect": error.effect, "cure": error.cure})
        return
    _labelled("error: ", error.what, "bad")
    if error.effect:
        _labelled("effect:", error.effect, "strong")
    if error.cure:
        _labelled("cure:  ", error.cure, "good")


def print_error_result(error: ErmError, format_: str) -> None:
    """Write an error as the result of a command that has printed none, where the format has a form for it.

    So no program takes an empty file for one in which nothing objects; stderr has its lines anyway.

    Args:
        error: the error.
        format_: the format.
    """
    if _results.begun or format_ in ("", "text"):
        return
    from erm_alembic.cli.repository import places_from
    from erm_alembic.render.formats import failure
    from erm_alembic.render.presentation import Presentation

    told = failure(format_, error, Presentation(places=places_from(Path.cwd())))
    if told is not None:
        with suppress(ErmError, BrokenPipeError):
            write(told)


def print_defect(error: BaseException, *, verbose: bool) -> ErmError:
    """Write an exception that erm did not expect: it is a defect, and says what to report.

    Returns the error that was told.

    Args:
        error: the exception.
        verbose: add the traceback, its secrets hidden.
    """
    name = type(error).__name__
    what = f"This is a defect in erm: {name}: {error}" if str(error) else f"This is a defect in erm: {name}."
    defect = ErmError(
        what,
        effect="The command stopped where it was; `erm status` shows what the database has.",
        cure="Report it with this output." if verbose else "Run the command again with -v and report its output.",
    )
    if verbose:
        print_traceback(error)
    print_error(defect, verbose=False)
    return defect
