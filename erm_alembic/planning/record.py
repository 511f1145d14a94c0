"""Run the pending revisions against a read-only session of the target, and keep what they would send."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2 import extensions

from erm_alembic.config.redaction import first_line
from erm_alembic.errors import ErmError, ProjectError
from erm_alembic.planning.basis import read_basis
from erm_alembic.planning.data_loss import count_losses
from erm_alembic.planning.model import Basis, DataLoss, Statement, Step
from erm_alembic.planning.own_faults import is_own_fault
from erm_alembic.planning.request import Direction, Request
from erm_alembic.postgres.catalog import has_tables, whole_name
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.revisions.apart import run_apart
from erm_alembic.revisions.env_py.engine import listens_to_statements
from erm_alembic.revisions.environment import run_environment
from erm_alembic.revisions.facts import RevisionFacts
from erm_alembic.revisions.forked import ends_forked_children
from erm_alembic.revisions.kept_open import ConnectionNeeded, kept_open
from erm_alembic.revisions.recording.call_stack import beside, failed_at, line_in_traceback
from erm_alembic.revisions.recording.operations_only import operations_only
from erm_alembic.revisions.recording.recorder import RecordedStatement, Recorder, Recording
from erm_alembic.revisions.steps import PendingRevision
from erm_alembic.revisions.version_table import has_version_table, script_start, version_table
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.environment import Config, MigrationContext, RevisionStep
    from erm_alembic.revisions.graph import ScriptDirectory
    from erm_alembic.revisions.project import AlembicProject

__all__ = ["Recorded", "RevisionFailed", "record_revisions", "without_statements"]

# The classes of SQLSTATE of data that does not fit.
QUOTES_VALUES = ("22", "23")
BLOCKED = "not recorded: the way is blocked"
NEEDS = "needs the result of a statement that a plan does not run"
Choose = Callable[[tuple[str, ...]], Sequence[PendingRevision]]
"""Given the recorded revisions: what is pending, in order."""


class RevisionFailed(ProjectError):
    """A revision fails while it is planned, by itself or because of what the database has.

    Args:
        what: what happened.
        cure: what to do.
        current: the revisions that the database recorded when its planning began.
    """

    def __init__(self, what: str, *, cure: str, current: tuple[str, ...]) -> None:
        super().__init__(what, effect="Nothing was changed.", cure=cure)
        self.current = current


@dataclass
class Recorded:
    """What one recording pass found.

    Args:
        current: the revisions recorded in the database.
        steps: the pending revisions with what they would send.
        version_statements: the statements on Alembic's version table after each step.
        data_loss: what the downgrades would lose.
        script_start: what a script begins with: it makes or verifies Alembic's version table.
        populated: whether a database that records no revision has tables all the same.
        metadata: the models' metadata, as env.py gives it.
        scope: the version table, with its schema, where that was asked for.
        to_send: by revision, the statements of which it is known that there is nothing more to it.
        basis: what else the plan is made on; None where nothing is pending and it was not asked for.
    """

    current: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)
    version_statements: list[tuple[str, ...]] = field(default_factory=list)
    data_loss: tuple[DataLoss, ...] = ()
    script_start: str = ""
    populated: bool = False
    scope: str = ""
    metadata: Any = None
    to_send: dict[str, tuple[RecordedStatement, ...]] = field(default_factory=dict)
    basis: Basis | None = None


def record_revisions(
    target: Target,
    project: AlembicProject,
    scripts: ScriptDirectory,
    config: Config,
    choose: Choose,
    request: Request,
    *,
    apart: bool = False,
    half_done: Collection[str] = (),
    scoped: bool = False,
    with_basis: bool = False,
) -> Recorded:
    """Run env.py and every pending revision with writes held back.

    Args:
        target: the database.
        project: the Alembic project, entered.
        scripts: its revision graph.
        config: Alembic's configuration that the graph was loaded with.
        choose: tells what is pending.
        request: what the user asks for.
        apart: whether a revision is recorded by itself, wherever the database stands in its history.
        half_done: the revisions of which a part is committed: they may not find what that part has changed.
        scoped: whether it is to be told which version table this is about.
        with_basis: whether it is to be told what the plan is made on although nothing is pending.

    Raises:
        ProjectError: env.py or a revision fails although nothing was held back that could explain it.
    """
    recorder = Recorder(notes_schemas=request.direction == "downgrade")
    recorded = Recorded()
    recordings: list[Recording] = []

    def connect() -> GatedConnection:
        raw = target.connect_read_only("erm plan")
        raw.gate = recorder
        return raw

    def work(heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        recorded.current = heads
        recorded.metadata = context.opts.get("target_metadata")
        recorded.script_start = script_start(context, heads)
        with _without_trace(first):
            if scoped:
                with first.cursor(cursor_factory=extensions.cursor) as cursor:
                    recorded.scope = whole_name(cursor, version_table(context))
            if not heads:
                recorded.populated = _is_populated(first, context)
        chosen = choose(heads)
        if with_basis or (chosen and not apart):
            with _without_trace(first):
                recorded.basis = read_basis(first, context, target.settings)
        # What was sent has gone through the listeners of the project: they would hear it a second time.
        listened = context.connection is not None and listens_to_statements(context.connection)
        for pending in chosen:
            step = pending.step
            assert step is not None  # or there would be nothing to record
            recording = Recording(path=pending.file, operations_only=operations_only(step.migration_fn))
            recorder.recording = recording
            recordings.append(recording)
            recorder.half_done = pending.facts.revision in half_done
            step.migration_fn = _recorded(step.migration_fn, recorder, recording, pending.facts, first, heads)
            if apart:
                run_apart(context, step)
            else:
                yield step
            recorded.steps.append(_step(pending.facts, request.direction, recording))
            if recording.is_all and not listened:
                recorded.to_send[pending.facts.revision] = tuple(recording.statements)
        if request.direction == "downgrade":
            recorded.data_loss = count_losses(first, recorded.steps)

    first = connect()
    first.on_commit = recorder.committed
    engine = target.engine(first, connect)
    with contextlib.closing(first), engine.connect() as connection:
        connection.rollback()
        run_environment(
            project,
            scripts,
            config,
            connection,
            target.url,
            work,
            destination=request.destination,
            read_only=True,
            on_held_back=recorder.held_back_elsewhere,
            on_version=recorder.version_statement,
            metadata=target.settings.migrations.metadata,
        )
    recorded.version_statements = [tuple(recording.version_statements) for recording in recordings]
    return recorded


@contextlib.contextmanager
def _without_trace(raw: GatedConnection) -> Iterator[None]:
    """Ask the catalogs something: what a revision reads is told by the locks of its transaction, and these are ours."""
    with raw.cursor(cursor_factory=extensions.cursor) as cursor:
        cursor.execute("SAVEPOINT erm_asks")
        yield
        cursor.execute("ROLLBACK TO SAVEPOINT erm_asks; RELEASE SAVEPOINT erm_asks")


def _is_populated(raw: GatedConnection, context: MigrationContext) -> bool:
    """Whether there are tables where there is no record: beside the version table, or, where an empty one stands in a
    schema of its own, in the application's. A tenant that is new has neither."""
    table, schema = context.version_table, context.version_table_schema
    with raw.cursor(cursor_factory=extensions.cursor) as cursor:
        if has_tables(cursor, schema, table):
            return True
        return schema is not None and has_version_table(context) and has_tables(cursor, None, table)


