"""What env.py has run with each revision, made a part of the revision: planned, compared and run again with it.

Alembic calls `on_version_apply` when it has recorded a step, outside of the revision's function. Here the callbacks run
at the end of that function, told what the database will record in a moment. And where env.py has its engine commit each
statement by itself, the function runs in an autocommit block, which erm knows how to resume.

`HeadMaintainer`'s writing methods and `RevisionStep` are names of Alembic that no document promises;
tests/revisions/test_alembic_names.py watches them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from alembic.runtime.migration import HeadMaintainer, MigrationContext, RevisionStep
from sqlalchemy import event

from erm_alembic.errors import EnvironmentRefused
from erm_alembic.postgres.text.lexer import tokens

__all__ = ["Callback", "EnvSteps", "only_of_stamps"]

Callback = Callable[..., None]


class EnvSteps:
    """Knows what env.py has run with each revision.

    Args:
        callbacks: the `on_version_apply` of env.py.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self.callbacks = tuple(callbacks)
        self.autocommit = False
        self._heads: frozenset[str] = frozenset()
        self._context: MigrationContext | None = None

    def begin(self, context: MigrationContext, heads: Sequence[str]) -> None:
        """The steps of a run begin.

        Args:
            context: Alembic's context.
            heads: what the database records.
        """
        self._context, self._heads = context, frozenset(heads)

    def done(self, step: Any) -> None:
        """A step was recorded.

        Args:
            step: Alembic's step.
        """
        self._heads = self._after(step)

    @contextlib.contextmanager
    def within_revisions(self) -> Iterator[None]:
        """Make it a part of every revision's function for as long as the block lasts."""
        if not self.callbacks and not self.autocommit:
            yield
            return
        make: Any = RevisionStep.__init__

        def init(step: RevisionStep, *args: Any, **kw: Any) -> None:
            make(step, *args, **kw)
            step.migration_fn = self._around(step.migration_fn, step)

        kind: Any = RevisionStep
        kind.__init__ = init
        try:
            yield
        finally:
            kind.__init__ = make

    def _around(self, function: Callable[..., Any], step: RevisionStep) -> Callable[..., None]:
        @functools.wraps(function)
        def migration_fn(**kw: Any) -> None:
            context = self._context
            assert context is not None  # a step runs within run_migrations()
            with context.autocommit_block() if self.autocommit else contextlib.nullcontext():
                function(**kw)
            if not self.callbacks:
                return
            heads = self._after(step)
            with _kept_from_version_table(context):
                for callback in self.callbacks:
                    callback(ctx=context, step=step.info, heads=set(heads), run_args=kw)

        return migration_fn

    def _after(self, step: Any) -> frozenset[str]:
        """What the database records after a step."""
        counting = _Counting(self._context, self._heads)  # type: ignore[arg-type]  # it only counts
        counting.update_to_step(step)
        return frozenset(counting.heads)


class _Counting(HeadMaintainer):
    """Alembic's bookkeeping without its statements."""

    def _insert_version(self, version: str) -> None:
        self.heads.add(version)

    def _delete_version(self, version: str) -> None:
        self.heads.remove(version)

    def _update_version(self, from_: str, to_: str) -> None:
        self.heads.remove(from_)
        self.heads.add(to_)


def only_of_stamps(callback: Callback) -> Callback:
    """A callback that Alembic itself calls where a database is stamped, and no revision's function runs.

    Args:
        callback: an `on_version_apply` of env.py.
    """

    @functools.wraps(callback)
    def call(**kw: Any) -> None:
        if kw["step"].is_stamp:
            callback(**kw)

    return call


@contextlib.contextmanager
def _kept_from_version_table(context: MigrationContext) -> Iterator[None]:
    """Refuse what asks the version table: under Alembic the step stands in it by now, and here it does not yet.

    Raises:
        EnvironmentRefused: in whoever names it.
    """
    connection, table = context.connection, context.version_table
    assert connection is not None

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if any(token.kind in ("word", "quoted") and token.name == table for token in tokens(statement)):
            raise EnvironmentRefused(
                f"A callback of env.py's on_version_apply works on Alembic's version table ({table}).",
                effect="This revision was not run: erm runs such callbacks as a part of the revision, before the table "
                "is written.",
                cure="Let it use its arguments: `heads` is what the table will say, `step` what was run.",
            )

    event.listen(connection, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", look)
