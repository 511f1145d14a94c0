"""One JSON object a line for logs that programs read: events of a run, and records of Python's logging."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from erm_alembic.config.redaction import redact
from erm_alembic.telemetry.trace_ids import trace_ids

__all__ = ["JsonHandler", "json_line"]


def json_line(name: str, level: str, message: str, members: Mapping[str, Any] | None = None) -> str:
    """Something that happened, on one line of ASCII, secrets hidden.

    Args:
        name: what happened.
        level: `debug`, `info`, `warning` or `error`.
        message: the same in words.
        members: what there is to know of it.

    Example:
        >>> json.loads(json_line("note", "info", "waiting"))["event"]
        'note'
    """
    document = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "event": name,
        "message": message,
        **trace_ids(),
        **(members or {}),
    }
    # Before it is JSON: what stands in quotes would be none any more afterwards.
    return json.dumps(_redacted(document), ensure_ascii=True, default=str)


class JsonHandler(logging.Handler):
    """Writes records of Python's logging as such lines.

    Args:
        write: takes each line, without a newline.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; one of erm's own events keeps its name and its members."""
        try:
            members = {"logger": record.name, **getattr(record, "erm", {})}
            if record.exc_info and record.exc_info[0] is not None:
                members["exception"] = record.exc_info[0].__name__
            name = getattr(record, "erm_event", "log")
            self._write(json_line(name, record.levelname.lower(), record.getMessage(), members))
        except Exception:
            self.handleError(record)


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(key): _redacted(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(item) for item in value]
    return value
