"""The method `command`: a team's own tool takes the backup, and says where it is.

It gets what is wanted as JSON on stdin and in its environment, and neither erm's address of the database nor its
password: it has its own way there. What it says on stderr is shown; the last line of its stdout is the place.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from erm_alembic.backup.process import Orders, run_program
from erm_alembic.config.redaction import redact
from erm_alembic.config.settings import Settings
from erm_alembic.errors import BackupError
from erm_alembic.ledger.backups import LostObject
from erm_alembic.target import Target

__all__ = ["Answer", "ask_command", "told_to_command"]

CREDENTIALS = ("ERM_DATABASE_URL",)
LONGEST_PLACE = 4096


@dataclass(frozen=True)
class Answer:
    """What a command has answered.

    Args:
        place: where the backup is.
        bytes: its size; None where it does not say.
    """

    place: str
    bytes: int | None = None


def told_to_command(
    target: Target, backup_id: str, tables: tuple[str, ...] | None, at_risk: tuple[LostObject, ...], run_id: int | None
) -> dict[str, Any]:
    """What the command is told of a backup that it is to take.

    Args:
        target: the database.
        backup_id: the backup's name.
        tables: the tables that are wanted; None for all.
        at_risk: what the run is to lose.
        run_id: the run that it is taken for; None where it was asked for by hand.
    """
    parameters = target.address.parameters
    return {
        "backup": backup_id,
        "environment": target.settings.environment,
        "database": {
            "name": target.database,
            "host": parameters.get("host"),
            "port": parameters.get("port"),
            "url": target.redacted,
            "server_version": target.server_version,
        },
        "tables": None if tables is None else list(tables),
        "at_risk": [asdict(each) for each in at_risk],
        "run_id": run_id,
    }


def ask_command(
    settings: Settings, action: Literal["take", "verify"], told: Mapping[str, Any], orders: Orders
) -> Answer | None:
    """Run the command.

    Args:
        settings: what is in force.
        action: what it is to do.
        told: what it gets as JSON.
        orders: how it is run; its environment is this process's own, without erm's way to the database.

    Returns:
        What it answers; None where it says nothing, which is enough for `verify`.

    Raises:
        BackupError: there is none, it fails, or it does not say where the backup is.
    """
    command = settings.backup.command
    if command is None:
        raise BackupError("backup.method is command, and there is no backup.command.", cure="Write it into erm.yaml.")
    environ = {name: value for name, value in os.environ.items() if name not in CREDENTIALS}
    environ |= {
        "ERM_BACKUP_ACTION": action,
        "ERM_BACKUP_ID": str(told["backup"]),
        "ERM_ENV": settings.environment,
        "ERM_RUN_ID": "" if told.get("run_id") is None else str(told["run_id"]),
    }
    ordered = Orders(environ, orders.told, orders.stopped, orders.timeout, orders.held, orders.what)
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as answer:
        given.write(json.dumps({"action": action, **told}).encode("ascii"))
        given.seek(0)
        run_program(shlex.split(command), ordered, cwd=settings.project_dir, given=given, answer=answer)
        answer.seek(0)
        lines = [line for line in answer.read().decode("utf-8", "replace").splitlines() if line.strip()]
    if action == "verify":
        return None
    return _answer(lines)


def _answer(lines: list[str]) -> Answer:
    last = lines[-1].strip() if lines else ""
    found: Any = None
    if last.startswith("{"):
        with contextlib.suppress(ValueError):
            found = json.loads(last)
    place, size = (found.get("place"), found.get("bytes")) if isinstance(found, dict) else (last, None)
    if not isinstance(place, str) or not place.strip() or len(place) > LONGEST_PLACE:
        raise BackupError(
            "The command of backup.command ended well, and did not say where the backup is.",
            effect="Nothing counts as a backup that nobody can find.",
            cure='Let the last line of its stdout be the place, or an object: {"place": ..., "bytes": ...}.',
        )
    whole = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    return Answer(redact(place.strip()), size if whole else None)
