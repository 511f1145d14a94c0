"""What the child process can do. A task is a function of a job; it tells what it finds as events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from erm_alembic.shadow.job import Job
from erm_alembic.shadow.models import models
from erm_alembic.shadow.rehearse import rehearse
from erm_alembic.shadow.replay import replay

__all__ = ["TASKS", "Emit", "Task"]

Emit = Callable[[dict[str, Any]], None]
"""Tells an event to the parent: a dictionary of what JSON has, with its kind under `event`."""
Task = Callable[[Job, Emit], None]

TASKS: tuple[Task, ...] = (replay, models, rehearse)
