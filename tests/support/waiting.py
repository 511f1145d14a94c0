"""Waiting for what another process brings about: for as long as it takes, and not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["PATIENCE", "until"]

# In seconds.
PATIENCE = 30.0
STEP_SECONDS = 0.01


def until(
    condition: Callable[[], object],
    told: Callable[[], object] = lambda: "the awaited condition did not come true",
    seconds: float = PATIENCE,
    step: float = STEP_SECONDS,
) -> None:
    """Wait for a condition; fail, with what is told then, when it does not come true in time.

    Args:
        condition: is asked again and again.
        told: what to say when it has not come true.
        seconds: how long to wait.
        step: how long to pause before it is asked again, in seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(step)