def _recorded(
    run: Callable[..., Any],
    recorder: Recorder,
    recording: Recording,
    facts: RevisionFacts,
    raw: GatedConnection,
    current: tuple[str, ...],
) -> Callable[..., None]:
    """Run a revision's function; a failure after a held-back write ends its recording, another is its own."""

    def migration_fn(**kw: Any) -> None:
        recorder.inside_revision = True
        try:
            with ends_forked_children(), kept_open():
                run(**kw)
        except (ErmError, KeyboardInterrupt):
            raise
        except BaseException as error:
            if raw.closed:
                raise  # the server or the network is gone: that is no fault of the revision
            line = line_in_traceback(error, recording.path)
            if isinstance(error, ConnectionNeeded):
                raise _closes_connection(error, facts, line) from error
            explained = recorder.wrote_before or recorder.half_done
            if not explained or is_own_fault(error):
                place = failed_at(error, recording.path, facts.path)
                when = "" if explained else " before it writes anything"
                raise RevisionFailed(
                    f"{place}: revision {facts.revision} fails{when}: {_said(error)}",
                    cure="Correct the revision and plan again.",
                    current=current,
                ) from error
            where = "the revision" if line is None else f"line {line}"
            needs = "does not find what its own committed part has changed" if not recorder.wrote_before else NEEDS
            recording.becomes_partial(f"{where} {needs} ({_said(error)})")
            if raw.info.transaction_status == extensions.TRANSACTION_STATUS_INERROR:
                raw.rollback()
        finally:
            recorder.inside_revision = False

    migration_fn.__name__ = run.__name__
    return migration_fn


def _said(error: BaseException) -> str:
    """The kind of an error and its first line; without what the server says of data, which quotes values."""
    name, cause = type(error).__name__, getattr(error, "orig", error)
    quotes = isinstance(cause, psycopg2.Error) and (cause.pgcode or "")[:2] in QUOTES_VALUES
    return name if quotes else f"{name}: {first_line(error)}"


def _closes_connection(error: ConnectionNeeded, facts: RevisionFacts, line: int | None) -> ProjectError:
    done, _, cure = str(error).partition(": ")
    return ProjectError(
        f"{facts.path}{'' if line is None else f':{line}'}: revision {facts.revision} {done}.",
        effect="Nothing was changed.",
        cure=f"{cure[0].upper()}{cure[1:]}.",
    )


def without_statements(pending: PendingRevision, direction: Direction) -> Step:
    """A step that was not recorded because one on the same way cannot run."""
    return _step(pending.facts, direction, Recording(pending.file, reason=BLOCKED, certain=0))


def _step(facts: RevisionFacts, direction: Direction, recording: Recording) -> Step:
    return Step(
        revision=facts.revision,
        down_revisions=facts.down_revisions,
        message=facts.message,
        path=facts.path,
        direction=direction,
        downgrade=facts.downgrade.state,
        irreversible_reason=facts.downgrade.reason,
        keeps=facts.downgrade.keeps,
        transactional=recording.transactional,
        statements=tuple(
            Statement(
                sql=each.sql,
                line=each.line,
                autocommit=each.autocommit,
                parameter_sets=each.parameter_sets,
                raw=each.raw,
                read=each.read,
                literal=each.literal,
                path=beside(facts.path, each.file) if each.file else None,
                schemas=each.schemas,
                opaque=each.opaque,
            )
            for each in recording.statements
        ),
        rendered="partial" if recording.reason else "full",
        reason=recording.reason,
        certain=recording.certain,
        source_hash=facts.source_hash,
    )
