"""Releases and their stages: one row a release, one row each time that a stage of it was begun.

What is kept as JSON is ASCII text, which a database of any encoding can hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from erm_alembic.ledger.encoding import fitted
from erm_alembic.postgres.catalog import tables_of
from erm_alembic.version import __version__

if TYPE_CHECKING:
    from erm_alembic.ledger.store import Ledger

__all__ = ["RELEASE", "RELEASE_STAGE", "ReleaseRecord", "Releases", "StageRecord"]

RELEASE = """
    CREATE TABLE IF NOT EXISTS {schema}.release (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
        finished_at  timestamptz,
        environment  text NOT NULL,
        who          text NOT NULL,
        host         text NOT NULL,
        erm_version  text NOT NULL,
        git_commit   text,
        terms        text NOT NULL,
        outcome      text,
        error        text
    )"""

RELEASE_STAGE = """
    CREATE TABLE IF NOT EXISTS {schema}.release_stage (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        release_id   bigint NOT NULL REFERENCES {schema}.release (id),
        stage        text NOT NULL,
        started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
        ended_at     timestamptz,
        outcome      text,
        reason       text NOT NULL DEFAULT '',
        cure         text NOT NULL DEFAULT '',
        details      text NOT NULL DEFAULT '{{}}'
    );
    CREATE INDEX IF NOT EXISTS release_stage_release ON {schema}.release_stage (release_id, id)"""

READ = """
    SELECT id, environment, started_at, finished_at, who, host, erm_version, git_commit, terms, outcome, error
      FROM {release} WHERE %s::bigint IS NULL OR id = %s ORDER BY id DESC LIMIT %s
"""
READ_STAGES = """
    SELECT release_id, stage, started_at, ended_at, outcome, reason, cure, details, id
      FROM {stage} WHERE release_id = ANY(%s) ORDER BY id
"""
# How a release ends that is not gone on with.
OVER = frozenset({"done", "rolled-back", "rollback-failed", "abandoned", "superseded"})


@dataclass(frozen=True)
class StageRecord:
    """One time that a stage was begun.

    Args:
        stage: its name.
        started_at: when, with time zone.
        ended_at: when it ended; None while it runs, and of one that was killed.
        outcome: `done`, `nothing-to-do`, `skipped`, `failed`, `interrupted`, or `died` where a later run found that it
            had ended without a word; None while it runs.
        reason: what came of it, in a sentence.
        cure: what to do about a failure.
        details: what else is known of it: names, numbers and times, never a parameter value.
        id: the row's number.
    """

    stage: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    reason: str = ""
    cure: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0

    @property
    def has_ended_well(self) -> bool:
        """Whether the release goes on behind it."""
        return self.outcome in ("done", "nothing-to-do", "skipped")


@dataclass(frozen=True)
class ReleaseRecord:
    """One release of a database.

    Args:
        id: its number in this ledger.
        environment: the profile.
        started_at: when it began, with time zone.
        finished_at: when it ended, or was stopped.
        who: the operating system's user and the database role.
        host: the machine that it was begun on.
        erm_version: the version of erm.
        git_commit: the commit of the project, where it is a git work tree.
        terms: what it was asked for, and what must still be so when it goes on.
        outcome: `done`; `stopped` by a stage that failed or `interrupted` by a signal, from where it can go on;
            `rolled-back`, `abandoned` or `superseded` by a later one, which is its end; None while it runs, and of one
            that was killed.
        error: what failed.
        stages: what was begun, in order.
    """

    id: int
    environment: str
    started_at: datetime
    finished_at: datetime | None
    who: str
    host: str
    erm_version: str
    git_commit: str | None
    terms: Mapping[str, Any]
    outcome: str | None = None
    error: str | None = None
    stages: tuple[StageRecord, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether it is not gone on with."""
        return self.outcome in OVER

    def last(self, stage: str) -> StageRecord | None:
        """The last time that a stage was begun; None where it never was.

        Args:
            stage: its name.
        """
        return next((each for each in reversed(self.stages) if each.stage == stage), None)

    def has_begun(self, stage: str) -> bool:
        """Whether a stage was ever begun.

        Args:
            stage: its name.
        """
        return any(each.stage == stage and each.outcome != "skipped" for each in self.stages)


