"""`erm gen`: from the models to a revision, through the project's own env.py and the target database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import Settings
from erm_alembic.postgres.intercept import gated_engine
from erm_alembic.revisions.autogenerate import Generated, NoModels, autogenerate
from erm_alembic.revisions.project import AlembicOptions, find_project
from erm_alembic.revisions.sql.from_models import ModelSql, sql_from_models
from erm_alembic.revisions.sql.new_pair import NewPair, create_pair
from erm_alembic.target import Target, open_target

__all__ = ["Generated", "GeneratedSql", "generate", "generate_sql"]


@dataclass(frozen=True)
class GeneratedSql:
    """A revision in SQL.

    Args:
        changes: one line a difference between the models and the database; empty when the scripts are to be filled in.
        up: the statements that bring the database to the models.
        down: those that take them back.
        pair: the files that were written; None when it was only looked.
    """

    changes: tuple[str, ...]
    up: str
    down: str
    pair: NewPair | None


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
    with _read_only(target) as connection:
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


def generate_sql(
    env: str | None = None,
    *,
    message: str,
    config: Path | None = None,
    head: str | None = None,
    write: bool = True,
    options: AlembicOptions | None = None,
    version_path: Path | None = None,
) -> GeneratedSql:
    """Write a revision as a pair of SQL scripts: with what brings the database to the models, or to be filled in.

    A project without models, or whose models agree with the database, gets a pair that only says what goes where; the
    former needs no database, where none is configured.

    Args:
        env: the profile whose database stands at the project's heads.
        message: what changes; becomes part of the files' names.
        config: the path of erm.yaml.
        head: the revision to build on, where there are several heads.
        write: False only looks.
        options: Alembic's own options for env.py.
        version_path: the version location to write to, where the project has several.

    Raises:
        ErmError: a subclass of it, when models and database cannot be compared or the files cannot be written.

    Example:
        >>> from erm_alembic.migrate import apply
        >>> apply("staging").outcome.result
        'done'
        >>> generate_sql("staging", message="add reviews", write=False).up  # models and revisions agree
        ''
    """
    settings = load_settings(env, config, require_url=False)
    project = find_project(settings, options)
    found = _models_in_sql(settings, options)
    pair = None
    if write:
        pair = create_pair(project, message, up=found.up, down=found.down, head=head, version_path=version_path)
    return GeneratedSql(found.changes, found.up, found.down, pair)


def _models_in_sql(settings: Settings, options: AlembicOptions | None) -> ModelSql:
    """What brings the database to the models; nothing where there are none."""
    if settings.url is None:
        return ModelSql()
    project, target = find_project(settings, options), open_target(settings)
    try:
        with _read_only(target) as connection:
            return sql_from_models(project, connection, target.url, settings.migrations.metadata)
    except NoModels:
        return ModelSql()


@contextlib.contextmanager
def _read_only(target: Target) -> Iterator[Connection]:
    """A connection that reads the target, for env.py and the comparison."""
    with target.reported(), contextlib.closing(target.connect_read_only("erm gen")) as raw:
        engine = gated_engine(
            raw, target.url.sqlalchemy_url("postgresql+psycopg2"), lambda: target.connect_read_only("erm gen")
        )
        with engine.connect() as connection:
            connection.rollback()
            yield connection
