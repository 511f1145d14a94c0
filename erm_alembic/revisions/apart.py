"""Run a revision's function by itself: in a transaction of its own, Alembic's version table left alone.

`_per_migration` of `MigrationContext.begin_transaction` is private; tests/revisions/test_alembic_names.py watches it.
"""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext, RevisionStep

__all__ = ["run_apart"]


def run_apart(context: MigrationContext, step: RevisionStep) -> None:
    """Run a step as Alembic would, without recording that it was run.

    Args:
        context: Alembic's context, within env.py's `run_migrations()`, where `op` works.
        step: the step; only its function counts.
    """
    with context.begin_transaction(_per_migration=True):
        step.migration_fn()
