"""Drift of the models: what they have and no revision makes, as autogenerate sees it in a shadow at the heads."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from erm_alembic.drift.database import said_by
from erm_alembic.drift.memory import Memory
from erm_alembic.drift.position import Position
from erm_alembic.errors import ProjectError, ShadowUnavailable
from erm_alembic.planning.comparison import Comparison
from erm_alembic.planning.model import ABSENT, Drift
from erm_alembic.shadow.catalogs import CatalogAt
from erm_alembic.shadow.opened import Shadow, ShadowDatabase
from erm_alembic.under_way import under_way

__all__ = ["NO_MODELS", "compare_models", "compare_models_in"]

NO_MODELS = "the project names none (target_metadata in env.py)"


def compare_models(
    shadow: Shadow,
    heads: Collection[str],
    position: Position,
    root: Path,
    inputs: str | None = None,
    *,
    agree: bool = False,
) -> tuple[tuple[Drift, ...], Comparison]:
    """Compare the project's models with what all of its revisions make.

    Args:
        shadow: the shadow of the target.
        heads: the heads of the revision files.
        position: where the database stands: at the heads, what was looked at for it is looked at again.
        root: the folder of erm.yaml.
        inputs: the hash of everything that env.py was read from, by which a verdict is known again; None where that is
            not known.
        agree: whether it is known that they have nothing else than what all of its revisions make.

    Returns:
        The differences; an `unknown` comparison with its reason where there is no shadow, no models, or where they
        cannot be loaded.
    """
    try:
        made = shadow.catalog_at(heads, (position.ledger_schema,), (position.version_table,))
        memory = Memory.of_models(root, made, inputs)
        if (known := memory.recall()) is not None:
            return known, _comparison(known, made.notes)
        if agree:
            memory.keep(())
            return (), _comparison((), made.notes)
        under_way("comparing the models with what the revisions make")
        with shadow.at(heads) as database:
            return _compared(shadow, database, memory)
    except (ShadowUnavailable, ProjectError) as error:
        return (), Comparison("models", "unknown", said_by(error))


def compare_models_in(
    shadow: Shadow, database: ShadowDatabase, made: CatalogAt, root: Path, inputs: str | None = None
) -> tuple[tuple[Drift, ...], Comparison]:
    """The same in a scratch database that stands at the heads already, because a plan was rehearsed in it.

    Args:
        shadow: the shadow of the target.
        database: the scratch database.
        made: its catalog.
        root: the folder of erm.yaml.
        inputs: as for `compare_models`.
    """
    memory = Memory.of_models(root, made, inputs)
    if (known := memory.recall()) is not None:
        return known, _comparison(known, made.notes)
    under_way("comparing the models with what the revisions make")
    try:
        return _compared(shadow, database, memory)
    except (ShadowUnavailable, ProjectError) as error:
        return (), Comparison("models", "unknown", said_by(error))


def _compared(shadow: Shadow, database: ShadowDatabase, memory: Memory) -> tuple[tuple[Drift, ...], Comparison]:
    events = shadow.run("models", database, {})
    if any(event["event"] == "no-models" for event in events):
        return (), Comparison("models", "unknown", NO_MODELS)
    # Autogenerate takes some of them out of sets: the same models are to be told alike in each run.
    found = (_drift(event) for event in events if event["event"] == "differs")
    drift = tuple(sorted(found, key=lambda each: (each.found != ABSENT, each.kind, each.object)))
    memory.keep(drift)
    return drift, _comparison(drift, database.notes)


def _comparison(drift: tuple[Drift, ...], notes: tuple[str, ...]) -> Comparison:
    return Comparison("models", "differs" if drift else "same", notes=notes)


def _drift(event: dict[str, Any]) -> Drift:
    expected, found = event["expected"], event["found"]
    return Drift(
        kind=event["kind"],
        object=event["object"],
        source="models",
        expected=ABSENT if expected is None else expected,
        found=ABSENT if found is None else found,
    )
