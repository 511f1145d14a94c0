"""The child's task `rehearse`: the steps of a plan, run in the shadow one after the other, seen and proven."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.planning.rehearsal import FailedRevision, Proof
from erm_alembic.postgres.catalog import whole_name
from erm_alembic.postgres.intercept import connect_gated
from erm_alembic.postgres.proving import own_schema
from erm_alembic.postgres.text.lexer import READS, statement_kinds
from erm_alembic.revisions.forked import ends_forked_children
from erm_alembic.revisions.graph import script_of
from erm_alembic.revisions.kept_open import kept_open
from erm_alembic.revisions.recording.call_stack import failed_at
from erm_alembic.revisions.steps import pending_alone
from erm_alembic.revisions.version_table import version_table
from erm_alembic.shadow.child.files_read import FilesRead
from erm_alembic.shadow.child.job import Job
from erm_alembic.shadow.child.session import APPLICATION, LoadedProject, loaded_project, session_in
from erm_alembic.shadow.proof.prove import LeftOut, Place, Prover, Run, prove
from erm_alembic.shadow.rehearsal.observe import ObservingGate
from erm_alembic.shadow.rehearsal.places import ScratchPlace
from erm_alembic.shadow.rehearsal.told import Rehearsed, SeenStatement, to_json
from erm_alembic.shadow.server_words import failure_words

if TYPE_CHECKING:
    from erm_alembic.revisions.environment import MigrationContext, RevisionStep

__all__ = ["rehearse"]

PLACE = re.compile(r"(?P<path>.*?):(?P<line>\d+)(?::\d+)?", re.DOTALL)
NO_ROWS = "the shadow has none of the target's rows"
PART_OF_ROWS = "the shadow has a part of the target's rows only"
# What rows of some tables do not prove where others are missing: a reference, and a null that a lookup came to.
REFERENCE, NULL = "23503", "23502"
CHANGE_ROWS = frozenset({"INSERT", "UPDATE", "MERGE", "DO", "CALL", "COPY", "WITH"})
# The classes of SQLSTATE of what rows may be the reason for: values, constraints, what a function raises.
ABOUT_ROWS = ("22", "23", "P0")


def rehearse(job: Job, emit: Callable[[dict[str, Any]], None]) -> None:
    """Run the steps `arguments["steps"]` (each with `revision`, `direction`, `prove` and `keeps`) in their order.

    The one that fails is the last one. With `arguments["sampled"]`, the address of another scratch database that has
    rows, they are seen there.

    Args:
        job: what is to be done; its shadow is at the revisions before the first step, and nobody is connected to it.
        emit: told `server` with its version, `step` for each step, with what was seen, or `failed`; at last each `note`
            and `extension`, and `read` with the `paths` of the files that the project's code has read.

    Raises:
        ProjectError: the project cannot be read.
    """
    files = FilesRead()
    files.start()
    with loaded_project(job) as loaded, contextlib.closing(connect_gated(job.url, APPLICATION)) as keeper:
        keeper.autocommit = True
        sampled = job.arguments.get("sampled", job.url)
        place = ScratchPlace(job.url, keeper, _connect)
        rehearsal = _Rehearsal(loaded, place, sampled, job.arguments["ledger_schema"], files)
        rehearsal.prepare()
        emit({"event": "server", "version": keeper.info.parameter_status("server_version")})
        with rehearsal.prover:
            _rehearse_steps(job, rehearsal, emit)
        for note in loaded.notes:
            emit({"event": "note", "note": note})
        for extension in loaded.lacking:
            emit({"event": "lacking", "extension": extension})
        for name in loaded.extensions:
            emit({"event": "extension", "name": name, "version": job.extensions.get(name, {}).get("version")})
        run = [Path(script_of(loaded.scripts, each["revision"]).path) for each in job.arguments["steps"]]
        paths = files.paths(Path(loaded.scripts.env_py_location), run)
    emit({"event": "read", "paths": paths})


def _rehearse_steps(job: Job, rehearsal: _Rehearsal, emit: Callable[[dict[str, Any]], None]) -> None:
    for each in job.arguments["steps"]:
        try:
            rehearsed = rehearsal.step(each["revision"], each["direction"], prove=each["prove"], keeps=each["keeps"])
        except _Failed as failed:
            emit({"event": "failed", **to_json(failed.failure)})
            return
        emit({"event": "step", **to_json(rehearsed)})


class _Failed(Exception):
    """A revision failed on its way in the shadow."""

    def __init__(self, failure: FailedRevision) -> None:
        super().__init__(failure.error)
        self.failure = failure


@dataclass
class _Rehearsal:
    """The shadow on its way from step to step.

    Args:
        loaded: the project.
        place: the scratch database.
        observed: the address of the one in which the steps are seen: the same, or one with rows.
        ledger_schema: the schema of the ledger, which does not count in a proof.
        files: notes what the project's code reads.
    """

    loaded: LoadedProject
    place: ScratchPlace
    observed: str
    ledger_schema: str
    files: FilesRead
    gate: ObservingGate = field(init=False)
    version_table: str = ""

    def __post_init__(self) -> None:
        self.gate = ObservingGate(lambda: _connect(self.observed))
        self.seen: tuple[SeenStatement, ...] = ()

    def prepare(self) -> None:
        """Learn what there is before anything of the plan has run."""

        def look(heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
            with session.raw.cursor(cursor_factory=PlainCursor) as cursor:
                table = version_table(context)
                # Before the first revision there is none: it will be made in the schema that new tables go to.
                to_be = table if context.version_table_schema else f"{own_schema(cursor)}.{table}"
                self.version_table = whole_name(cursor, table) or to_be
            return iter(())

        with session_in(self.loaded, self.place.url) as session, self.files.env_py(within=True):
            session.run(look)
        with contextlib.closing(_connect(self.observed)) as connection:
            self.gate.know_origins(connection)
        self.left_out = LeftOut((self.ledger_schema,), (self.version_table,))
        self.prover = Prover(self.place, self.left_out)

    def step(self, revision: str, direction: str, *, prove: bool, keeps: list[str]) -> Rehearsed:
        """Prove one revision, and run it in the shadow itself.

        Raises:
            _Failed: it fails.
        """
        proof = self._proven(revision, direction, keeps) if prove else None
        if proof is None or direction == "downgrade":
            self.prover.restart()  # the copy in which the last one was proven does not go this step
        try:
            self._run(self.observed, revision, direction, self.gate)
            if self.observed != self.place.url:
                seen = self.seen
                self._run(self.place.url, revision, direction, None)
                self.seen = seen
        except Exception as error:
            script = script_of(self.loaded.scripts, revision).path
            place = failed_at(error, script, self.loaded.job.project.relative(script), self.gate.place)
            failure = _failure(revision, place, error, self.seen)
            if failure.only_there is not None and self.observed != self.place.url:
                seen = self.seen
                failure = replace(failure, only_there=self._of_sampled(revision, direction, error, seen))
            raise _Failed(failure) from error
        return Rehearsed(revision, self.seen, proof)

    def _of_sampled(
        self, revision: str, direction: str, error: BaseException, seen: tuple[SeenStatement, ...]
    ) -> str | None:
        """Why a revision that failed on rows of the target may do so in the shadow only; None where they prove it.

        They do where it goes through without any of them, and the server has refused what stands in one.
        """
        try:
            self._run(self.place.url, revision, direction, None)
        except Exception:
            return PART_OF_ROWS  # also without rows: it may be for want of those that are not there
        cause = getattr(error, "orig", None) or error
        code = (cause.pgcode or "") if isinstance(cause, psycopg2.Error) else ""
        changed = any(not statement_kinds(each.sql).isdisjoint(CHANGE_ROWS) for each in seen)
        proves = code[:2] in ("22", "23") and code != REFERENCE and not (code == NULL and changed)
        return None if proves else PART_OF_ROWS

    def _proven(self, revision: str, direction: str, keeps: list[str]) -> Proof | None:
        up, down = self._way(revision, "upgrade"), self._way(revision, "downgrade")
        try:
            if direction == "upgrade":
                return self.prover.prove(up, down, keeps=keeps)
            # What the way down loses is seen by what the way up brings back: from below, where it leads.
            with self.place.copy() as below:
                down(below)
                return prove(below, up, down, keeps=keeps, left_out=self.left_out)
        except (psycopg2.InterfaceError, psycopg2.OperationalError):
            raise  # the server is gone
        except Exception:
            # Where the way up fails, it fails again outside of the proof, which ends the rehearsal; and so does the
            # way down of a rollback, whose way up nobody asked for.
            return None

    def _way(self, revision: str, direction: str) -> Run:
        """One direction of a revision, as a proof runs it."""

        def run(place: Place, *, watched: bool = False) -> frozenset[str]:
            assert isinstance(place, ScratchPlace)
            if not watched:
                self._run(place.url, revision, direction, None)
                return frozenset()
            gate = ObservingGate(place.connect)
            with contextlib.closing(place.connect()) as connection:
                gate.know_origins(connection)
            self._run(place.url, revision, direction, gate)
            return frozenset(
                lock.relation
                for statement in self.seen
                if statement.observed is not None
                for lock in statement.observed.locks
                if lock.table is None and lock.mode != "AccessShareLock"
            )

        return run

    def _run(self, url: str, revision: str, direction: str, gate: ObservingGate | None) -> None:
        """Run one direction of a revision, and record it as Alembic does; `seen` has what a gate saw of it.

        Raises:
            Exception: whatever the revision raises.
        """
        pending = pending_alone(self.loaded.job.project, self.loaded.scripts, revision, upgrade=direction == "upgrade")
        self.seen = ()

        def work(heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
            step = pending.step
            assert step is not None  # or it is not among the steps
            step.migration_fn = self._seeing(step.migration_fn, pending.file, gate)
            yield step

        with session_in(self.loaded, url, gate) as session, self.files.env_py(within=True):
            session.run(work)

    def _seeing(self, run: Callable[..., Any], file: str, gate: ObservingGate | None) -> Callable[..., None]:
        """A revision's function, whose statements are seen where there is a gate."""

        def migration_fn(**kw: Any) -> None:
            if gate is not None:
                gate.begin(file)
            try:
                with self.files.env_py(within=False), ends_forked_children(), kept_open():
                    run(**kw)
            except SystemExit as error:
                raise RuntimeError(f"the revision calls sys.exit({error.code!r})") from error
            finally:
                if gate is not None:
                    self.seen = gate.end()

        migration_fn.__name__ = run.__name__
        return migration_fn


def _failure(revision: str, place: str, error: BaseException, seen: tuple[SeenStatement, ...]) -> FailedRevision:
    found = PLACE.fullmatch(place)
    path, line = (found["path"], int(found["line"])) if found else (place, None)
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, psycopg2.Error):
        depends = (cause.pgcode or "").startswith(ABOUT_ROWS)
    else:  # what a revision makes of rows that the shadow does not have
        depends = any((statement_kinds(each.sql) or {""}) <= READS for each in seen)
    return FailedRevision(revision, path, line, failure_words(error), NO_ROWS if depends else None)


def _connect(url: str) -> Any:
    return connect_gated(url, APPLICATION)
