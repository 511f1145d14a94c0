"""What the child process can do. A task is a function of a job; it tells what it finds as events.

Only the task that is asked for is loaded: the start of the child is mostly loading.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, cast

from erm_alembic.shadow.child.job import Job

__all__ = ["TASKS", "Emit", "Task", "task_named"]

Emit = Callable[[dict[str, Any]], None]
"""Tells an event to the parent: a dictionary of what JSON has, with its kind under `event`."""
Task = Callable[[Job, Emit], None]

# Each as module:function; the function's name is the task's.
TASKS = (
    "erm_alembic.shadow.child.replay:replay",
    "erm_alembic.shadow.child.models:models",
    "erm_alembic.shadow.rehearsal.rehearse:rehearse",
    "erm_alembic.shadow.rights.trial:try_rights",
)


def task_named(name: str) -> Task:
    """Load a task.

    Args:
        name: its name.

    Example:
        >>> task_named("replay").__module__
        'erm_alembic.shadow.child.replay'
    """
    module, _, function = next(task for task in TASKS if task.endswith(f":{name}")).partition(":")
    return cast(Task, getattr(importlib.import_module(module), function))
