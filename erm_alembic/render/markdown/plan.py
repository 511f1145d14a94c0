"""The parts of a plan's comment: the verdict, the facts, the table of revisions, the statements."""

from __future__ import annotations

from itertools import groupby

from erm_alembic.config.redaction import redact
from erm_alembic.planning.model import Outcome, Plan, Statement, Step, StepOutcome
from erm_alembic.postgres.text.passwords import without_passwords
from erm_alembic.render.backups import backup_words
from erm_alembic.render.markdown.detail import Detail, chosen
from erm_alembic.render.markdown.inert import code, fenced, html_code, prose
from erm_alembic.render.presentation import Presentation
from erm_alembic.render.rehearsal import effect_of, proof_words
from erm_alembic.render.safe import block, clip, one_line
from erm_alembic.render.summary import Summary, blocked_for, blocking_estimate, takes_words, undo_words
from erm_alembic.render.verdict import how_it_stands, verb_of, what_it_is
from erm_alembic.render.words import counted, duration

__all__ = ["facts", "statements", "table", "verdict"]

ENDINGS = {"done": "done", "failed": "**failed**", "not-run": "not run"}


def verdict(plan: Plan, outcome: Outcome | None, detail: Detail) -> str:
    """The heading: what it is, of which environment, and how it stands.

    Args:
        plan: the plan.
        outcome: how it ended, or None.
        detail: how much to show.
    """
    return f"### {what_it_is(plan, outcome)} {code(plan.environment, detail.width)}: {how_it_stands(plan, outcome)}"


def facts(plan: Plan, outcome: Outcome | None, detail: Detail) -> list[str]:
    """Where, what, whom it blocks, how long it takes, and whether there is a way back, one line each.

    Args:
        plan: the plan.
        outcome: how it ended, or None.
        detail: how much to show.
    """
    summary = Summary.of(plan)
    told: list[tuple[str, str | None]] = [
        ("Database", f"{code(plan.database_url, detail.width)} (PostgreSQL {prose(plan.server_version, 40)})"),
        ("From", _revisions(plan.current, detail) or "no recorded revision"),
        (f"To {verb_of(plan)}", counted(len(plan.steps), "revision") if plan.steps and outcome is None else None),
        ("Cannot run", None if plan.cannot_run is None else prose(redact(plan.cannot_run), detail.sentence)),
    ]
    if outcome is None or outcome.result == "refused":
        told += [
            ("Blocks", _prose(summary.blocks, detail)),
            ("Takes", _prose(summary.takes, detail)),
            ("Can be undone", _prose(summary.undo, detail)),
            ("Backup", _backup(plan, detail)),
            ("Rehearsed", _rehearsed(plan, detail)),
        ]
    if outcome is not None and outcome.result != "refused":
        where = _revisions(outcome.current, detail) or "base, no revision recorded"
        told.append(("Now at" if outcome.current_known else "Last known at", where))
        told.append(("Run", None if outcome.run_id is None else f"{outcome.run_id} in the ledger"))
        if (taken := outcome.backup) is not None:
            place = code(redact(taken.place), detail.width)
            told.append(("Backup", f"{code(taken.id, detail.width)}, {place}"))
    if outcome is not None:
        error = None if any(step.error for step in outcome.steps) else outcome.error  # which the table has
        for name, text in (("Error", error), ("Effect", outcome.effect), ("Cure", outcome.cure)):
            told.append((name, _prose(text, detail)))
    for override in plan.overrides:
        told.append(("Override", f"{code(override.rule, detail.width)}: {_prose(override.reason, detail)}"))
    return ["", *(f"- **{name}**: {text}" for name, text in told if text is not None)]


def _backup(plan: Plan, detail: Detail) -> str | None:
    words = backup_words(plan.backup)
    return None if words is None else _prose(f"{words[0]}: {words[1]}", detail)


def _prose(text: str | None, detail: Detail) -> str | None:
    return prose(redact(text), detail.sentence) if text else None


def _revisions(names: tuple[str, ...], detail: Detail) -> str:
    shown = [code(name, detail.width) for name in names[:10]]
    return ", ".join(shown) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _rehearsed(plan: Plan, detail: Detail) -> str | None:
    rehearsal = plan.rehearsal
    if rehearsal is None:
        return None
    if rehearsal.status != "done":
        return f"no: {prose(redact(rehearsal.reason or 'nobody wanted it'), detail.sentence)}"
    ended = "" if rehearsal.failed is None else f", up to {code(rehearsal.failed.revision, detail.width)}, which fails"
    return f"on PostgreSQL {prose(rehearsal.server_version, 40)}{ended}"


