"""`erm gen` and `erm import-sql`: from the models, or from another tool's SQL scripts, to revisions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from erm_alembic.config.env_option import env_option
from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import Settings
from erm_alembic.execute.stamp import Stamped, read_taken_over, stamp_taken_over
from erm_alembic.opening import configured
from erm_alembic.revisions.autogenerate import BehindFiles, Generated, NoModels, autogenerate
from erm_alembic.revisions.project import AlembicOptions, AlembicProject, find_project
from erm_alembic.revisions.sql.adopting import Adoption, plan_adoption, write_adoption
from erm_alembic.revisions.sql.from_models import ModelSql, sql_from_models
from erm_alembic.revisions.sql.layouts import SourceDirectory, read_directory
from erm_alembic.revisions.sql.new_pair import NewPair, create_pair
from erm_alembic.revisions.sql.taking_over import TakenOver
from erm_alembic.target import Target, open_target

__all__ = ["Generated", "GeneratedSql", "Imported", "generate", "generate_sql", "import_sql"]


@dataclass(frozen=True)
class Imported:
    """What became of another tool's directory.

    Args:
        source: what stands in it.
        adoption: the revisions that were made of it.
        environment: the profile whose database was looked at; None when none was asked for.
        taken: what the other tool has run there; None when no database was asked for.
        stamped: what became of the database; None when it was only looked, or no database was asked for.
    """

    source: SourceDirectory
    adoption: Adoption
    environment: str | None = None
    taken: TakenOver | None = None
    stamped: Stamped | None = None


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
    settings = configured(env, config, options)
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
    found = _models_in_sql(settings, project)
    pair = None
    if write:
        pair = create_pair(project, message, up=found.up, down=found.down, head=head, version_path=version_path)
    return GeneratedSql(found.changes, found.up, found.down, pair)


def import_sql(
    folder: Path,
    env: str | None = None,
    *,
    layout: str | None = None,
    table: str | None = None,
    write: bool = True,
    config: Path | None = None,
    wait: float | None = None,
    version_path: Path | None = None,
    accept_environment: bool = False,
    options: AlembicOptions | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Imported:
    """Make revisions of the SQL scripts of golang-migrate, dbmate or the Go `erm`, and take over what they have run.

    Args:
        folder: the directory of the scripts; it stays as it is.
        env: the profile whose database is to be stamped; None only writes files.
        layout: `golang-migrate`, `dbmate` or `erm`; None finds it out.
        table: the tool's table in the database, where it is not called as usual.
        write: False only looks.
        config: the path of erm.yaml.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        version_path: the version location to write to, where the project has several.
        accept_environment: whether a database that was deployed under another environment is accepted.
        options: Alembic's own options for env.py.
        tell: told who holds the deploy lock, and which limits of the role's do not hold.

    Raises:
        ErmError: a subclass of it, when the scripts cannot be imported or the database cannot be taken over.

    Example:
        >>> for folder in ("fresh/migrations", "fresh/old"):
        ...     Path(folder).mkdir(parents=True)
        >>> _ = Path("fresh/migrations/env.py").write_text("...")
        >>> config = Path("fresh/erm.yaml")
        >>> _ = config.write_text("migrations: {directory: migrations}")
        >>> _ = Path("fresh/old/001_users.sql").write_text("CREATE TABLE users (id int);")
        >>> [step.path for step in import_sql(Path("fresh/old"), config=config).adoption.steps]
        ['migrations/versions/001_users.py']
    """
    settings = load_settings(env, config, require_url=False) if env is None else configured(env, config, options)
    project = find_project(settings, options)
    source = read_directory(folder.absolute(), layout)
    adoption = plan_adoption(project, source, version_path)
    if env is None:
        if write:
            write_adoption(project, adoption)
        return Imported(source, adoption)
    target = open_target(settings)
    taken = read_taken_over(target, source, table)
    if not write:
        return Imported(source, adoption, settings.environment, taken)
    write_adoption(project, adoption)
    stamped = stamp_taken_over(
        target, project, source, table, wait=wait, tell=tell, accept_environment=accept_environment
    )
    return Imported(source, adoption, settings.environment, stamped.taken, stamped)


def _models_in_sql(settings: Settings, project: AlembicProject) -> ModelSql:
    """What brings the database to the models; nothing where there are none."""
    if settings.url is None:
        return ModelSql()
    target = open_target(settings)
    try:
        with _read_only(target) as connection:
            return sql_from_models(project, connection, target.url, settings.migrations.metadata)
    except NoModels:
        return ModelSql()


@contextlib.contextmanager
def _read_only(target: Target) -> Iterator[Connection]:
    """A connection that reads the target, for env.py and the comparison."""
    with target.reported(), contextlib.closing(target.connect_read_only("erm gen")) as raw:
        engine = target.engine(raw, lambda: target.connect_read_only("erm gen"))
        with engine.connect() as connection:
            connection.rollback()
            try:
                yield connection
            except BehindFiles as error:
                env = env_option(target.settings.environment)
                raise BehindFiles(
                    error.what, effect=error.effect, cure=f"Bring it up first: `erm migrate{env}`."
                ) from error
