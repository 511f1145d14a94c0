"""The models against the live database, while a shadow replays its history.

Where the two catalogs turn out to be the same, and nothing of the live one was left out, what agrees with the one
agrees with the other: the models need not be compared again. Whatever is not that plain is compared in the shadow.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from erm_alembic.drift.position import Position
from erm_alembic.errors import ProjectError, ShadowUnavailable
from erm_alembic.revisions.environment import run_environment
from erm_alembic.revisions.graph import verify_graph
from erm_alembic.revisions.models_comparison import ModelDifference, comparing
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.shadow.opened import Shadow
from erm_alembic.target import Target

__all__ = ["agree_meanwhile"]

APPLICATION = "erm drift"


def agree_meanwhile(
    target: Target, project: AlembicProject, shadow: Shadow, position: Position, inputs: str | None
) -> bool:
    """Begin with the catalog of the history, in a thread, and compare the models with the live database meanwhile.

    Nothing is begun where the catalog is known already, and where env.py asks another program or machine, which need
    not answer twice in the same way.

    Args:
        target: the database, which stands at the heads.
        project: the Alembic project.
        shadow: its shadow.
        position: where the database stands in its history.
        inputs: the hash of everything that env.py was read from; None where that is not known.

    Returns:
        Whether it is known that the models have nothing else than the live database.
    """
    if inputs is None or not position.is_settled or not position.current or target.settings.shadow.source == "live":
        return False
    try:
        left_out = ((position.ledger_schema,), (position.version_table,))
        if not shadow.exact_major or not shadow.begin_catalog(position.current, *left_out):
            return False
    except (ShadowUnavailable, ProjectError):
        return False  # whoever asks for the catalog is told
    found: list[ModelDifference] = []
    try:
        with _said_already():
            _compare(target, project, found)
    except Exception:
        return False
    return not found


def _compare(target: Target, project: AlembicProject, found: list[ModelDifference]) -> None:
    with (
        project.entered(),
        target.reported(),
        contextlib.closing(target.connect_read_only(APPLICATION)) as raw,
        target.engine(raw, lambda: target.connect_read_only(APPLICATION)).connect() as connection,
    ):
        connection.rollback()
        config = project.config()
        scripts = project.script_directory(config)
        verify_graph(scripts)
        work, options = comparing(config, scripts, found.extend)
        run_environment(
            project,
            scripts,
            config,
            connection,
            target.url,
            work,
            destination="heads",
            read_only=True,
            metadata=target.settings.migrations.metadata,
            context_options=options,
        )


@contextlib.contextmanager
def _said_already() -> Iterator[None]:
    """Leave out what autogenerate tells by the way, and what env.py has told a moment ago."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)
