"""Run a project's own env.py, whatever it does, with every statement of a revision going through erm's connection.

Alembic offers `fn=` for the work inside env.py. `configure` and `run_migrations` are wrapped on the instance of
EnvironmentContext that env.py sees, which is what its `alembic.context` proxy looks at.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import importlib
import importlib.util
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.redaction import first_line
from erm_alembic.errors import ErmError, ProjectError
from erm_alembic.revisions.env_py.adoption import Adoption
from erm_alembic.revisions.flask_application import application_context
from erm_alembic.revisions.forked import ends_forked_children
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.recording.call_stack import line_in_traceback
from erm_alembic.revisions.redirect import redirected_engines
from erm_alembic.revisions.standard_files import standard_files_kept
from erm_alembic.revisions.version_table import written_without_compiling

__all__ = ["Config", "MigrationContext", "RevisionStep", "Work", "run_environment"]

Work = Callable[[tuple[str, ...], MigrationContext], Iterable[RevisionStep]]
"""Given the recorded revisions and Alembic's context: the steps to run, yielded one at a time."""

NOTHING_DONE = "Nothing was planned or run."


def run_environment(
    project: AlembicProject,
    scripts: ScriptDirectory,
    config: Config,
    connection: Connection,
    target: DatabaseUrl,
    work: Work,
    *,
    destination: str,
    read_only: bool,
    on_heads: Callable[[frozenset[str]], None] | None = None,
    on_held_back: Callable[[str], None] | None = None,
    on_version: Callable[[str], None] | None = None,
    metadata: str | None = None,
    context_options: Mapping[str, Any] | None = None,
    limits: Mapping[str, int] | None = None,
) -> None:
    """Run env.py once, doing `work` where Alembic would run its migrations.

    Args:
        project: the Alembic project.
        scripts: its revision graph, loaded with `config`.
        config: Alembic's configuration of this run.
        connection: the connection that every statement of a revision goes through; not in a transaction.
        target: the database, for env.py's own engines.
        work: given the recorded revisions, yields the steps to run.
        destination: what `context.get_revision_argument()` answers.
        read_only: True while planning: nothing is written, neither Alembic's version table nor what env.py would.
        on_held_back: told each write on another connection than erm's that was held back while planning.
        on_version: told each statement on Alembic's version table, which is not sent then; None while applying.
        metadata: `module:attribute`, used where env.py sets no target_metadata.
        context_options: further options of Alembic's EnvironmentContext, for autogenerate.
        limits: the settings of `connection` that erm made itself, in milliseconds: they are none of env.py's.
        on_heads: told the recorded revisions as each step leaves them, just before its transaction is committed.

    Raises:
        EnvironmentRefused: env.py does what erm cannot do safely.
        ProjectError: env.py raises, or never calls run_migrations().
    """
    os.chdir(project.root)  # a revision of the run before may have gone elsewhere, and paths count from here
    _set_url(config, scripts, target)
    adoption: Adoption

    def tracked(heads: Any, context: MigrationContext) -> Iterator[RevisionStep]:
        yield from adoption.working(tuple(heads), context, lambda: work(tuple(heads), context))

    environment = EnvironmentContext(
        config,
        scripts,
        fn=tracked,
        as_sql=False,
        destination_rev=destination,
        tag=project.options.tag,
        dont_mutate=read_only,
        **(context_options or {}),
    )
    redirected = redirected_engines(target, own=connection.engine, read_only=read_only, on_held_back=on_held_back)
    with (
        redirected as redirection,
        _quiet_migration_log(read_only),
        written_without_compiling(on_version),
        environment,
    ):
        listener = _heads_listener(on_heads)
        adoption = Adoption(environment, connection, redirection, listener, metadata, limits or {}, read_only)
        adoption.install()
        try:
            _run_env_py(scripts, adoption, planning=read_only)
            if adoption.connection.in_transaction() and not read_only:
                adoption.connection.commit()  # what env.py sent through erm's connection after run_migrations()
        finally:
            adoption.end()


