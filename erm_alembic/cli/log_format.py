"""How stderr is written: for people, or as one JSON object a line (`--log-format`, ERM_LOG_FORMAT, `logging.format`).

It is known before the command line is parsed, so that errors of the parsing are written in the same form.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from erm_alembic.cli import console
from erm_alembic.errors import UsageError

__all__ = ["LogFormat", "LogFormatOption", "use_log_format", "wanted_log_format"]

OPTION, VARIABLE = "--log-format", "ERM_LOG_FORMAT"
FILE = "erm.yaml"


class LogFormat(StrEnum):
    """How stderr is written."""

    text = "text"
    json = "json"


LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option(
        OPTION,
        help="How to tell on stderr what happens: json writes one object a line. Default: ERM_LOG_FORMAT, "
        "else logging.format, else text.",
        show_default=False,
    ),
]


def wanted_log_format(arguments: Sequence[str] | None) -> LogFormat:
    """The form that is asked for: on the command line, by a variable, or in erm.yaml.

    Args:
        arguments: the command line without the program's name; the process's own when None.

    Raises:
        UsageError: the variable names another form.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    words = words[: words.index("--")] if "--" in words else words
    if (typed := _typed(words, OPTION)) is not None:
        # What is none of them, the parser refuses.
        return LogFormat.json if typed == LogFormat.json else LogFormat.text
    if said := os.environ.get(VARIABLE, "").strip():
        if said not in {each.value for each in LogFormat}:
            raise UsageError(
                f"{VARIABLE} is {said!r}, which is no form of a log.",
                effect="Nothing was run.",
                cure=f"Set it to text or json, or unset it: unset {VARIABLE}",
            )
        return LogFormat(said)
    return _configured(_typed(words, "--config"))


def use_log_format(wanted: LogFormat) -> None:
    """Write stderr in a form from now on.

    Args:
        wanted: the form.
    """
    if wanted is not LogFormat.json:
        # The terminal tells a run by itself.
        logging.getLogger("erm_alembic.runs").setLevel(logging.CRITICAL + 1)
        return
    from erm_alembic.telemetry.json_lines import JsonHandler

    console.tell_as_json()
    handler = JsonHandler(console.tell_line)
    logging.getLogger().addHandler(handler)
    # env.py may set up the root logger as alembic.ini says; what erm itself logs stays JSON.
    own = logging.getLogger("erm_alembic")
    own.addHandler(handler)
    own.propagate = False
    logging.getLogger("erm_alembic.runs").setLevel(logging.CRITICAL + 1)  # told by the progress of the run
    logging.captureWarnings(True)


def _typed(words: Sequence[str], option: str) -> str | None:
    joined = (word.removeprefix(f"{option}=") for word in words if word.startswith(f"{option}="))
    apart = (value for word, value in itertools.pairwise(words) if word == option)
    return next(itertools.chain(joined, apart), None)


def _configured(config: str | None) -> LogFormat:
    """What erm.yaml says; where it is wrong, its reader says so later."""
    with suppress(OSError, ValueError, AttributeError):
        path = _file(config)
        text = "" if path is None else path.read_text(encoding="utf-8")
        if "logging:" in text:  # nothing is loaded for the others
            import yaml

            with suppress(yaml.YAMLError):
                section = (yaml.safe_load(text) or {}).get("logging") or {}
                return LogFormat(section.get("format", LogFormat.text))
    return LogFormat.text


def _file(config: str | None) -> Path | None:
    if config is not None:
        return Path(config).expanduser()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder / FILE
        if (folder / ".git").exists():
            return None
    return None
