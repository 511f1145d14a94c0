"""`erm gen`: from the models to a revision, through the project's own env.py and the target database."""

from __future__ import annotations

import contextlib
from pathlib import Path

from erm_alembic.config.loader import load_settings
from erm_alembic.postgres.intercept import gated_engine
from erm_alembic.revisions.autogenerate import Generated, autogenerate
from erm_alembic.revisions.project import AlembicOptions, find_project
from erm_alembic.target import open_target

__all__ = ["Generated", "generate"]


def generate(
    env: str | None = None,
    *,
    message: str,
    config: Path | None = None,
    head: str | None = None,
    write: bool = True,
    options: AlembicOptions | None = None,
    version_path: Path | None = None,
) -> Generated:
    """Write the revision that brings the database to the models.

    Args:
        env: the profile whose database stands at the project's heads.
        message: what changes.
        config: the path of erm.yaml.
        head: the revision to build on, where there are several heads.
        write: False only looks.
        options: Alembic's own options for env.py.
        version_path: the version location to write to, where the project has several.

    Raises:
        ErmError: a subclass of it, when models and database cannot be compared.

    Example:
        >>> from erm_alembic.migrate import apply
        >>> apply("staging").outcome.result
        'done'
        >>> generate("staging", message="add reviews", write=False).changes  # models and revisions agree
        ()
    """
    settings = load_settings(env, config)
    project = find_project(settings, options)
    target = open_target(settings)
    with target.reported(), contextlib.closing(target.connect_read_only("erm gen")) as raw:
        engine = gated_engine(
            raw, target.url.sqlalchemy_url("postgresql+psycopg2"), lambda: target.connect_read_only("erm gen")
        )
        with engine.connect() as connection:
            connection.rollback()
            return autogenerate(
                project,
                connection,
                target.url,
                message,
                head=head,
                metadata=settings.migrations.metadata,
                write=write,
                version_path=version_path,
            )
