"""A project on a fresh database, deployed and backed up in this process: a command of its own takes a second each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import erm_alembic
import erm_alembic.backup
from erm_alembic.backup import Backup
from erm_alembic.backup.putting_back import PutBack
from erm_alembic.checks.overrides import Override
from erm_alembic.migrate import Result
from tests.faults.deploying import Project
from tests.support.databases import Database

DEMANDED = "backup: {method: pg_dump, tables: at-risk}\n"


@dataclass
class Shop:
    """A project whose profile demands backups.

    Args:
        project: its files.
        database: its database.
    """

    project: Project
    database: Database

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def folder(self) -> Path:
        """Where the backups are."""
        return self.root / ".erm" / "backups"

    def sql(self, statement: str, *params: object) -> list[tuple[Any, ...]]:
        """Run one statement."""
        return self.database.execute(statement, *params)

    def config(self, text: str = DEMANDED) -> None:
        """Write erm.yaml."""
        self.project.config(text)

    def revision(self, revision: str, up: str, down: str = "SELECT 1", *, after: str | None = None) -> None:
        """Write a revision of one statement each way."""
        self.project.revision(revision, f"op.execute({up!r})", f"op.execute({down!r})", down=after)

    def apply(self, *overrides: Override, to: str = "heads") -> Result:
        """Apply what is pending."""
        return erm_alembic.apply("dev", to=to, overrides=overrides)

    def rollback(self) -> Result:
        """Take the last revision back, whatever is lost."""
        return erm_alembic.rollback("dev", allow_data_loss=True)

    def take(self, **arguments: Any) -> Backup:
        """Take a backup."""
        return erm_alembic.backup.take("dev", **arguments)

    def put_back(self, *names: str, backup: str = "latest", **arguments: Any) -> PutBack:
        """Put data back: what is named, else what was lost; really, unless told otherwise."""
        arguments = {"really": True, "lost": not names, **arguments}
        return erm_alembic.backup.put_back("dev", backup, names=names, **arguments)

    def ids(self) -> list[str]:
        """The backups that count."""
        return [each.backup.id for each in erm_alembic.backup.backups("dev") if each.is_there]


def shop_on(database: Database, root: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A project in a folder, and this process in it."""
    root.mkdir(exist_ok=True)
    project = Project(root, database)
    monkeypatch.chdir(root)
    monkeypatch.setenv("ERM_DATABASE_URL", database.url)
    monkeypatch.setenv("ERM_NO_SHADOW", "1")
    shop = Shop(project, database)
    shop.config()
    return shop


@pytest.fixture
def shop(one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A project on the newest server."""
    yield shop_on(one_database, tmp_path / "a shop", monkeypatch)


@pytest.fixture
def every_shop(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A project on a server of every major."""
    yield shop_on(database, tmp_path / "a shop", monkeypatch)
