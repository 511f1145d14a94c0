"""The revisions of a plan as text: each with its statements where there are few, else what is worth knowing of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from erm_alembic.config.redaction import redact
from erm_alembic.planning.model import Statement, Step
from erm_alembic.postgres.text.passwords import without_passwords
from erm_alembic.render.rehearsal import effect_of, proof_words
from erm_alembic.render.safe import Paint, block, clip, one_line
from erm_alembic.render.summary import blocking_estimate, undo_words
from erm_alembic.render.words import counted

__all__ = ["step_lines"]

SHORT = 100
# Up to so many statements each is shown, and up to so many revisions each has its line; -v shows all.
FEW_STATEMENTS, FEW_REVISIONS = 40, 40
FIRST, MOST_NOTABLE = 5, 30


def step_lines(steps: Sequence[Step], *, statements: bool, verbose: bool, paint: Paint) -> list[str]:
    """The revisions: with their statements where there are few of them, else one line each, else those that matter.

    Args:
        steps: the revisions, in their order.
        statements: whether statements are shown at all.
        verbose: show everything, and statements whole.
        paint: gives colour.
    """
    width = len(str(len(steps))) + 2
    lines: list[str] = []
    if verbose or sum(1 for step in steps for _ in groupby(step.statements)) <= FEW_STATEMENTS:
        for number, step in enumerate(steps, start=1):
            lines += ["", *_step(step, number, width, statements, verbose, paint)]
        return lines
    shown = _shown(steps)
    for number, step in enumerate(steps, start=1):
        if number in shown:
            lines += _briefly(step, number, width, paint)
    left = len(steps) - len(shown)
    rest = f"{'':>{width}}  ... and {counted(left, 'revision')} more"
    return ["", *lines, *([rest] if left else []), "", "Their statements: -v shows them."]


def _shown(steps: Sequence[Step]) -> set[int]:
    """The numbers of the revisions that have a line: all, or the first ones and those that one has to know of."""
    if len(steps) <= FEW_REVISIONS:
        return set(range(1, len(steps) + 1))
    notable = [number for number, step in enumerate(steps, start=1) if _is_notable(step)]
    return {*range(1, FIRST + 1), *notable[:MOST_NOTABLE]}


def _is_notable(step: Step) -> bool:
    return blocking_estimate(step) is not None or undo_words(step) is not None or step.rendered == "partial"


def _briefly(step: Step, number: int, width: int, paint: Paint) -> Iterator[str]:
    """The revision on one line, and below it what blocks somebody or takes long."""
    facts = paint(f"({_downgrade(step)}, {counted(len(step.statements), 'statement')})", _tone(step))
    told = [paint(one_line(step.revision), "strong"), clip(one_line(step.message), SHORT), facts]
    yield f"{number:>{width}}. {'  '.join(part for part in told if part)}"
    for statement, _ in groupby(step.statements):
        effect = effect_of(statement)
        if effect is not None:
            yield from _statement(statement, False, paint)
            yield f"{'':>11}{paint(effect, _alarm(statement))}"
    yield from _incomplete(step, width, paint)


def _statement(statement: Statement, verbose: bool, paint: Paint) -> list[str]:
    """The statement beside its line number; whole with `verbose`, otherwise the start of it on one line."""
    place = str(statement.line) if statement.line is not None else "-"
    marks = [
        *(["done already"] if statement.done else []),
        *(["outside a transaction"] if statement.autocommit else []),
        *([f"{statement.parameter_sets} parameter sets"] if statement.parameter_sets > 1 else []),
        *(["read"] if statement.read else []),
        *(["raw cursor"] if statement.raw else []),
    ]
    suffix = paint(f"  [{', '.join(marks)}]", "dim") if marks else ""
    sql = without_passwords(statement.sql)
    if not verbose:
        return [f"{paint(f'{place:>9}', 'dim')}  {clip(one_line(' '.join(sql.split())), SHORT)}{suffix}"]
    lines = block(sql.strip())
    rest = [f"{'':>9}  {line}".rstrip() for line in lines[1:]]
    return [f"{paint(f'{place:>9}', 'dim')}  {lines[0]}{suffix}", *rest]


def _downgrade(step: Step) -> str:
    if step.downgrade == "irreversible":
        return f"irreversible: {one_line(step.irreversible_reason or 'no reason given')}"
    return proof_words(step) or f"downgrade {step.downgrade}"


def _alarm(statement: Statement) -> str:
    """The colour of what a statement blocks."""
    return "warn" if statement.estimate is not None and statement.estimate.blocks != "nothing" else "dim"


def _file(step: Step) -> str:
    """The file that the lines of a step count in: the SQL script, where all its statements stand in one."""
    paths = {statement.path for statement in step.statements}
    return (paths.pop() or step.path) if len(paths) == 1 else step.path


def _step(step: Step, number: int, width: int, statements: bool, verbose: bool, paint: Paint) -> list[str]:
    transaction = "one transaction" if step.transactional else "not in one transaction"
    downgrade = paint(_downgrade(step), _tone(step))
    facts = f"{downgrade}, {transaction}, {counted(len(step.statements), 'statement')}"
    lines = [
        f"{number:>{width}}. {paint(one_line(step.revision), 'strong')}  {one_line(step.message)}".rstrip(),
        f"{'':>{width}}  {one_line(_file(step))}  ({facts})",
    ]
    for statement, same in groupby(step.statements if statements else ()):
        first, *rest = _statement(statement, verbose, paint)
        times = len(list(same))  # a loop sends one text again and again
        lines += [first if times == 1 else f"{first}  ({times:,} times)", *rest]
        effect = effect_of(statement, verbose=verbose)
        lines += [] if effect is None else [f"{'':>11}{paint(effect, _alarm(statement))}"]
    return [*lines, *_incomplete(step, width, paint)]


def _tone(step: Step) -> str:
    """The colour of what is said of the way back."""
    proven = step.proof is None or (step.proof.round_trip == "same" and step.proof.data != "lossy")
    return "dim" if step.downgrade == "ok" and proven else "warn"


def _incomplete(step: Step, width: int, paint: Paint) -> list[str]:
    if step.rendered != "partial":
        return []
    reason = one_line(redact(step.reason or "not every statement could be recorded"))
    return [f"{'':>{width}}  {paint('not complete:', 'warn')} {reason}"]
