"""Revisions that stop where a variable says so, applied within the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from erm_alembic import migrate
from erm_alembic.checks.overrides import Override
from erm_alembic.execute.progress import Progress
from erm_alembic.planning.model import Outcome
from tests.faults.deploying import Project
from tests.support.databases import Database

STOP = (
    '__import__("os").environ.get("STOP_AT") == {name} and "plan" not in'
    ' op.get_bind().connection.dbapi_connection.info.dsn_parameters["fallback_application_name"]'
    ' and (_ for _ in ()).throw(RuntimeError("stopped"))'
)
AUTOCOMMIT = "with op.get_context().autocommit_block():\n"


def stop_at(name: str) -> str:
    """A line of a revision that ends it with an exception when STOP_AT says so; a plan passes it."""
    return STOP.format(name=repr(name))


def _indented(text: str) -> str:
    """The body of a block."""
    return "".join(f"    {line}\n" for line in text.strip().splitlines())


def in_autocommit(text: str) -> str:
    """Lines of a revision within an autocommit block."""
    return AUTOCOMMIT + _indented(text)


@dataclass
class Stopping:
    """A project that is applied in this process."""

    project: Project
    database: Database
    monkeypatch: pytest.MonkeyPatch

    def revision(
        self, revision: str, upgrade: str, downgrade: str = 'op.execute("SELECT 1")', *, down: str | None = None
    ) -> None:
        """Write a revision file."""
        self.project.revision(revision, upgrade, downgrade, down=down)

    def apply(
        self, stop: str | None = None, *, to: str = "heads", overridden: bool = False, progress: Progress | None = None
    ) -> Outcome:
        """Apply; with a point at which the revision stops, expect that it does.

        Args:
            stop: the point.
            to: the revision to reach.
            overridden: whether the check that a revision is half done is let pass.
            progress: who watches.
        """
        overrides = (Override("half-done-revision", "a test"),) if overridden else ()
        return self._run(lambda: migrate.apply(to=to, overrides=overrides, progress=progress).outcome, stop)

    def rollback(self, stop: str | None = None) -> Outcome:
        """Roll the latest revision back, in the same way."""
        return self._run(lambda: migrate.rollback().outcome, stop)

    def _run(self, run: Callable[[], Outcome], stop: str | None) -> Outcome:
        with self.monkeypatch.context() as patch:
            patch.chdir(self.project.root)
            patch.setenv("ERM_DATABASE_URL", self.database.url)
            patch.setenv("STOP_AT", stop or "")
            outcome = run()
        expected = "done" if stop is None else "failed"
        assert outcome.result == expected, outcome
        assert stop is None or "stopped" in (outcome.error or ""), outcome
        return outcome

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """The answer to a query."""
        return self.database.execute(sql)

    def noted(self) -> list[tuple[object, ...]]:
        """What the ledger notes of half-done revisions: state, tag and row count."""
        return self.rows("SELECT state, tag, rowcount FROM erm.progress ORDER BY place")
