"""When a plan is rehearsed: before it is applied for real, where there is anything to lose."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from erm_alembic.config.settings import Settings

__all__ = ["DEVELOPMENT", "OFF", "Wish", "is_compared", "shadow_is_off", "why_not_rehearsed"]

OFF = "ERM_NO_SHADOW"
# Where things are tried out anyway.
DEVELOPMENT = "dev"
DRIFT_RULE = "schema-drift"


@dataclass(frozen=True)
class Wish:
    """What a rehearsal is wanted for.

    Args:
        purpose: whether the plan is shown, or run at once.
        asked: what the command line says: --rehearse, --no-rehearse, or nothing.
        samples: the rows of the target that it is rehearsed on, each as `TABLE:ROWS`.
    """

    purpose: Literal["plan", "run"] = "run"
    asked: bool | None = None
    samples: tuple[str, ...] = ()


def shadow_is_off() -> bool:
    """Whether the variable ERM_NO_SHADOW says that no scratch database is to be made unless it is asked for."""
    return os.environ.get(OFF, "").strip().lower() not in ("", "0", "false", "no")


def is_compared(settings: Settings, wish: Wish) -> bool:
    """Whether the database is compared with what its history makes, which needs a shadow when either has changed.

    Args:
        settings: what is in force.
        wish: what the plan is for.
    """
    tries_out = wish.purpose == "run" and settings.environment == DEVELOPMENT
    return not (shadow_is_off() or tries_out or settings.safety.rules.get(DRIFT_RULE) == "off")


def why_not_rehearsed(settings: Settings, wish: Wish, *, empty: bool) -> str | None:
    """Why a plan that has something to run is not rehearsed; None when it is.

    Args:
        settings: what is in force.
        wish: what a rehearsal is wanted for.
        empty: whether the database has nothing that could be lost.
    """
    if wish.asked is not None:
        return None if wish.asked else "--no-rehearse was given"
    if shadow_is_off():
        return f"{OFF} is set"
    if not settings.shadow.rehearse:
        return "shadow.rehearse is false"
    if wish.purpose == "run" and settings.environment == DEVELOPMENT:
        return f"apply and rollback do not rehearse in {DEVELOPMENT} unless --rehearse is given"
    if wish.purpose == "run" and empty:
        return "the database is empty; --rehearse rehearses all the same"
    return None
