"""Target x revisions -> plan: what is pending, with its statements; a value, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erm_alembic.config.env_option import env_option
from erm_alembic.errors import UsageError
from erm_alembic.ledger.model import AppliedSource
from erm_alembic.ledger.progress import HalfDone
from erm_alembic.ledger.still_applied import still_applied
from erm_alembic.ledger.store import open_ledger
from erm_alembic.planning.graph import GraphRevision, as_graph
from erm_alembic.planning.half_done import described, still_half_done, with_done_marked
from erm_alembic.planning.model import Plan, Statement
from erm_alembic.planning.record import record_revisions, without_statements
from erm_alembic.planning.request import Request
from erm_alembic.revisions.cache.known import KnownGraph, known_graph, remember_graph
from erm_alembic.revisions.chain import squashed_into
from erm_alembic.revisions.facts import RevisionFacts, read_facts, revision_hash
from erm_alembic.revisions.graph import (
    applied_revisions,
    known_revisions,
    may_come_next,
    messages_of,
    parents_of,
    script_of,
    unknown_revisions,
    verify_graph,
)
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.recording.recorder import RecordedStatement
from erm_alembic.revisions.source.squashed import stands_for
from erm_alembic.revisions.steps import PendingRevision, pending_alone, pending_downgrades, pending_upgrades
from erm_alembic.target import Target
from erm_alembic.under_way import under_way

if TYPE_CHECKING:
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["Survey", "build_plan", "choose_pending"]


@dataclass(frozen=True)
class Survey:
    """A plan without its findings, and what the checks and the drift need besides it.

    Args:
        plan: the plan.
        pending: the facts of the files that would run.
        applied: the facts of the files that are not, byte for byte, those that the ledger says were run.
        unknown: recorded revisions that no file declares.
        ledger: the files of `applied` and `unknown` as they were when they were applied.
        request: what was asked for.
        scripts: the revision graph; loaded, unless nothing is pending and that was known without it.
        known: what was known of the graph without loading it.
        lost: what the ledger saw applied to a database that has tables and records no revision.
        metadata: the models' metadata, as env.py gives it.
        to_send: by revision, the statements of which it is known that there is nothing more to it.
        empty: whether the database records no revision, and has no tables either.
    """

    plan: Plan
    pending: tuple[RevisionFacts, ...]
    applied: tuple[RevisionFacts, ...]
    unknown: tuple[str, ...]
    ledger: dict[str, AppliedSource]
    request: Request
    scripts: ScriptDirectory
    known: KnownGraph | None = None
    lost: tuple[str, ...] = ()
    to_send: Mapping[str, tuple[RecordedStatement, ...]] = field(default_factory=dict)
    metadata: Any = field(default=None, repr=False)
    empty: bool = False

    def parents(self) -> Mapping[str, tuple[str, ...]]:
        """What each revision of the project builds or depends on."""
        return parents_of(self.scripts) if self.known is None else self.known.parents


@dataclass
class _Surveyor:
    """Chooses what is pending once env.py has told what the database records."""

    project: AlembicProject
    scripts: ScriptDirectory
    request: Request
    hashes: dict[str, str]
    order: dict[str, int]
    known: KnownGraph | None = None
    half_done: tuple[HalfDone, ...] = ()
    recording: bool = True
    unknown: tuple[str, ...] = ()
    pending: tuple[PendingRevision, ...] = ()
    applied: tuple[RevisionFacts, ...] = ()

    def __call__(self, current: Sequence[str]) -> Sequence[PendingRevision]:
        """What to record: nothing where the history is unknown or the way down does not exist."""
        if self.known is not None:
            if frozenset(current) == self.known.complete_at:
                return ()
            verify_graph(self.scripts)
            self.known = None
        self.unknown = unknown_revisions(self.scripts, current)
        if self.unknown:
            return ()
        done = applied_revisions(self.scripts, current)
        self.half_done = still_half_done(self.half_done, done)
        self.applied = tuple(self._read_again(done))
        self.pending = tuple(choose_pending(self.project, self.scripts, self.request, current, self.order))
        self._refuse_more_than_there_is()
        return self.pending if self.recording and not self.without_way_down() else ()

    def _refuse_more_than_there_is(self) -> None:
        """A count that is too high says that somebody takes this for another database, or has lost count."""
        request, found = self.request, len(self.pending)
        if request.direction == "downgrade" and request.to is None and 0 < found < request.count:
            there = "only 1 revision is" if found == 1 else f"only {found} revisions are"
            raise UsageError(
                f"--steps {request.count}: {there} applied.",
                effect="Nothing was planned or run.",
                cure=f"Take back all of them with --to base, or count again: --steps {found} at most.",
            )

    def _read_again(self, done: frozenset[str]) -> Iterator[RevisionFacts]:
        """The applied revisions whose files are not the ones that were applied: the checks say whether that matters."""
        for revision in sorted(done & self.hashes.keys()):
            script = script_of(self.scripts, revision)
            file = Path(script.path)
            content = file.read_bytes()
            if revision_hash(content, file) != self.hashes[revision] and not stands_for(
                content, revision, self.hashes[revision]
            ):
                yield read_facts(self.project, script)

    def heads(self) -> tuple[str, ...]:
        """The heads of the graph, sorted."""
        return tuple(sorted(self.scripts.get_heads())) if self.known is None else self.known.heads

    def graph(self) -> tuple[GraphRevision, ...]:
        """All revisions; without their messages where their files were not read."""
        if self.known is not None:
            return as_graph(self.known.parents)
        return as_graph(parents_of(self.scripts), messages_of(self.scripts))

    def is_complete(self) -> bool:
        """Whether nothing at all is left to do up to the heads."""
        return _asks_for_everything(self.request) and not (self.pending or self.unknown or self.half_done)

    def half_done_files(self) -> dict[str, RevisionFacts]:
        """The files of the half-done revisions, by revision id; one whose file is gone is missing."""
        if not self.half_done:
            return {}
        present = {each.revision for each in self.half_done} & known_revisions(self.scripts)
        return {revision: read_facts(self.project, script_of(self.scripts, revision)) for revision in present}

    def without_way_down(self) -> tuple[str, ...]:
        """Revisions that are to be taken back and whose files have nothing that could be run for it."""
        return tuple(each.facts.revision for each in self.pending if each.step is None)

    def cannot_run(self, environment: str) -> str | None:
        """Why nothing can be run; None when it can."""
        if self.unknown:
            if (into := squashed_into(self.scripts, self.unknown[0])) is not None:
                return (
                    f"the database records {_named(self.unknown)}, of which `erm squash` has made {into} since; bring "
                    f"it to {into} first with the files of then, which are kept in the folder squashed/{into}"
                )
            return (
                f"the database records {_named(self.unknown)}, which no file of the project declares; write it back "
                f"with `erm history restore {self.unknown[0]}{env_option(environment)}`, "
                "or check out the branch that has it"
            )
        if missing := self.without_way_down():
            script = next(each.facts.downgrade.script for each in self.pending if each.step is None)
            what = "downgrade() to run; add one" if script is None else f"statements to run; write them into {script}"
            return f"{_named(missing)} has no {what}"
        return None


def _named(revisions: tuple[str, ...]) -> str:
    return f"revision {', '.join(revisions)}"


def choose_pending(
    project: AlembicProject,
    scripts: ScriptDirectory,
    request: Request,
    current: Sequence[str],
    order: Mapping[str, int],
) -> list[PendingRevision]:
    """What is pending for a request, from the revisions that the database records.

    Args:
        project: the Alembic project.
        scripts: its revision graph.
        request: what the user asks for.
        current: the recorded revisions, all of them known.
        order: a number a revision that grows with the time at which it was last applied.

    Raises:
        UsageError: the requested revision does not exist or cannot be reached.
    """
    if request.only and request.to is not None:
        upgrade = request.direction == "upgrade"
        turn = may_come_next(scripts, current, request.to, upgrade=upgrade)
        return [pending_alone(project, scripts, request.to, upgrade=upgrade)] if turn else []
    if request.direction == "upgrade":
        return pending_upgrades(project, scripts, current, request.to or "heads")
    return pending_downgrades(project, scripts, current, to=request.to, count=request.count, applied_order=order.get)


def build_plan(
    target: Target, project: AlembicProject, request: Request, *, with_basis: bool = False, recording: bool = True
) -> Survey:
    """Compute what would be done to the target; nothing is written and no lock is taken that blocks anyone.

    Args:
        target: the database.
        project: the Alembic project.
        request: what the user asks for.
        with_basis: whether what an approval of the plan needs is read although nothing is pending.
        recording: whether the pending revisions are run with their writes held back; without it, only which ones they
            are is told, for those who ask what the database has.

    Raises:
        ProjectError: the project cannot be read, or a revision fails by itself.
        UsageError: the requested revision does not exist.
        TargetError: the database cannot be reached.
    """
    under_way("reading the revisions", brief=True)
    with open_ledger(target) as ledger:
        hashes, half_done = ledger.applied_hashes(), ledger.half_done()
        deployed_as = ledger.environments()
        order = ledger.applied_order() if request.direction == "downgrade" else {}
    with project.entered():
        config = project.config()
        scripts = project.script_directory(config)
        known = known_graph(project.root, scripts) if _asks_for_everything(request) and not half_done else None
        if known is None or not known.agrees_with(hashes):
            known = None
            verify_graph(scripts)
        surveyor = _Surveyor(project, scripts, request, hashes, order, known, half_done, recording)
        partly = {each.revision for each in half_done if each.direction == request.direction}
        recorded = record_revisions(
            target,
            project,
            scripts,
            config,
            surveyor,
            request,
            half_done=partly,
            scoped=bool(half_done),
            with_basis=with_basis,
        )
        surveyor.half_done = tuple(each for each in surveyor.half_done if each.scope == recorded.scope)
        heads = surveyor.heads()
        files = surveyor.half_done_files()
        if surveyor.known is None and surveyor.is_complete():
            remember_graph(project.root, scripts, recorded.current)
    steps = tuple(recorded.steps) or tuple(without_statements(each, request.direction) for each in surveyor.pending)
    steps = with_done_marked(steps, surveyor.half_done)
    sent: dict[tuple[str, str], tuple[Statement, ...]] = {
        (step.revision, step.direction): step.statements for step in steps
    }
    plan = Plan(
        environment=target.settings.environment,
        database_url=target.redacted,
        server_version=target.server_version,
        direction=request.direction,
        current=tuple(sorted(recorded.current)),
        heads=heads,
        steps=steps,
        version_statements=tuple(recorded.version_statements),
        script_start=recorded.script_start,
        cannot_run=surveyor.cannot_run(target.settings.environment),
        half_done=tuple(
            described(each, files, sent.get((each.revision, each.direction), ())) for each in surveyor.half_done
        ),
        data_loss=recorded.data_loss,
        deployed_as=() if target.settings.environment in deployed_as else tuple(sorted(deployed_as)),
        basis=recorded.basis,
        request=request,
        graph=surveyor.graph(),
    )
    questioned = (*surveyor.unknown, *(each.revision for each in surveyor.applied))
    sources, lost = _asked_again(target, questioned, emptied=bool(hashes) and recorded.populated)
    return Survey(
        plan,
        pending=tuple(each.facts for each in surveyor.pending),
        applied=surveyor.applied,
        unknown=surveyor.unknown,
        ledger=sources,
        request=request,
        scripts=scripts,
        known=surveyor.known,
        lost=lost,
        to_send=recorded.to_send,
        metadata=recorded.metadata,
        empty=not (recorded.current or recorded.populated),
    )


def _asked_again(
    target: Target, questioned: Sequence[str], *, emptied: bool
) -> tuple[dict[str, AppliedSource], tuple[str, ...]]:
    """What the ledger has besides where something is amiss; any other plan does without this second connection.

    Args:
        target: the database.
        questioned: the revisions whose files, as they were applied, are wanted.
        emptied: whether the database records nothing any more, so that it is asked what it should record.
    """
    if not (questioned or emptied):
        return {}, ()
    with open_ledger(target) as ledger:
        sources = ledger.applied_sources(questioned) if questioned else {}
        return sources, still_applied(ledger.runs()) if emptied else ()


def _asks_for_everything(request: Request) -> bool:
    return request.direction == "upgrade" and request.to in (None, "heads")
