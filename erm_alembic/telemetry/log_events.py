"""A run in Python's logging, for whoever listens there: the logger `erm_alembic.runs`, which nobody need set up.

Each record has its event as `record.erm_event` and its members as `record.erm`.
"""

from __future__ import annotations

import logging

from erm_alembic.execute.progress import Progress
from erm_alembic.target import Target
from erm_alembic.telemetry.events import Event, EventProgress

__all__ = ["LOGGER", "logged"]

LOGGER = "erm_alembic.runs"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_log = logging.getLogger(LOGGER)
# Without one, Python would print to stderr what nobody listens for.
_log.addHandler(logging.NullHandler())


def logged(target: Target) -> Progress | None:
    """What logs a run; nothing where nobody listens.

    Args:
        target: the database.
    """
    if not _log.isEnabledFor(logging.ERROR):
        return None
    return EventProgress(_write, lambda: _log.isEnabledFor(logging.DEBUG))


def _write(event: Event) -> None:
    level = LEVELS[event.level]
    if _log.isEnabledFor(level):
        _log.log(level, "%s", event.message, extra={"erm_event": event.name, "erm": dict(event.members)})