class Releases:
    """The releases in a ledger.

    Args:
        ledger: the ledger; each method that writes is a transaction of its own.
        schema: the ledger's schema.
    """

    def __init__(self, ledger: Ledger, schema: str) -> None:
        self._ledger, self._connection, self._schema = ledger, ledger.connection, schema

    def start(
        self, *, environment: str, who: str, host: str, git_commit: str | None, terms: Mapping[str, Any]
    ) -> ReleaseRecord:
        """Write that a release begins.

        Args:
            environment: the profile.
            who: the operating system's user and the database role.
            host: the machine.
            git_commit: the commit of the project.
            terms: what it was asked for.
        """
        rows = self._run(
            "INSERT INTO {release} (environment, who, host, erm_version, git_commit, terms)"
            " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            [environment, who, host, __version__, git_commit, _as_text(terms)],
        )
        found = self.of(rows[0][0])
        assert found is not None
        return found

    def begin_stage(self, release_id: int, stage: str) -> int:
        """Write that a stage begins.

        Args:
            release_id: the release.
            stage: the stage's name.

        Returns:
            The row's number.
        """
        rows = self._run(
            "INSERT INTO {stage} (release_id, stage) VALUES (%s, %s) RETURNING id",
            [release_id, stage],
        )
        return int(rows[0][0])

    def keep_details(self, row: int, details: Mapping[str, Any]) -> None:
        """Write what is known of a stage that goes on.

        Args:
            row: the row's number.
            details: all of it.
        """
        self._run("UPDATE {stage} SET details = %s WHERE id = %s RETURNING id", [_as_text(details), row])

    def end_stage(
        self, row: int, outcome: str, *, reason: str, cure: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        """Write how a stage ended.

        Args:
            row: the row's number.
            outcome: how.
            reason: what came of it.
            cure: what to do about it.
            details: what else is known; None for what was kept before.
        """
        self._run(
            "UPDATE {stage} SET ended_at = clock_timestamp(), outcome = %s, reason = %s, cure = %s,"
            " details = coalesce(%s, details) WHERE id = %s RETURNING id",
            [outcome, reason, cure, None if details is None else _as_text(details), row],
        )

    def end(self, release_id: int, outcome: str, error: str | None = None) -> None:
        """Write how a release ended, or was stopped.

        Args:
            release_id: the release.
            outcome: how.
            error: what failed.
        """
        self._run(
            "UPDATE {release} SET finished_at = clock_timestamp(), outcome = %s, error = %s WHERE id = %s RETURNING id",
            [outcome, error, release_id],
        )

    def go_on(self, release_id: int) -> None:
        """Write that a release that was stopped, or killed, goes on: what had no end by then has died.

        Args:
            release_id: the release.
        """
        self._run(
            "WITH dead AS (UPDATE {stage} SET outcome = 'died' WHERE release_id = %s AND outcome IS NULL)"
            " UPDATE {release} SET finished_at = NULL, outcome = NULL, error = NULL WHERE id = %s RETURNING id",
            [release_id, release_id],
        )

    def of(self, release_id: int) -> ReleaseRecord | None:
        """A release by its number; None where there is none of that number.

        Args:
            release_id: the number.
        """
        return next(iter(self._read(release_id, 1)), None)

    def latest(self) -> ReleaseRecord | None:
        """The last release of the database; None where there was none."""
        return next(iter(self._read(None, 1)), None)

    def all(self, limit: int | None = None) -> tuple[ReleaseRecord, ...]:
        """The releases, latest first.

        Args:
            limit: how many; None means all.
        """
        return self._read(None, limit)

    def _read(self, release_id: int | None, limit: int | None) -> tuple[ReleaseRecord, ...]:
        with self._connection.cursor() as cursor:
            if not tables_of(cursor, self._schema, ("release_stage",)):
                return ()
        rows = self._run(READ, [release_id, release_id, limit])
        stages: dict[int, list[StageRecord]] = {}
        for release_id_, *row in self._run(READ_STAGES, [[row[0] for row in rows]]):
            stages.setdefault(release_id_, []).append(_as_stage(row))
        return tuple(_as_release(row, stages.get(row[0], [])) for row in rows)

    def _run(self, text: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        statement = sql.SQL(text).format(
            release=self._ledger.table("release"), stage=self._ledger.table("release_stage")
        )
        with self._connection.cursor() as cursor:
            cursor.execute(statement, fitted(parameters, self._connection))
            return list(cursor.fetchall())


def _as_text(members: Mapping[str, Any]) -> str:
    return json.dumps(dict(members), ensure_ascii=True, separators=(",", ":"))


def _as_stage(row: Sequence[Any]) -> StageRecord:
    members = [*row[:6], json.loads(row[6]), row[7]]
    return StageRecord(*members)


def _as_release(row: Sequence[Any], stages: list[StageRecord]) -> ReleaseRecord:
    members = [*row[:8], json.loads(row[8]), *row[9:], tuple(stages)]
    return ReleaseRecord(*members)
