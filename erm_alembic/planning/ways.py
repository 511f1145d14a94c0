"""The ways out of a half-done revision, each with what it would send, or why it is closed. Looking writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from erm_alembic.errors import ErmError
from erm_alembic.ledger.progress import HalfDone
from erm_alembic.planning.alone import record_alone
from erm_alembic.planning.half_done import OBSTACLES, described, still_half_done, with_done_marked
from erm_alembic.planning.model import DataLoss, HalfDoneRevision, Statement, Step
from erm_alembic.planning.record import record_revisions
from erm_alembic.planning.request import Request
from erm_alembic.postgres.text.lexer import is_read_or_setting
from erm_alembic.postgres.text.nature import identifiers
from erm_alembic.postgres.text.row_changes import adds_or_changes_rows, changes_rows
from erm_alembic.revisions.facts import RevisionFacts, read_facts
from erm_alembic.revisions.graph import (
    applied_revisions,
    known_revisions,
    may_come_next,
    script_of,
    unknown_revisions,
)
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.source.same_downgrade import same_downgrade
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["Action", "Way", "Ways", "read_ways"]

Action = Literal["resume", "mark-done", "take-back", "forget"]


@dataclass(frozen=True)
class Way:
    """One way out of a half-done revision.

    Args:
        action: what `erm repair` calls it.
        closed: why it cannot be gone; None when it can.
        step: what it would send, as far as it could be recorded; None where it sends nothing, or that is not known.
        data_loss: what it would lose.
    """

    action: Action
    closed: str | None = None
    step: Step | None = None
    data_loss: tuple[DataLoss, ...] = ()

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What it would send that does something and is not done yet."""
        return () if self.step is None else _to_send(self.step)


@dataclass(frozen=True)
class Ways:
    """A half-done revision and the ways out of it.

    Args:
        half_done: what is known of it.
        found: what the ledger has of it, for whoever looks again under the lock.
        current: the revisions that the database records.
        superseded: whether Alembic records it otherwise since: only the ledger's notes of it are left.
        ways: one a way, in the order in which they are shown.
    """

    half_done: HalfDoneRevision
    found: HalfDone
    current: tuple[str, ...]
    superseded: bool
    ways: tuple[Way, ...]

    def way(self, action: Action) -> Way:
        """The way of that name."""
        return next(way for way in self.ways if way.action == action)


def read_ways(target: Target, project: AlembicProject, half_done: Iterable[HalfDone]) -> tuple[Ways, ...]:
    """Find the ways out of half-done revisions, through the project's env.py.

    Args:
        target: the database.
        project: the Alembic project.
        half_done: what the ledger says of half-done revisions.

    Raises:
        ProjectError: the project cannot be read, or env.py fails.
        TargetError: the database cannot be reached.
    """
    with project.entered():
        config = project.config()
        scripts = project.scripts(config)
        recorded = record_revisions(target, project, scripts, config, lambda _: (), Request(), scoped=True)
        guide = _Guide(target, project, scripts, tuple(sorted(recorded.current)))
        return tuple(guide.ways_of(each) for each in half_done if each.scope == recorded.scope)


