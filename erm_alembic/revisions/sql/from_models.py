"""What brings a database to the models, as SQL: the statements that autogenerate's operations send."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import dialect as postgresql_dialect

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.revisions.autogenerate import NO_DOWNGRADE, changes_of, compare_models, revision_context
from erm_alembic.revisions.project import AlembicProject

__all__ = ["ModelSql", "sql_from_models"]


@dataclass(frozen=True)
class ModelSql:
    """What autogenerate found, as two SQL scripts.

    Args:
        changes: one line a difference between the models and the database; empty when they agree.
        up: the script that brings the database to the models.
        down: the one that takes it back.
    """

    changes: tuple[str, ...] = ()
    up: str = ""
    down: str = ""


def sql_from_models(
    project: AlembicProject,
    connection: Connection,
    target: DatabaseUrl,
    metadata: str | None,
) -> ModelSql:
    """Compare the models with the database, and put what differs into SQL.

    Args:
        project: the Alembic project.
        connection: a read-only connection to a database that stands at the project's heads.
        target: its address.
        metadata: `module:attribute` of the models, where env.py sets none.

    Raises:
        NoModels: the project has none.
        UsageError: the database is behind the revision files.
        ProjectError: env.py or the models cannot be loaded.
    """
    with project.entered():
        config = project.config()
        scripts = project.scripts(config)
        context = revision_context(config, scripts, "models", None, None)
        compare_models(project, scripts, config, connection, target, metadata, context)
        changes = changes_of(context)
        if not changes:
            return ModelSql()
        found = context.generated_revisions[-1]
        up = "".join(map(_rendered, found.upgrade_ops_list))
        down = "".join(map(_rendered, found.downgrade_ops_list))
        return ModelSql(changes, up, down or f"-- erm: irreversible {NO_DOWNGRADE}\n")


def _rendered(operations: Any) -> str:
    """The statements of some operations, as Alembic's offline mode writes them."""
    written = io.StringIO()
    # A style of parameters in which a percent sign stands for itself.
    plain = postgresql_dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy
    context = MigrationContext.configure(dialect=plain, opts={"as_sql": True, "output_buffer": written})
    _invoke(Operations(context), operations)
    return written.getvalue()


def _invoke(run: Operations, operations: Any) -> None:
    for each in operations.ops:
        if hasattr(each, "ops"):
            _invoke(run, each)
        else:
            run.invoke(each)
