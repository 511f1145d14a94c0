"""The commands that erm.yaml names: what each of them is told, and what is known of it afterwards."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from erm_alembic.config.redaction import redact
from erm_alembic.config.settings import Settings
from erm_alembic.execute.hooks import Occasion
from erm_alembic.hooks.output import Output
from erm_alembic.hooks.process import run_command
from erm_alembic.ledger.hooks import HookRecord
from erm_alembic.planning.model import Plan
from erm_alembic.planning.terms import plan_digest
from erm_alembic.render.json import dump, plan_document
from erm_alembic.telemetry.trace_ids import hand_down

__all__ = ["TeamHooks"]

# Where the database is, with its password: a hook gets its own way to it, or none.
CREDENTIALS = ("ERM_DATABASE_URL",)


@dataclass(frozen=True)
class TeamHooks:
    """Runs what `hooks:` says, in the folder of erm.yaml.

    Args:
        settings: what is in force.
        plan: the plan of the run.

    Example:
        >>> from pathlib import Path
        >>> from erm_alembic.config.settings import HooksSettings
        >>> settings = Settings("dev", Path.cwd(), hooks=HooksSettings(after_run=("echo hello",)))
        >>> plan = Plan("dev", "postgresql://localhost/app", "15.18", "upgrade", (), (), ())
        >>> (ended,) = TeamHooks(settings, plan).run(Occasion("after_run", 1, plan), print, lambda: False)
        Hook after_run: echo hello
          after_run | hello
        >>> ended.outcome, ended.output
        ('done', 'hello\\n')
    """

    settings: Settings
    plan: Plan

    def run(
        self, occasion: Occasion, tell: Callable[[str], None], signalled: Callable[[], bool]
    ) -> Iterator[HookRecord]:
        """Run the commands of an event; the caller may stop after any of them."""
        commands: tuple[str, ...] = getattr(self.settings.hooks, occasion.event)
        if not commands:
            return
        told, environ = self._told(occasion), self._environ(occasion)
        for command in commands:
            yield self._run(command, occasion, told, environ, tell, signalled)

    def _run(
        self,
        command: str,
        occasion: Occasion,
        told: bytes,
        environ: dict[str, str],
        tell: Callable[[str], None],
        signalled: Callable[[], bool],
    ) -> HookRecord:
        shown = redact(command)
        tell(f"Hook {occasion.event}: {shown}")
        output = Output(lambda line: tell(f"  {occasion.event} | {line}"))
        timeout = self.settings.hooks.timeout.total_seconds()
        started, started_at = time.monotonic(), datetime.now(UTC)
        ended = run_command(
            shlex.split(command),
            cwd=self.settings.project_dir,
            environ=environ,
            stdin=told,
            timeout=timeout or None,
            output=output,
            signalled=signalled,
        )
        return HookRecord(
            event=occasion.event,
            revision=occasion.step.revision if occasion.step else None,
            command=shown,
            started_at=started_at,
            duration_ms=round((time.monotonic() - started) * 1000),
            outcome=ended.outcome,
            exit_status=ended.exit_status,
            output=ended.reason or output.kept(),
        )

    @cached_property
    def _digest(self) -> str:
        return plan_digest(self.plan)

    def _told(self, occasion: Occasion) -> bytes:
        """The object of `erm migrate --format json`; of an event about a revision, with that step alone."""
        if occasion.step is None:
            return dump(plan_document(self.plan, occasion.outcome)).encode()
        alone = replace(self.plan, steps=(occasion.step,))
        document = plan_document(alone, occasion.outcome) | {"digest": self._digest}
        return (json.dumps(document) + "\n").encode()

    def _environ(self, occasion: Occasion) -> dict[str, str]:
        environ = {name: value for name, value in os.environ.items() if name not in CREDENTIALS}
        environ |= {
            "ERM_HOOK": occasion.event,
            "ERM_ENV": self.settings.environment,
            "ERM_RUN_ID": str(occasion.run_id),
            **hand_down(),
        }
        environ.pop("ERM_REVISION", None)
        return environ | ({"ERM_REVISION": occasion.step.revision} if occasion.step else {})
