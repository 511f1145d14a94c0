"""What the ledger answers: runs, and the revisions that each of them ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from erm_alembic.ledger.approved_runs import ApprovedRun
from erm_alembic.ledger.backups import RunGuard
from erm_alembic.ledger.hooks import HookRecord
from erm_alembic.ledger.smoke import SmokeRun

__all__ = ["AppliedSource", "History", "RevisionRecord", "RunRecord"]


@dataclass(frozen=True)
class RevisionRecord:
    """One revision that was run in one direction.

    Args:
        revision: Alembic's revision id.
        message: the revision's message, first line.
        direction: `upgrade` or `downgrade`.
        started_at: when it started, with time zone.
        duration_ms: how long it ran, in milliseconds.
        statements: how many statements it sent.
        source_hash: SHA-256 of the file's bytes, hexadecimal.
        outcome: `done` or `failed`.
        error: what failed, without parameter values.
        path: the file, relative to the project's folder.
        source: its text; None where it was not asked for.
    """

    revision: str
    message: str
    direction: str
    started_at: datetime
    duration_ms: int
    statements: int
    source_hash: str
    outcome: str
    error: str | None = None
    path: str = ""
    source: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RunRecord:
    """One apply, rollback, repair or import.

    Args:
        id: the run's number in this ledger.
        started_at: when it started, with time zone.
        finished_at: when it ended; the last sign of life of one that died; None while it runs, or until that is found.
        mode: `apply`, `rollback`, `repair`, or `import`: what another tool had run was taken over.
        environment: the profile it was run for.
        who: the operating system's user and the database role, as `ann (deployer)`.
        host: the machine it was run on.
        erm_version: the version of erm.
        git_commit: the commit of the project, where it is a git work tree.
        outcome: `done`, `failed`, `interrupted`, or `died`: it ended without a word, and a later run found it; None
            while it runs.
        error: what failed, without parameter values.
        revisions: the revisions that it ran, in order.
        overrides: the rules that were let pass, each with its reason: `RULE: REASON`.
        hooks: the team's own commands that were run around it, in order.
        approved: the approved plan that it carried out; None for a run without one.
        backups: the backups that stood behind it.
        backend_pid: the server process of its connection, which holds the deploy lock while it runs.
    """

    id: int
    started_at: datetime
    finished_at: datetime | None
    mode: str
    environment: str
    who: str
    host: str
    erm_version: str
    git_commit: str | None
    outcome: str | None
    error: str | None
    revisions: tuple[RevisionRecord, ...] = ()
    overrides: tuple[str, ...] = ()
    hooks: tuple[HookRecord, ...] = ()
    approved: ApprovedRun | None = None
    backend_pid: int = 0
    backups: tuple[RunGuard, ...] = ()


@dataclass(frozen=True)
class AppliedSource:
    """The file of a revision as it was when it was last applied."""

    revision: str
    path: str
    source: str
    source_hash: str


@dataclass(frozen=True)
class History:
    """What was run on a database, latest first.

    Args:
        runs: what was deployed, repaired or taken over.
        smoke: the smoke tests.
    """

    runs: tuple[RunRecord, ...] = ()
    smoke: tuple[SmokeRun, ...] = ()
