"""A command of the team's own in a release: it gets the outcome so far as JSON, and no credential of ours."""

from __future__ import annotations

import os
import shlex
import time
from datetime import timedelta
from typing import Any

from erm_alembic.config.redaction import redact
from erm_alembic.hooks.output import Output
from erm_alembic.hooks.process import Ended as CommandEnded
from erm_alembic.hooks.process import run_command
from erm_alembic.hooks.team import CREDENTIALS
from erm_alembic.release.course import Course
from erm_alembic.render.json import result_document
from erm_alembic.render.releases import release_members

__all__ = ["objection", "run_own"]

# Of what a command wrote, so much stands in the ledger.
KEPT_CHARACTERS = 4000
LAST_LINES = 5


def run_own(course: Course, stage: str, command: str, timeout: timedelta) -> dict[str, Any]:
    """Run a command, in the folder of erm.yaml, without a shell.

    Args:
        course: the release.
        stage: the stage that it belongs to.
        command: the command, as a shell would read it.
        timeout: how long it may take; zero means no limit.

    Returns:
        What is known of it: `command`, `outcome` (`done`, `failed`, `timed out`, `interrupted`, `not started`),
        `exit_status`, `duration_ms`, `output` (its end).
    """
    shown = redact(command)
    course.tell(f"  {stage}: {shown}")
    output = Output(lambda line: course.tell(f"  {stage} | {line}"))
    assert course.record is not None
    told = result_document({"release": release_members(course.record, course.opened.target.redacted)})
    begun, signals = time.monotonic(), course.watch.count
    with course.watch.held():
        ended: CommandEnded = run_command(
            shlex.split(command),
            cwd=course.settings.project_dir,
            environ=_environ(course, stage),
            stdin=told.encode(),
            timeout=timeout.total_seconds() or None,
            output=output,
            signalled=lambda: course.watch.count > signals,
        )
    return {
        "command": shown,
        "outcome": ended.outcome,
        "exit_status": ended.exit_status,
        "duration_ms": round((time.monotonic() - begun) * 1000),
        "output": ended.reason or output.kept()[-KEPT_CHARACTERS:],
    }


def objection(done: dict[str, Any]) -> str:
    """What is said of a command that did not succeed: its ending and its last lines.

    Args:
        done: what `run_own` returned.

    Example:
        >>> objection({"command": "./warm.sh", "outcome": "failed", "exit_status": 3, "output": "no cache"})
        '`./warm.sh` failed with exit status 3: no cache'
    """
    said = f"`{done['command']}` {_ending(done)}"
    lines = [line.strip() for line in str(done["output"]).splitlines() if line.strip()][-LAST_LINES:]
    return f"{said}: {' / '.join(lines)}" if lines else said


def _ending(done: dict[str, Any]) -> str:
    status = done["exit_status"]
    match done["outcome"]:
        case "not started":
            return "cannot be started"
        case "timed out":
            return "took longer than it may and was ended"
        case "interrupted":
            return "was ended by a signal to erm"
    if status is not None and status < 0:
        return f"was ended by signal {-status}"
    return f"failed with exit status {status}"


def _environ(course: Course, stage: str) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name not in CREDENTIALS}
    return environ | {
        "ERM_ENV": course.settings.environment,
        "ERM_RELEASE_ID": str(course.id),
        "ERM_STAGE": stage,
    }
