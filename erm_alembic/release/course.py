"""A release on its way: what its stages work with, and what they know of each other."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from erm_alembic.config.env_option import env_option
from erm_alembic.config.release_settings import OnFailure
from erm_alembic.config.settings import Settings
from erm_alembic.ledger.releases import ReleaseRecord, Releases
from erm_alembic.ledger.store import open_ledger
from erm_alembic.opening import Opened
from erm_alembic.planning.model import Plan
from erm_alembic.postgres.signals import SignalWatch
from erm_alembic.release.noting import NotingProgress
from erm_alembic.release.request import ReleaseRequest

__all__ = ["Course"]


@dataclass
class Course:
    """What a stage is given.

    Args:
        opened: settings, target, project.
        request: what is asked for.
        progress: told what happens, and keeps it.
        watch: tells of signals.
        record: the release as the ledger has it; None for one that is only looked at.
        row: the ledger's row of the stage under way.
        plan: the plan, once the stage `plan` has made it in this process; the ledger has what the others need of it.
    """

    opened: Opened
    request: ReleaseRequest
    progress: NotingProgress
    watch: SignalWatch
    record: ReleaseRecord | None = None
    row: int = 0
    plan: Plan | None = None

    @property
    def settings(self) -> Settings:
        """What is in force."""
        return self.opened.settings

    @property
    def id(self) -> int:
        """The release's number; 0 for one that is only looked at."""
        return 0 if self.record is None else self.record.id

    @property
    def observe_for(self) -> timedelta:
        """How long it observes."""
        return self.settings.release.observe.duration if self.request.observe_for is None else self.request.observe_for

    @property
    def on_failure(self) -> OnFailure:
        """What becomes of it when a stage fails after the apply."""
        return self.request.on_failure or self.settings.release.on_failure

    def tell(self, message: str) -> None:
        """Tell whoever watches.

        Args:
            message: something to know.
        """
        self.progress.note(message)

    def details(self, stage: str) -> Mapping[str, Any]:
        """What the ledger knows of another stage; nothing where it has not been.

        Args:
            stage: its name.
        """
        found = None if self.record is None else self.record.last(stage)
        return {} if found is None else found.details

    def earlier(self) -> Mapping[str, Any]:
        """What an earlier run had kept of the stage under way, when it was stopped."""
        if self.record is None:
            return {}
        under_way = next((each.stage for each in self.record.stages if each.id == self.row), "")
        before = [each for each in self.record.stages if each.stage == under_way and each.id < self.row]
        return before[-1].details if before else {}

    def keep(self, details: Mapping[str, Any]) -> None:
        """Write to the ledger what is known of the stage under way: an interruption loses nothing of it.

        Args:
            details: all of it.
        """
        if self.row:
            target = self.opened.target
            with target.reported(), open_ledger(target) as ledger:
                Releases(ledger, self.settings.ledger.schema).keep_details(self.row, details)

    def command(self, *words: str) -> str:
        """A command of erm as it is to be typed for this database.

        Args:
            words: what follows `erm`.
        """
        typed = "".join(f" {shlex.quote(word)}" for word in self.request.typed)
        return f"erm {' '.join(words)}{env_option(self.settings.environment)}{typed}"