def table(plan: Plan, outcome: Outcome | None, detail: Detail) -> list[str]:
    """The revisions, one a row: what, blocks whom, how long, undoable?

    Args:
        plan: the plan.
        outcome: how it ended, or None.
        detail: how much to show.
    """
    run = outcome is not None and outcome.result != "refused"
    ended = {each.revision: each for each in outcome.steps} if outcome is not None and run else {}
    numbered = list(enumerate(plan.steps, start=1))
    urgent = [_urgent(step) or (step.revision in ended and bool(ended[step.revision].error)) for step in plan.steps]
    shown = chosen(numbered, detail.rows, urgent)
    if not shown:
        return []
    columns = ["", "Revision", "Blocks", "Takes", "Can be undone", "Outcome"]
    rows = [_cells(number, step, plan, ended.get(step.revision), detail) for number, step in shown]
    # What there is nothing to say of in any row is no column.
    told = [number for number in range(len(columns)) if number == 0 or any(row[number] for row in rows)]
    lines = ["", *(_row([row[number] for number in told]) for row in (columns, [":--"] * len(columns), *rows))]
    left = len(numbered) - len(shown)
    return [*lines, *(["", f"... and {counted(left, 'revision')} more, not shown here."] if left else [])]


def _urgent(step: Step) -> bool:
    return blocking_estimate(step) is not None or undo_words(step) is not None or step.rendered == "partial"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(number: int, step: Step, plan: Plan, ended: StepOutcome | None, detail: Detail) -> list[str]:
    message = f" {prose(step.message, detail.width)}" if step.message.strip() else ""
    revision = f"{code(step.revision, detail.width)}{message}"
    if ended is not None:
        return [str(number), revision, "", "", "", _outcome(ended, detail)]
    blocks = blocking_estimate(step)
    undo = undo_words(step) or proof_words(step) or "downgrade not tried"
    return [
        str(number),
        revision,
        "" if blocks is None else prose(blocked_for(step, blocks), detail.sentence),
        takes_words((step,)) or "",
        prose(undo, detail.sentence) if plan.direction == "upgrade" else "",
        "",
    ]


def _outcome(ended: StepOutcome, detail: Detail) -> str:
    error = f": {prose(redact(ended.error), detail.sentence)}" if ended.error else ""
    took = "" if ended.outcome == "not-run" else f", {duration(ended.duration_ms)}"
    return f"{ENDINGS[ended.outcome]}{took}{error}"


def statements(plan: Plan, how: Presentation, detail: Detail) -> list[str]:
    """The statements of each revision, collapsed.

    Args:
        plan: the plan.
        how: where the files stand.
        detail: how much to show.
    """
    lines: list[str] = []
    for step in plan.steps:
        shown = [each for each in step.statements if detail.statements == "all" or _blocks(each)]
        if detail.statements == "none" or not (shown or step.rendered == "partial"):
            continue
        left = len(step.statements) - len(shown)
        count = counted(len(shown), "statement") + (f" of {len(step.statements)}" if left else "")
        title = f"{html_code(step.revision)} {html_code(step.message)}: {count}"
        lines += ["", f"<details><summary>{title}</summary>", "", *_sql(step, shown, how, detail), "", "</details>"]
    return lines


def _blocks(statement: Statement) -> bool:
    return statement.estimate is not None and statement.estimate.blocks != "nothing"


def _sql(step: Step, shown: list[Statement], how: Presentation, detail: Detail) -> list[str]:
    lines: list[str] = []
    for statement, same in groupby(shown):
        times = len(list(same))
        lines += [_comment(step, statement, times, how)]
        effect = effect_of(statement)
        lines += [] if effect is None else [f"-- {effect}"]
        sql = without_passwords(statement.sql).strip()
        lines += block(sql if detail.characters is None else clip(sql, detail.characters))
    if step.rendered == "partial":
        lines.append(f"-- not complete: {one_line(redact(step.reason or 'not every statement could be recorded'))}")
    return fenced(lines, "sql")


def _comment(step: Step, statement: Statement, times: int, how: Presentation) -> str:
    place = how.places.told(statement.path or step.path)
    marks = [
        one_line(place) if statement.line is None else f"{one_line(place)}:{statement.line}",
        *(["done already"] if statement.done else []),
        *(["outside a transaction"] if statement.autocommit else []),
        *([f"{statement.parameter_sets} parameter sets"] if statement.parameter_sets > 1 else []),
        *(["only reads"] if statement.read else []),
        *([f"{times:,} times"] if times > 1 else []),
    ]
    return f"-- {', '.join(marks)}"
