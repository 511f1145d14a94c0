"""Read your writes in jobs, for Celery: a task sees at least what its sender saw and wrote."""

from __future__ import annotations

from typing import Any

from celery.signals import (  # type: ignore[import-untyped]  # celery has no types
    before_task_publish,
    task_postrun,
    task_prerun,
)

from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.scope import CausalScope, token_to_pass_on
from erm_alembic.routing.tokens import latest

__all__ = ["CausalTasks"]

HEADER = "erm_causal"


class CausalTasks:
    """Sends a token with each message of this process, and lets each task see what the token stands for.

    Made once in every process that sends or runs tasks, after the cluster. It listens to Celery's signals until
    `close()`.

    Args:
        cluster: whose commits count.

    Example:
        >>> from erm_alembic.routing import connect_cluster
        >>> tasks = CausalTasks(connect_cluster("postgresql://app@db/shop"))
        >>> tasks.close()
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._running: dict[str, CausalScope] = {}
        before_task_publish.connect(self._publish, weak=False)
        task_prerun.connect(self._begin, weak=False)
        task_postrun.connect(self._end, weak=False)

    def close(self) -> None:
        """Listen no more."""
        before_task_publish.disconnect(self._publish)
        task_prerun.disconnect(self._begin)
        task_postrun.disconnect(self._end)

    def _publish(self, headers: dict[str, Any] | None = None, **_: Any) -> None:
        if headers is None:
            return
        # A message that is sent again (a retry) has what it was sent with first.
        held = (headers.get(HEADER), token_to_pass_on(self._cluster))
        token = latest(each for each in held if each is not None)
        if token is not None:
            headers[HEADER] = token

    def _begin(self, task_id: str, task: Any, **_: Any) -> None:
        scope = CausalScope(self._cluster, task.request.get(HEADER))
        scope.__enter__()
        self._running[task_id] = scope

    def _end(self, task_id: str, **_: Any) -> None:
        scope = self._running.pop(task_id, None)
        if scope is not None:
            scope.__exit__(None, None, None)
