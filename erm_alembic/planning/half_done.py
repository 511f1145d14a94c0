"""What is half done: how far the ledger says a revision came, and what its recording says comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from erm_alembic.ledger.progress import DoneStatement, HalfDone
from erm_alembic.ledger.taking_back import TAKING_BACK
from erm_alembic.planning.model import HalfDoneRevision, Obstacle, Statement, Step
from erm_alembic.planning.request import Direction
from erm_alembic.postgres.text.lexer import is_read_or_setting
from erm_alembic.postgres.text.literals import without_literals
from erm_alembic.postgres.text.nature import REPEATABLE
from erm_alembic.revisions.facts import RevisionFacts
from erm_alembic.revisions.source.same_code import same_code
from erm_alembic.revisions.source.sql_pair import counted_in

__all__ = ["OBSTACLES", "described", "obstacle_of", "still_half_done", "stuck_at", "with_done_marked"]

# Why a half-done revision cannot be gone on with, in words.
OBSTACLES: dict[Obstacle, str] = {
    "edited": "its code was edited since, so that nobody knows which of its statements are done",
    "file-gone": "its file is gone",
    "temporary-tables": "it had made temporary tables, which ended with their session",
    "cut-off": "that statement cannot be in a transaction and may have done a part of its work",
    "taking-back": "`erm repair --take-back` has begun to undo it and did not come to its end",
}
CUT = "..."
LONGEST = 120


def still_half_done(found: Iterable[HalfDone], applied: frozenset[str]) -> tuple[HalfDone, ...]:
    """Those that are half done yet: what plain Alembic has recorded or taken back since is whole.

    Args:
        found: what the ledger says.
        applied: the revisions that the database records, and what they build on.
    """
    return tuple(each for each in found if (each.revision in applied) == (each.direction == "downgrade"))


def with_done_marked(steps: Sequence[Step], half_done: Iterable[HalfDone]) -> tuple[Step, ...]:
    """The steps, in which the statements that are committed already say so.

    Args:
        steps: the recorded steps.
        half_done: how far earlier runs came.
    """
    by_step = {(each.revision, each.direction): each for each in half_done}
    return tuple(
        replace(step, statements=_marked(step.statements, by_step[step.revision, step.direction]))
        if (step.revision, step.direction) in by_step
        else step
        for step in steps
    )


def _marked(statements: Sequence[Statement], half: HalfDone) -> tuple[Statement, ...]:
    """Found again in their order, past those that a revision which looks before it leaps does not send any more."""
    pointer, marked = 0, []
    for statement in statements:
        found = next((at for at in range(pointer, len(half.statements)) if _same(half.statements[at], statement)), None)
        if found is not None:
            pointer = found + 1
        is_done = found is not None and half.statements[found].state == "done"
        marked.append(replace(statement, done=is_done and not is_read_or_setting(statement.sql)))
    return tuple(marked)


def _same(done: DoneStatement, statement: Statement) -> bool:
    """Whether a recorded statement is that one; the ledger keeps its beginning, without values."""
    shown = without_literals(statement.sql)
    if done.sql.endswith(CUT):
        return shown.startswith(done.sql.removesuffix(CUT).rstrip())
    return shown == done.sql


def described(
    half: HalfDone, files: Mapping[str, RevisionFacts], statements: Sequence[Statement] = ()
) -> HalfDoneRevision:
    """A half-done revision as a plan and a status show it.

    Args:
        half: how far it came.
        files: the project's files of half-done revisions, by revision id.
        statements: what it sends, recorded and marked; empty where it is not known.
    """
    done = [each for each in half.statements if each.state == "done"]
    following = _following(statements)
    file = files.get(half.revision) or half
    direction: Direction = "upgrade" if half.direction == "upgrade" else "downgrade"
    return HalfDoneRevision(
        revision=half.revision,
        direction=direction,
        path=counted_in(file.path, file.source, half.direction),
        run_id=half.run_id,
        since=min(each.at for each in half.statements),
        committed=len(done),
        last_line=done[-1].line if done else None,
        last_sql=done[-1].sql if done else None,
        interrupted=next((each.sql for each in half.statements if _was_cut_off(each)), None),
        next_line=following.line if following else None,
        next_sql=_shown(following.sql) if following else None,
        obstacle=obstacle_of(half, files.get(half.revision)),
    )


def _was_cut_off(statement: DoneStatement) -> bool:
    return statement.state == "started" and statement.tag != TAKING_BACK


def _shown(sql: str) -> str:
    """On one line, without values, and not too long."""
    text = without_literals(sql)
    return text if len(text) <= LONGEST else text[: LONGEST - len(CUT)].rstrip() + CUT


def _following(statements: Sequence[Statement]) -> Statement | None:
    """The first one to be sent that does something; what only reads or sets the session is sent again anyway."""
    return next((each for each in statements if not each.done and not is_read_or_setting(each.sql)), None)


def obstacle_of(half: HalfDone, file: RevisionFacts | None) -> Obstacle | None:
    """Why a half-done revision cannot be gone on with; None when it can.

    Args:
        half: how far it came.
        file: its file as it is now; None where it is gone.
    """
    if any(each.tag == TAKING_BACK for each in half.statements):
        return "taking-back"
    if file is None:
        return "file-gone"
    if half.source_hash != file.source_hash and not same_code(half.source, file.source):
        return "edited"
    stuck = stuck_at(half)
    return stuck[0] if stuck is not None else None


def stuck_at(half: HalfDone, living: frozenset[int] = frozenset()) -> tuple[Obstacle, DoneStatement] | None:
    """What the notes themselves say against going on, and at which statement; None where they say nothing.

    Temporary tables count as each session's last note has them: one that was dropped again is of no use any more.

    Args:
        half: how far it came.
        living: the sessions that have not ended since.
    """
    latest: dict[int, DoneStatement] = {}
    for each in half.statements:
        if each.tag == TAKING_BACK:
            return "taking-back", each
        if each.state == "started" and each.tag not in REPEATABLE:
            return "cut-off", each
        before = latest.get(each.session)
        if each.state == "done" and each.session not in living and (before is None or before.at <= each.at):
            latest[each.session] = each
    lost = next((each for each in latest.values() if each.temporary), None)
    return None if lost is None else ("temporary-tables", lost)
