"""Drift of the models: what they have and no revision makes, as autogenerate sees it in a shadow at the heads."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from erm_alembic.drift.database import ABSENT
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.planning.comparison import Comparison
from erm_alembic.planning.model import Drift
from erm_alembic.shadow.opened import Shadow

__all__ = ["NO_MODELS", "compare_models"]

NO_MODELS = "the project names no models (target_metadata in env.py)"


def compare_models(shadow: Shadow, heads: Collection[str]) -> tuple[tuple[Drift, ...], Comparison]:
    """Compare the project's models with what all of its revisions make.

    Args:
        shadow: the shadow of the target.
        heads: the heads of the revision files.

    Returns:
        The differences; an `unknown` comparison with its reason where there is no shadow, no models, or where they
        cannot be loaded.
    """
    try:
        with shadow.at(heads) as database:
            events = shadow.run("models", database, {})
            notes = database.notes
    except ShadowUnavailable as error:
        return (), Comparison("models", "unknown", error.reason if not error.cure else f"{error.reason} {error.cure}")
    if any(event["event"] == "no-models" for event in events):
        return (), Comparison("models", "unknown", NO_MODELS)
    drift = tuple(_drift(event) for event in events if event["event"] == "differs")
    return drift, Comparison("models", "differs" if drift else "same", notes=notes)


def _drift(event: dict[str, Any]) -> Drift:
    expected, found = event["expected"], event["found"]
    return Drift(
        kind=event["kind"],
        object=event["object"],
        source="models",
        expected=ABSENT if expected is None else expected,
        found=ABSENT if found is None else found,
    )
