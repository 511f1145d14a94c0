"""What would be done: an immutable value that is computed first and executed later, and that serialises to JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from erm_alembic.findings import Finding, Ignored, Override, blocking
from erm_alembic.ledger.backups import RunGuard
from erm_alembic.planning.backups import PlannedBackup
from erm_alembic.planning.comparison import Comparison, LeftOut
from erm_alembic.planning.graph import GraphRevision
from erm_alembic.planning.rehearsal import Estimate, Observed, Prediction, Proof, Rehearsal
from erm_alembic.planning.request import Direction, Mode, Request, mode_of
from erm_alembic.planning.sizes import TableSize
from erm_alembic.postgres.identity import Identity
from erm_alembic.revisions.source.downgrade import DowngradeState

__all__ = [
    "ABSENT", "Basis", "DataLoss", "Drift", "HalfDoneRevision", "Outcome", "Plan", "Statement", "Step", "StepOutcome",
]  # fmt: skip

# What a side of a difference says that does not have the object.
ABSENT = "absent"

Rendered = Literal["full", "partial"]
DriftSource = Literal["history", "database", "models"]
Obstacle = Literal["edited", "file-gone", "temporary-tables", "cut-off", "taking-back"]


@dataclass(frozen=True)
class Statement:
    """One SQL text that apply sends to the server.

    Args:
        sql: the text, with its placeholders; parameter values never enter a plan.
        line: the line of the revision file that causes it; None when the revision's code stands in another file.
        autocommit: True when it runs outside a transaction (inside `autocommit_block()`).
        parameter_sets: how many sets of parameters are sent with it (0: none, 2 and more: executemany).
        raw: True when it goes through a raw DBAPI cursor rather than through SQLAlchemy.
        read: True when it only reads; it is sent, but it is no part of a script.
        done: True when an earlier run, which did not come to the revision's end, has committed it.
        literal: the text with its values in place, for `--sql` only; never serialised.
        path: the SQL script that it stands in, and that `line` counts in; None when it comes from the revision file.
        schemas: where names without a schema are looked for when it comes; empty where nobody asked; never serialised.
        opaque: whether it looks like a read, and calls a function that does what cannot be told; never serialised.
        observed: what it did in the rehearsal; None when it was not seen there.
        estimate: who it blocks on the target, and for how long; None when that is not known.
    """

    sql: str
    line: int | None = None
    autocommit: bool = False
    parameter_sets: int = 0
    raw: bool = False
    read: bool = False
    done: bool = False
    literal: str | None = field(default=None, repr=False, compare=False)
    path: str | None = None
    schemas: tuple[str, ...] = field(default=(), repr=False, compare=False)
    opaque: bool = field(default=False, repr=False, compare=False)
    observed: Observed | None = field(default=None, compare=False)
    estimate: Estimate | None = field(default=None, compare=False)


@dataclass(frozen=True)
class DataLoss:
    """What one recorded drop would lose on the live database.

    Args:
        kind: `table`, `column`, `rows` (DELETE, TRUNCATE), `rewrite` (a column whose values another type takes),
            `statement` (raw SQL that cannot be read), or `proven` (what no statement shows, and the proof of the
            downgrade saw).
        object: the name as the statement has it, or the statement's first words.
        rows: rows (table) or non-null values (column) that would be lost, at most; None when unknown.
        revision: the revision whose downgrade drops it.
        line: the line in that revision's file.
        now: what the database calls it now, where the rollback renames or moves it first; None where it does not.
    """

    kind: Literal["table", "column", "rows", "rewrite", "statement", "proven"]
    object: str
    rows: int | None
    revision: str
    line: int | None = None
    now: str | None = None


@dataclass(frozen=True)
class Step:
    """One revision in one direction.

    Args:
        revision: Alembic's revision id.
        down_revisions: the ids that it builds on.
        message: the revision's message, first line.
        path: its file, relative to the project directory.
        direction: `upgrade` or `downgrade`.
        downgrade: state of its down script.
        irreversible_reason: what the revision declares as `irreversible = "..."`.
        transactional: False when at least one statement runs outside a transaction.
        statements: what apply would send, in order.
        rendered: `partial` when not every statement could be known without really running.
        reason: why `rendered` is partial.
        source_hash: SHA-256 of the revision file's bytes, hexadecimal.
        certain: how many of the statements hold whatever the database answers; None where `rendered` is full.
        proof: whether it can be taken back, as the rehearsal saw it; None when nothing was proven.
        predicted: how long it is to take on the target; None when that is not known.
        keeps: the enum values that the revision declares to stay when it is taken back.
    """

    revision: str
    down_revisions: tuple[str, ...]
    message: str
    path: str
    direction: Direction
    downgrade: DowngradeState
    irreversible_reason: str | None = None
    transactional: bool = True
    statements: tuple[Statement, ...] = ()
    rendered: Rendered = "full"
    reason: str | None = None
    source_hash: str = ""
    certain: int | None = None
    proof: Proof | None = field(default=None, compare=False)
    predicted: Prediction | None = field(default=None, compare=False)
    keeps: tuple[str, ...] = ()


@dataclass(frozen=True)
class HalfDoneRevision:
    """A revision of which a part is committed although it is not recorded as done.

    Args:
        revision: its id.
        direction: `upgrade` or `downgrade`: the way that it was on.
        path: its file, or the SQL script of it that the lines count in, relative to the project directory.
        run_id: the run that came furthest with it.
        since: when the first of its statements was committed, with time zone.
        committed: how many of its statements are committed.
        last_line: the line of the last one, where it is known.
        last_sql: the last one on one line, its values hidden; None when none of them ended.
        interrupted: the statement that was under way outside a transaction when the run ended; None when all ended.
        next_line: the line of the statement that comes next, where a recording of the revision tells it.
        next_sql: that statement, shown in the same way.
        obstacle: why apply cannot go on with it: its code was `edited`, its `file-gone`, its `temporary-tables` ended
            with their session, the interrupted statement may be `cut-off` in the middle of its work, `erm repair` is
            `taking-back` what it did; None when it can.
    """

    revision: str
    direction: Direction
    path: str
    run_id: int
    since: datetime
    committed: int
    last_line: int | None = None
    last_sql: str | None = None
    interrupted: str | None = None
    next_line: int | None = None
    next_sql: str | None = None
    obstacle: Obstacle | None = None


@dataclass(frozen=True)
class Drift:
    """A difference between the database and what its recorded history says it must be.

    Args:
        kind: `missing-revision`, `edited-revision`, ...
        object: what differs; for history, the revision id.
        source: which comparison found it.
        expected: what history says.
        found: what is there.
        path: the file it is about, where there is one.
        adopted: whether the pending revisions make it as it is found.
        history_of: the other tool that keeps its own history in this table; `drift` has none of these, since they are
            left out.
    """

    kind: str
    object: str
    source: DriftSource
    expected: str
    found: str
    path: str | None = None
    adopted: bool = False
    history_of: str | None = None


@dataclass(frozen=True)
class Basis:
    """What a plan was made on, beyond the revisions that are recorded there.

    Args:
        identity: which database it is.
        version_table: Alembic's version table, with its schema.
        schema: where a name without a schema goes; None when nowhere.
        catalog: the fingerprint of the database's schema; None when it could not be read.
        role: as whom statements are sent: who owns what they make, and whose rights hold.
        read_as: as whom it was read; another role than `role` where that one may only read.
    """

    identity: Identity
    version_table: str
    schema: str | None
    catalog: str | None
    role: str
    read_as: str


@dataclass(frozen=True)
class Plan:
    """What erm would do to one database; computing it writes nothing.

    Args:
        environment: the profile it was made for.
        database_url: the target's URL without its password.
        server_version: the server's version, as in `15.18`.
        direction: `upgrade` for plan and apply, `downgrade` for rollback.
        current: the revisions recorded in the database.
        heads: the heads of the project's revision files.
        steps: the pending revisions, in the order in which they would run.
        drift: differences between the recorded history and the files.
        findings: what the checks say.
        data_loss: what a rollback would lose (empty for an upgrade).
        overrides: the rules that may pass this once, each with its reason, whether they object or not.
        version_statements: the statements on Alembic's version table after each step, for `--sql`.
        script_start: what makes or verifies that table before the first step, for `--sql`.
        exempted: revisions that `safety.downgrades_since` exempts from the down-script rule and that violate it.
        half_done: revisions of which a part is committed although they are not recorded as done.
        cannot_run: why nothing can be run, whatever the rules say: what is pending cannot be told, or there is no
            way down; None when it can be run.
        deployed_as: the environments that the database was deployed under, where this one is none of them and was not
            accepted.
        rehearsal: whether the plan was tried out in a shadow; None where that was not asked.
        basis: what it was made on; None where nothing is pending and nobody asked.
        request: what was asked for.
        comparisons: how each comparison that looks for drift ended.
        left_out: what `drift.ignore` left out of them.
        ignored: the findings that comments in their files let pass.
        tables: how large the tables are that its statements are about, as far as they are there.
        backup: what is to be said of backups; None where no profile demands one, and none holds what is lost.
        graph: all revisions of the project, for a picture of where the plan stands; never serialised.
    """

    environment: str
    database_url: str
    server_version: str
    direction: Direction
    current: tuple[str, ...]
    heads: tuple[str, ...]
    steps: tuple[Step, ...]
    drift: tuple[Drift, ...] = ()
    findings: tuple[Finding, ...] = ()
    data_loss: tuple[DataLoss, ...] = ()
    version_statements: tuple[tuple[str, ...], ...] = field(default=(), repr=False, compare=False)
    script_start: str = field(default="", repr=False, compare=False)
    exempted: int = 0
    cannot_run: str | None = None
    half_done: tuple[HalfDoneRevision, ...] = ()
    overrides: tuple[Override, ...] = ()
    deployed_as: tuple[str, ...] = ()
    rehearsal: Rehearsal | None = field(default=None, compare=False)
    basis: Basis | None = field(default=None, compare=False)
    request: Request | None = field(default=None, compare=False)
    comparisons: tuple[Comparison, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    tables: tuple[TableSize, ...] = field(default=(), compare=False)
    backup: PlannedBackup | None = field(default=None, compare=False)
    graph: tuple[GraphRevision, ...] = field(default=(), repr=False, compare=False)

    @property
    def mode(self) -> Mode:
        """What running it is called."""
        return mode_of(self.direction)

    @property
    def blocked(self) -> bool:
        """Whether apply refuses this plan."""
        return bool(blocking(self.findings)) or self.cannot_run is not None

    @property
    def up_to_date(self) -> bool:
        """Whether there is nothing to run, and that is certain."""
        return not self.steps and self.cannot_run is None


@dataclass(frozen=True)
class StepOutcome:
    """How one step ended.

    Args:
        revision: the revision's id.
        outcome: `done`, `failed` or `not-run`.
        duration_ms: how long it ran, in milliseconds.
        statements: how many statements it sent.
        error: what failed, without parameter values.
    """

    revision: str
    outcome: Literal["done", "failed", "not-run"]
    duration_ms: int = 0
    statements: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How an apply or a rollback ended.

    Args:
        result: `done`, `nothing-to-do`, `refused`, `failed` or `interrupted`.
        run_id: the run's number in the ledger; None when nothing was recorded.
        steps: one outcome a step.
        current: the revisions recorded in the database afterwards.
        duration_ms: the whole run, in milliseconds.
        error: what failed, without parameter values.
        signal_number: the signal that interrupted the run; None for any other ending.
        effect: what stays of the revision that failed; None when nothing failed, or when it cannot be told.
        cure: what to do about it, where erm knows that.
        current_known: whether the database could be asked for `current` when the run ended; otherwise that is where it
            stood when it could last be asked.
        backup: the backup that stands behind the run; None where none was demanded, or it did not come to that.
    """

    result: Literal["done", "nothing-to-do", "refused", "failed", "interrupted"]
    run_id: int | None = None
    steps: tuple[StepOutcome, ...] = ()
    current: tuple[str, ...] = ()
    duration_ms: int = 0
    error: str | None = None
    signal_number: int | None = None
    effect: str | None = None
    cure: str | None = None
    current_known: bool = True
    backup: RunGuard | None = None