def _heads_listener(on_heads: Callable[[frozenset[str]], None] | None) -> Callable[..., None] | None:
    if on_heads is None:
        return None

    def on_version_apply(*, heads: set[str], **_: Any) -> None:
        on_heads(frozenset(heads))

    return on_version_apply


def _run_env_py(scripts: ScriptDirectory, adoption: Adoption, *, planning: bool) -> None:
    try:
        with ends_forked_children(), standard_files_kept(), application_context(Path(scripts.env_py_location)):
            scripts.run_env()
    except (ErmError, KeyboardInterrupt):
        raise
    except Exception as error:
        if adoption.worked and not (planning and adoption.ended):
            raise  # a revision failed: whoever yielded the step knows which
        raise _env_py_failed(scripts, error) from error
    except BaseException as error:
        raise _env_py_failed(scripts, error) from error
    if not adoption.worked:
        raise ProjectError(
            f"{scripts.env_py_location} never calls context.run_migrations().",
            effect="No revision was planned or run.",
            cure="Let env.py call `context.configure(...)` and then `context.run_migrations()` in online mode.",
        )


def _env_py_failed(scripts: ScriptDirectory, error: BaseException) -> ProjectError:
    where = scripts.env_py_location
    line = line_in_traceback(error, str(Path(where).absolute()))
    place = where if line is None else f"{where}:{line}"
    return ProjectError(
        f"{place}: env.py raises {type(error).__name__}: {first_line(error)}",
        effect="No revision was planned or run.",
        cure=_cure(error),
    )


def _cure(error: BaseException) -> str:
    if not isinstance(error, DBAPIError):
        return "Correct env.py, or set what it needs; `-v` shows the traceback."
    if getattr(error.orig, "pgcode", "unknown") is None:
        return (
            "env.py opens a connection of its own besides erm's, and that one failed: give the server room for it"
            " (max_connections), and env.py the right address."
        )
    return "Check the role's rights: env.py, or Alembic making its version table, sent what the database refuses."


def _set_url(config: Config, scripts: ScriptDirectory, target: DatabaseUrl) -> None:
    """Set `sqlalchemy.url` to the target, with the driver that env.py's own engine expects: async stays async."""
    url = target.sqlalchemy_url(f"postgresql+{_expected_driver(config, scripts)}")
    config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))


def _expected_driver(config: Config, scripts: ScriptDirectory) -> str:
    # An address that the ini file cannot have, such as one with a bare percent sign, is not the one that is used.
    with contextlib.suppress(ArgumentError, ValueError, CommandError, configparser.Error):
        written = make_url(config.get_main_option("sqlalchemy.url") or "")
        if written.get_backend_name() == "postgresql" and "+" in written.drivername:
            return written.get_driver_name()
    if not _is_async(Path(scripts.env_py_location)):
        return "psycopg2"
    return "asyncpg" if importlib.util.find_spec("asyncpg") else "psycopg"


def _is_async(env_py: Path) -> bool:
    """Whether env.py imports SQLAlchemy's asyncio extension, so that its engine needs an async driver."""
    try:
        tree = ast.parse(env_py.read_bytes())
    except (OSError, SyntaxError):
        return False
    return any(
        (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy.ext.asyncio"))
        or (
            isinstance(node, ast.Import)
            and any(alias.name.startswith("sqlalchemy.ext.asyncio") for alias in node.names)
        )
        for node in ast.walk(tree)
    )


@contextlib.contextmanager
def _quiet_migration_log(read_only: bool) -> Iterator[None]:
    """While planning, Alembic's "Running upgrade ..." would be a lie."""
    logger = logging.getLogger("alembic.runtime.migration")

    def only_warnings(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING

    if read_only:
        logger.addFilter(only_warnings)
    try:
        yield
    finally:
        logger.removeFilter(only_warnings)