@dataclass(frozen=True)
class _Guide:
    """Knows where the database stands, and looks at one half-done revision after the other."""

    target: Target
    project: AlembicProject
    scripts: ScriptDirectory
    heads: tuple[str, ...]

    def ways_of(self, half: HalfDone) -> Ways:
        is_known = half.revision in known_revisions(self.scripts)
        files = {half.revision: read_facts(self.project, script_of(self.scripts, half.revision))} if is_known else {}
        shown = described(half, files)
        unknown = unknown_revisions(self.scripts, self.heads)
        if not unknown and not still_half_done([half], applied_revisions(self.scripts, self.heads)):
            closed = "it is not half done any more: Alembic has " + (
                "recorded it since" if shown.direction == "upgrade" else "taken it back since"
            )
            ways: list[Way] = [Way("resume", closed), Way("mark-done", closed), Way("take-back", closed)]
            return Ways(shown, half, self.heads, True, (*ways, Way("forget")))
        out_of_turn = self._out_of_turn(shown, unknown)
        rest = self._rest(half, shown)
        if rest.step is not None:
            shown = described(half, files, rest.step.statements)
        closed_by = OBSTACLES[shown.obstacle] if shown.obstacle else out_of_turn or rest.error
        resume = Way("resume", closed_by, rest.step)
        mark = Way("mark-done", OBSTACLES["file-gone"] if not is_known else out_of_turn)
        back = self._take_back(half, shown, files, rest.step)
        return Ways(shown, half, self.heads, False, (resume, mark, back, Way("forget")))

    def _out_of_turn(self, half: HalfDoneRevision, unknown: Sequence[str]) -> str | None:
        """Why the revision cannot come next in its direction."""
        if unknown:
            return f"the database records {', '.join(unknown)}, which no file of the project declares"
        if half.obstacle == "file-gone":
            return None
        upgrade = half.direction == "upgrade"
        if may_come_next(self.scripts, self.heads, half.revision, upgrade=upgrade):
            return None
        if upgrade:
            return "a revision that it builds on is not applied (any more)"
        return "a revision that builds on it is applied"

    def _rest(self, half: HalfDone, shown: HalfDoneRevision) -> _Rest:
        """What is left to do in the direction that it was on."""
        if shown.obstacle == "file-gone":
            return _Rest()
        try:
            alone = record_alone(self.target, self.project, self.scripts, half.revision, shown.direction)
        except ErmError as error:
            return _Rest(error=error.what.rstrip("."))
        if alone is None:
            return _Rest(error=f"its file has no {shown.direction}()")
        return _Rest(with_done_marked([alone.step], [half])[0])

    def _take_back(
        self, half: HalfDone, shown: HalfDoneRevision, files: dict[str, RevisionFacts], rest: Step | None
    ) -> Way:
        """What downgrade() would send for what is done; it sends all of it, and what is not there is passed over."""
        if shown.direction == "downgrade":
            return Way(
                "take-back",
                "what a rollback has dropped, upgrade() would make anew and empty beside what is still there; "
                "go on down with --resume, then apply it again",
            )
        if half.revision not in files:
            return Way("take-back", OBSTACLES["file-gone"])
        file = files[half.revision]
        if file.downgrade.state != "ok":
            return Way("take-back", f"its downgrade is {file.downgrade.state}: there is nothing that takes it back")
        if half.source_hash != file.source_hash and not same_downgrade(half.source, file.source):
            return Way(
                "take-back", "more than its upgrade() was edited since: this downgrade() is not that of what is done"
            )
        try:
            alone = record_alone(self.target, self.project, self.scripts, half.revision, "downgrade")
        except ErmError as error:
            return Way("take-back", error.what.rstrip("."))
        assert alone is not None  # its file has a downgrade()
        closed = _may_change_rows_twice(alone.step, rest) or _renames_what_was_not(alone.step, half)
        return Way("take-back", closed, alone.step, alone.data_loss)


@dataclass(frozen=True)
class _Rest:
    step: Step | None = None
    error: str | None = None


def _to_send(step: Step) -> tuple[Statement, ...]:
    return tuple(each for each in step.statements if not (each.done or each.read or is_read_or_setting(each.sql)))


def _may_change_rows_twice(down: Step, rest: Step | None) -> str | None:
    """Taking back what never ran passes over objects that are not there; changed rows cannot be told apart so."""
    changing = next((each for each in down.statements if adds_or_changes_rows(each.sql)), None)
    if changing is None:
        return None
    if rest is not None and rest.rendered == "full" and not any(changes_rows(each.sql) for each in _to_send(rest)):
        return None
    where = "" if changing.line is None else f" of line {changing.line}"
    return (
        f"the statement{where} of its downgrade() changes rows, and it is not certain that the part of upgrade() that "
        "it takes back was done; take it back by hand, then --forget"
    )


def _renames_what_was_not(down: Step, half: HalfDone) -> str | None:
    """A rename that was never done is not passed over: taken back all the same, it may swap what is in use."""
    done = [_named(identifiers(each.sql)) for each in half.statements if each.state == "done"]
    for each in down.statements:
        words = identifiers(each.sql)
        renames = words[:1] == ["alter"] and ("rename" in words or words[-3:-1] == ["set", "schema"])
        if renames and _named(words) not in done:
            where = "" if each.line is None else f" of line {each.line}"
            return (
                f"the statement{where} of its downgrade() renames or moves what its upgrade() has not renamed or moved "
                "so far; take it back by hand, then --forget"
            )
    return None


def _named(words: Sequence[str]) -> list[str]:
    """What a rename and its inverse have in common: the same names, in another order."""
    return sorted(word for word in words if word not in ("column", "if", "exists", "only"))
