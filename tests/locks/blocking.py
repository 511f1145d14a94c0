"""Sessions that are in a migration's way, and a progress that reacts to what is told about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from erm_alembic import migrate
from erm_alembic.execute.progress import SilentProgress
from erm_alembic.planning.model import Outcome, Step
from tests.faults.deploying import Project
from tests.support.databases import Database

ADD = 'op.add_column("orders", sa.Column("total", sa.Integer))'
WRITES = "UPDATE orders SET note = 'a secret' WHERE id = 1"

Reaction = tuple[str, Callable[[], object]]


class Notes(SilentProgress):
    """Keeps what is told, and does something the first time that certain words are."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._reactions: list[Reaction] = []
        self._on_statements: list[Reaction] = []

    def when(self, words: str, action: Callable[[], object]) -> None:
        """Do something as soon as these words are told."""
        self._reactions.append((words, action))

    def when_sent(self, words: str, action: Callable[[], object]) -> None:
        """Do something just before a statement with these words is sent."""
        self._on_statements.append((words, action))

    def note(self, message: str) -> None:
        self.told.append(message)
        self._react(self._reactions, message)

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        self._react(self._on_statements, sql)

    def _react(self, reactions: list[Reaction], text: str) -> None:
        for reaction in [each for each in reactions if each[0] in text]:
            reactions.remove(reaction)
            reaction[1]()

    def saying(self, words: str) -> list[str]:
        """The messages with these words."""
        return [message for message in self.told if words in message]


@dataclass
class Deployment:
    """A project that is deployed in this very process.

    Args:
        project: the project.
        monkeypatch: moves this process into it.
        notes: what was told.
    """

    project: Project
    monkeypatch: pytest.MonkeyPatch
    notes: Notes = field(default_factory=Notes)

    @property
    def database(self) -> Database:
        assert self.project.database is not None
        return self.project.database

    @property
    def root(self) -> Path:
        return self.project.root

    def apply(self, env: str | None = None) -> Outcome:
        """Apply everything; how it ended."""
        self.monkeypatch.chdir(self.root)
        assert self.project.url is not None
        self.monkeypatch.setenv("ERM_DATABASE_URL", self.project.url)
        return migrate.apply(env, progress=self.notes).outcome


@contextmanager
def open_transaction(database: Database, *statements: str, application: str = "web") -> Iterator[Any]:
    """A session that has sent statements and neither commits nor goes away."""
    connection = database.connect(application_name=application)
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        yield connection
    finally:
        connection.close()


def pid_of(connection: Any) -> int:
    """The server process of a session."""
    return int(connection.info.backend_pid)


def columns(database: Database) -> list[str]:
    """The columns of the table that the application uses."""
    rows = database.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 ORDER BY attnum"
    )
    return [row[0] for row in rows]
