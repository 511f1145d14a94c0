"""The child's task `models`: the project's models against the shadow, which stands at the heads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from erm_alembic.revisions.autogenerate import NoModels
from erm_alembic.revisions.models_comparison import ModelDifference, comparing
from erm_alembic.shadow.child.job import Job
from erm_alembic.shadow.child.session import child_session

__all__ = ["models"]


def models(job: Job, emit: Callable[[dict[str, Any]], None]) -> None:
    """Compare the models with the shadow, as `alembic check` would.

    Args:
        job: what is to be done.
        emit: told `differs` for each difference, or `no-models` where env.py names none.

    Raises:
        ProjectError: env.py or the models cannot be loaded, or not be compared.
    """
    found: list[ModelDifference] = []
    with child_session(job) as session:
        work, options = comparing(session.config, session.scripts, found.extend)
        try:
            session.run(work, context_options=options)
        except NoModels as error:
            emit({"event": "no-models", "what": error.what})
            return
    for each in found:
        emit({"event": "differs", **asdict(each)})
