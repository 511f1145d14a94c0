"""What the team's own commands said around a run: one row a command, with the end of its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg2 import sql

__all__ = ["HOOK", "HookRecord", "insert_hook", "read_hooks"]

HOOK = """
    CREATE TABLE IF NOT EXISTS {schema}.hook (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id       bigint NOT NULL REFERENCES {schema}.run (id),
        event        text NOT NULL,
        revision     text,
        command      text NOT NULL,
        started_at   timestamptz NOT NULL,
        duration_ms  bigint NOT NULL,
        outcome      text NOT NULL,
        exit_status  integer,
        output       text NOT NULL
    );
    CREATE INDEX IF NOT EXISTS hook_run ON {schema}.hook (run_id)"""


@dataclass(frozen=True)
class HookRecord:
    """One command of the team's own, and how it ended.

    Args:
        event: when it was run: `before_run`, `after_run`, `before_revision`, `after_revision`, `on_failure`.
        revision: the revision that it was about, where it was about one.
        command: the command as it is typed in erm.yaml, addresses without their passwords.
        started_at: when it started, with time zone.
        duration_ms: how long it ran, in milliseconds.
        outcome: `done`, `failed`, `timed out`, `interrupted` or `not started`.
        exit_status: what it exited with; negative for the signal that ended it, None when it was not started.
        output: the end of what it wrote, known secrets masked.
    """

    event: str
    revision: str | None
    command: str
    started_at: datetime
    duration_ms: int
    outcome: str
    exit_status: int | None
    output: str = field(default="", repr=False)

    def values(self, run_id: int) -> list[Any]:
        """The parameters of `insert_hook`."""
        return [
            *(run_id, self.event, self.revision, self.command, self.started_at, self.duration_ms),
            *(self.outcome, self.exit_status, self.output),
        ]


def insert_hook(schema: sql.Composable) -> sql.Composed:
    """The statement that writes one row; its parameters are `HookRecord.values()`."""
    return sql.SQL(
        "INSERT INTO {schema}.hook (run_id, event, revision, command, started_at, duration_ms, outcome, exit_status,"
        " output) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    ).format(schema=schema)


def read_hooks(cursor: Any, schema: sql.Composable, run_ids: Sequence[int]) -> dict[int, tuple[HookRecord, ...]]:
    """The commands of some runs, by run, in the order in which they ran.

    Args:
        cursor: a psycopg2 cursor.
        schema: the ledger's schema, quoted for a statement with placeholders.
        run_ids: the runs.
    """
    cursor.execute(
        sql.SQL(
            "SELECT run_id, event, revision, command, started_at, duration_ms, outcome, exit_status, output"
            " FROM {schema}.hook WHERE run_id = ANY(%s) ORDER BY id"
        ).format(schema=schema),
        [list(run_ids)],
    )
    found: dict[int, tuple[HookRecord, ...]] = {}
    for run_id, *values in cursor.fetchall():
        found[run_id] = (*found.get(run_id, ()), HookRecord(*values))
    return found
